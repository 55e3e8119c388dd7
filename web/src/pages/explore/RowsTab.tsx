// The events themselves, newest first; one opens beside the list with all that it tells.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import * as api from '../../api/explore';
import * as kept from '../../api/kept';
import type { Selection } from '../../api/explore';
import { formatOf } from '../../lib/figures';
import { inline } from '../../lib/json';
import type { Question } from '../../lib/question';
import { localTime } from '../../lib/time';
import { plural } from '../../lib/units';
import { BareButton, Button, CopyButton, Input } from '../../ui/Control';
import { Fields } from '../../ui/Fields';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Service } from '../../ui/Chip';
import { Value } from '../../ui/Value';
import styles from './Rows.module.css';

const STEPS = [100, 500, 1_000];
const TIME = 'timestamp';
/** Shown as columns when the question names none. */
const USUAL = ['service.name', 'name', 'duration_ms', 'http.response.status_code', 'severity', 'body'];
const COLUMNS_MAX = 8;

export function RowsTab({ question, time, selection, opened, onOpen }: { question: Question; time: string | undefined; selection: Selection | null; opened: string | undefined; onOpen: (row: string | undefined) => void }) {
  const [limit, setLimit] = useState(STEPS[0] as number);
  const { data, error, refetch } = useQuery(api.rows(question, selection, time, limit));
  if (error) return <Failure error={error} onRetry={() => void refetch()} title="The rows could not be read" />;
  if (!data) return <Loading rows={12} />;
  if (data.rows.length === 0) {
    return (
      <Empty title="No event matches">
        <p>Take away a filter, or choose a longer time range above.</p>
      </Empty>
    );
  }
  const has = (name: string) => data.columns.includes(name) && data.rows.some((row) => row[data.columns.indexOf(name)] !== null);
  const named = [...question.breakdowns, ...question.filters.map((one) => one.column), ...question.calculations.flatMap((one) => one.column ?? [])];
  const shown = [...new Set(['service.name', 'name', ...named, ...USUAL])].filter(has).slice(0, COLUMNS_MAX);
  const place = new Map(data.columns.map((name, i) => [name, i]));
  const cell = (row: unknown[], name: string) => row[place.get(name) ?? -1] ?? null;
  const idOf = (row: unknown[], i: number) => String(cell(row, 'trace.span_id') ?? `${cell(row, TIME)} ${i}`);
  const open = opened === undefined ? undefined : data.rows.find((row, i) => idOf(row, i) === opened);
  const next = STEPS.find((one) => one > limit);
  return (
    <>
      <div className={styles.rows}>
        <div className={styles.list}>
          <table className={styles.table} data-testid="rows">
            <thead>
              <tr>
                <th>Time</th>
                {shown.map((name) => (
                  <th key={name} className={numeric(data.rows, place.get(name)) ? 'num' : ''}>
                    {name}
                  </th>
                ))}
                <th aria-label="Trace" />
              </tr>
            </thead>
            <tbody>
              {data.rows.map((row, i) => {
                const id = idOf(row, i);
                const trace = cell(row, 'trace.trace_id');
                const span = cell(row, 'trace.span_id');
                return (
                  <tr key={id} data-testid="explore-row" data-open={id === opened} onClick={() => onOpen(id === opened ? undefined : id)}>
                    <td className={styles.time}>{localTime(api.momentMs(cell(row, TIME)), Date.now())}</td>
                    {shown.map((name) => (
                      <td key={name} className={numeric(data.rows, place.get(name)) ? 'num' : ''}>
                        <Shown name={name} value={cell(row, name)} />
                      </td>
                    ))}
                    <td className={styles.trace}>
                      {typeof trace === 'string' && (
                        <Link to="/traces/$traceId" params={{ traceId: trace }} search={typeof span === 'string' ? { span } : {}} onClick={(event) => event.stopPropagation()} data-testid="open-trace">
                          trace
                        </Link>
                      )}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
          <div className={styles.end}>
            {data.rows.length < limit ? `That is all: ${plural(data.rows.length, 'event')}` : next ? <Button onClick={() => setLimit(next)}>Show the newest {next}</Button> : `The newest ${limit}; narrow the question to see others`}
          </div>
        </div>
        {open && <RowPanel key={opened} question={question} columns={data.columns} row={open} onClose={() => onOpen(undefined)} />}
      </div>
      <StatsLine stats={data.stats}>{plural(data.rows.length, 'event')}</StatsLine>
    </>
  );
}

function numeric(rows: unknown[][], at: number | undefined): boolean {
  const first = rows.find((row) => row[at ?? -1] !== null && row[at ?? -1] !== undefined);
  return typeof first?.[at ?? -1] === 'number';
}

/** One event with all that it tells; what the list knows is shown until the rest is there. */
function RowPanel({ question, columns, row, onClose }: { question: Question; columns: string[]; row: unknown[]; onClose: () => void }) {
  const [find, setFind] = useState('');
  const known = Object.fromEntries(columns.map((name, i) => [name, row[i]] as const).filter(([, value]) => value !== null && value !== undefined));
  const fields = useQuery(kept.fields());
  const calculated = useQuery({ ...kept.calculated(), retry: false });
  const names = [...(calculated.data ?? []).map((one) => one.alias), ...(fields.data ?? []).map((one) => one.key_name)];
  const { data, error } = useQuery({ ...api.rowDetail(question, api.momentMs(known[TIME]), known, names), enabled: names.length > 0 });
  const told = { ...known, ...data };
  return (
    <aside className={styles.side} data-testid="row-panel">
      <header>
        <h2>{String(known.name ?? known.body ?? 'Event')}</h2>
        <CopyButton bare text={() => JSON.stringify(told, null, 2)} label="Copy as JSON" />
        <BareButton icon="close" label="Close" onClick={onClose} />
      </header>
      <Input value={find} placeholder="find a field or value" aria-label="Find a field or value" onChange={(event) => setFind(event.target.value)} />
      {error && <p className="muted">the other fields could not be read: {error.message}</p>}
      <Fields filter={find} fields={told} />
    </aside>
  );
}

function Shown({ name, value }: { name: string; value: unknown }) {
  if (value === null || value === undefined) return <span className="muted">–</span>;
  if (name === 'service.name') {
    return (
      <Value field={name} value={value}>
        <Service name={String(value)} />
      </Value>
    );
  }
  return (
    <Value field={name} value={value} cut>
      {typeof value === 'number' ? formatOf({ op: 'AVG', column: name })(value) : inline(value)}
    </Value>
  );
}
