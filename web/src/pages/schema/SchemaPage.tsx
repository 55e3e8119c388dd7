// Schema: every field that was told, what is known of it, and fields that are calculated.
import { getRouteApi } from '@tanstack/react-router';
import { Tabs } from '../../ui/Tabs';
import { useSetSearch } from '../common/search';
import { Calculated } from './Calculated';
import { FieldList } from './FieldList';
import styles from './Schema.module.css';

const here = getRouteApi('/schema');
const TABS = [
  { id: 'fields', label: 'Fields' },
  { id: 'calculated', label: 'Calculated fields' },
];

export function SchemaPage() {
  const { tab } = here.useSearch();
  const setSearch = useSetSearch();
  return (
    <div className={styles.page}>
      <div className={styles.tabs}>
        <Tabs label="Views" tabs={TABS} value={tab === 'calculated' ? 'calculated' : 'fields'} onChange={(next) => setSearch({ tab: next === 'fields' ? undefined : next })} />
      </div>
      {tab === 'calculated' ? <Calculated /> : <FieldList />}
    </div>
  );
}
