// Settings: what a person decides about how telemetry is sampled and grouped.
import { getRouteApi } from '@tanstack/react-router';
import { Tabs } from '../../ui/Tabs';
import { useSetSearch } from '../common/search';
import { Groups } from './Groups';
import { Sampling } from './Sampling';

const here = getRouteApi('/settings');
const TABS = [
  { id: 'sampling', label: 'Sampling' },
  { id: 'groups', label: 'Groups' },
];

export function SettingsPage() {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const tab = TABS.some((one) => one.id === search.tab) ? (search.tab as string) : 'sampling';
  return (
    <>
      <Tabs tabs={TABS} value={tab} onChange={(id) => setSearch({ tab: id === 'sampling' ? undefined : id, rule: undefined, group: undefined })} label="Settings" />
      {tab === 'sampling' ? <Sampling chosen={search.rule} /> : <Groups chosen={search.group} />}
    </>
  );
}
