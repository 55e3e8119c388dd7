// Which fields the lines have: each with the share of lines that have it, and its values when it is opened.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import * as logsApi from '../../api/logs';
import * as queries from '../../api/queries';
import type { LogFilters } from '../../api/queries';
import { count, exact, percent } from '../../lib/units';
import { Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Value } from '../../ui/Value';
import styles from './Logs.module.css';

const SHOWN = 12;
const VALUES = 8;

export function FieldList({ time, filters }: { time: string | undefined; filters: LogFilters }) {
  const { data } = useQuery(logsApi.fields(time, filters));
  const [wanted, setWanted] = useState('');
  const [open, setOpen] = useState<string | null>(null);
  const [all, setAll] = useState(false);
  if (!data || data.rows === 0) return null;
  const found = data.fields.filter((field) => field.key.toLowerCase().includes(wanted.trim().toLowerCase()));
  const shown = all || wanted !== '' ? found.slice(0, 200) : found.slice(0, SHOWN);
  return (
    <section className={styles.fields} data-testid="field-list">
      <h3>
        Fields <span>{count(data.fields.length)}</span>
      </h3>
      <Input value={wanted} placeholder="find a field" aria-label="Find a field" onChange={(event) => setWanted(event.target.value)} />
      {shown.map((field) => (
        <div key={field.key}>
          <button type="button" className={styles.field} aria-expanded={open === field.key} title={`${field.key}, ${field.type}: ${exact(field.rows)} of ${exact(data.rows)} lines`} onClick={() => setOpen(open === field.key ? null : field.key)}>
            <Icon name={open === field.key ? 'down' : 'right'} size={10} />
            <span>{field.key}</span>
            <i>{percent(field.rows / data.rows)}</i>
          </button>
          {open === field.key && <Values field={field.key} time={time} />}
        </div>
      ))}
      {shown.length === 0 && <p>no such field</p>}
      {found.length > SHOWN && wanted === '' && (
        <button type="button" className={styles.moreFields} onClick={() => setAll(!all)}>
          {all ? 'fewer' : `${found.length - SHOWN} more`}
        </button>
      )}
    </section>
  );
}

function Values({ field, time }: { field: string; time: string | undefined }) {
  const { data } = useQuery(queries.attributeValues(field, 'logs', time, '', VALUES));
  if (!data) return <p>looking</p>;
  const most = data.values[0]?.count ?? 1;
  return (
    <ul className={styles.values}>
      {data.values.map((one) => (
        <li key={one.value}>
          <Value field={field} value={one.value} cut />
          <span>{count(one.count)}</span>
          <i style={{ width: `${(one.count / most) * 100}%` }} />
        </li>
      ))}
    </ul>
  );
}
