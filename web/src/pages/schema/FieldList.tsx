// Fields with their types, how many rows have them, how many values they take and when they were last seen. What comes
// into sight is looked up, a handful of fields in one scan.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState } from 'react';
import { fieldValues } from '../../api/explore';
import * as kept from '../../api/kept';
import * as queries from '../../api/queries';
import { EMPTY, valueText, nameText, type Scalar } from '../../lib/question';
import { count, exact, percent, plural } from '../../lib/units';
import { BareButton, Button, Choice, Input } from '../../ui/Control';
import { Empty, Failure, Loading } from '../../ui/State';
import { useNow } from '../../ui/Time';
import { ago } from '../../lib/time';
import { Value } from '../../ui/Value';
import { useSetSearch } from '../common/search';
import { columnOf, facts, merged } from './facts';
import styles from './Schema.module.css';

const here = getRouteApi('/schema');
/** Fields of one scan. */
const CHUNK = 12;
const SIGNALS = [
  { value: 'all', label: 'All' },
  { value: 'spans', label: 'Spans' },
  { value: 'logs', label: 'Log lines' },
] as const;

type Known = { spans: ReadonlySet<string>; logs: ReadonlySet<string> };

export function FieldList() {
  const { q = '', signal = 'all', hidden, field: opened, time } = here.useSearch();
  const setSearch = useSetSearch();
  const fields = useQuery(kept.fields());
  const spans = useQuery(queries.attributes('spans'));
  const logs = useQuery(queries.attributes('logs'));
  const known = useMemo((): Known => ({ spans: new Set(spans.data?.attributes.map((one) => one.key)), logs: new Set(logs.data?.attributes.map((one) => one.key)) }), [spans.data, logs.data]);
  if (fields.error) return <Failure error={fields.error} onRetry={() => void fields.refetch()} />;
  if (!fields.data || !spans.data || !logs.data) return <Loading rows={14} />;
  const wanted = q.toLowerCase();
  const showHidden = hidden === '1';
  const all = fields.data.filter((one) => (signal === 'spans' || signal === 'logs' ? columnOf(signal, one.key_name, known[signal]) !== null : true));
  const shown = all.filter((one) => (showHidden || !one.hidden) && `${one.key_name} ${one.description}`.toLowerCase().includes(wanted)).sort((a, b) => (a.key_name < b.key_name ? -1 : 1));
  const chunks = Array.from({ length: Math.ceil(shown.length / CHUNK) }, (_, i) => shown.slice(i * CHUNK, (i + 1) * CHUNK));
  const hiddenCount = all.filter((one) => one.hidden).length;
  const open = fields.data.find((one) => one.key_name === opened);
  return (
    <>
      <div className={styles.bar}>
        <Input value={q} placeholder="find a field" aria-label="Find a field" data-search="" data-testid="schema-find" onChange={(event) => setSearch({ q: event.target.value || undefined }, true)} />
        <Choice label="Of" options={SIGNALS} value={signal === 'spans' || signal === 'logs' ? signal : 'all'} onChange={(next) => setSearch({ signal: next === 'all' ? undefined : next })} />
        {hiddenCount > 0 && (
          <Button aria-pressed={showHidden} onClick={() => setSearch({ hidden: showHidden ? undefined : '1' }, true)}>
            {hiddenCount} hidden
          </Button>
        )}
        <span className="muted">{plural(shown.length, 'field')}</span>
      </div>
      <div className={styles.body}>
        <div className={styles.list}>
          {shown.length === 0 ? (
            <Empty title="No field is called so">
              <p>Whatever arrives makes its fields known; nothing has to be declared.</p>
            </Empty>
          ) : (
            <table className={styles.table} data-testid="schema">
              <thead>
                <tr>
                  <th>Field</th>
                  <th>Type</th>
                  <th>Told by</th>
                  <th className="num">Rows with it</th>
                  <th className="num">Values</th>
                  <th className="num">Last seen</th>
                  <th aria-label="Hide" />
                </tr>
              </thead>
              {chunks.map((chunk) => (
                <Chunk key={chunk.map((one) => one.id).join()} fields={chunk} known={known} time={time} opened={opened} onOpen={(name) => setSearch({ field: name === opened ? undefined : name }, true)} />
              ))}
            </table>
          )}
        </div>
        {open && <FieldPanel key={open.id} field={open} time={time} onClose={() => setSearch({ field: undefined }, true)} />}
      </div>
    </>
  );
}

function Chunk({ fields, known, time, opened, onOpen }: { fields: kept.Field[]; known: Known; time: string | undefined; opened: string | undefined; onOpen: (name: string) => void }) {
  const place = useRef<HTMLTableSectionElement>(null);
  const [seen, setSeen] = useState(false);
  const now = useNow(15_000);
  useEffect(() => {
    const element = place.current;
    if (!element || seen) return undefined;
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true));
    watch.observe(element);
    return () => watch.disconnect();
  }, [seen]);
  const columns = (signal: 'spans' | 'logs') => [...new Set(fields.flatMap((one) => columnOf(signal, one.key_name, known[signal]) ?? []))];
  const spans = useQuery({ ...facts('spans', columns('spans'), time), enabled: seen && columns('spans').length > 0 });
  const logs = useQuery({ ...facts('logs', columns('logs'), time), enabled: seen && columns('logs').length > 0 });
  const waiting = !seen || spans.isFetching || logs.isFetching;
  return (
    <tbody ref={place}>
      {fields.map((one) => {
        const [ofSpans, ofLogs] = [columnOf('spans', one.key_name, known.spans), columnOf('logs', one.key_name, known.logs)];
        const told = merged([ofSpans === null ? undefined : spans.data?.[ofSpans], ofLogs === null ? undefined : logs.data?.[ofLogs]]);
        const dash = <span className="muted">{waiting ? '…' : '–'}</span>;
        return (
          <tr key={one.id} data-testid="schema-row" data-field={one.key_name} data-open={one.key_name === opened} data-hidden={one.hidden} onClick={() => onOpen(one.key_name)}>
            <td className={styles.name}>
              <button type="button" className="mono" title={one.description || undefined}>
                {one.key_name}
              </button>
              {one.description && <span className="muted">{one.description}</span>}
            </td>
            <td className="muted">{one.type}</td>
            <td className="muted">{[ofSpans && 'spans', ofLogs && 'log lines'].filter(Boolean).join(', ') || 'derived'}</td>
            <td className="num">
              {told === null ? (
                dash
              ) : (
                <span className={styles.share} title={`${exact(told.rows)} of ${exact(told.of)} rows`}>
                  <i>
                    <b style={{ width: `${told.of > 0 ? (told.rows / told.of) * 100 : 0}%` }} />
                  </i>
                  <span>{told.of > 0 ? percent(told.rows / told.of) : '0%'}</span>
                </span>
              )}
            </td>
            <td className="num">{told?.distinct === null || told === null ? dash : `${told.distinct > 100 ? '≈ ' : ''}${count(told.distinct)}`}</td>
            <td className="num muted">{told?.last === null || told === null ? dash : ago(told.last, now)}</td>
            <td className={styles.hide}>
              <HideButton field={one} />
            </td>
          </tr>
        );
      })}
    </tbody>
  );
}

function useChange() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (field: kept.Field) => kept.changeField(field),
    onSuccess: () => client.invalidateQueries({ queryKey: ['kept', 'fields'] }),
  });
}

function HideButton({ field }: { field: kept.Field }) {
  const change = useChange();
  return (
    <Button
      className={styles.quiet}
      disabled={change.isPending}
      title={field.hidden ? 'Offer it in Explore again' : 'Do not offer it in Explore; it stays in every row'}
      onClick={(event) => {
        event.stopPropagation();
        change.mutate({ ...field, hidden: !field.hidden });
      }}
    >
      {field.hidden ? 'Show' : 'Hide'}
    </Button>
  );
}

const NUMBER = /int|float|number/i;

/** A field's most frequent values, and what to ask about it. */
function FieldPanel({ field, time, onClose }: { field: kept.Field; time: string | undefined; onClose: () => void }) {
  const values = useQuery(fieldValues(EMPTY, field.key_name, '', time));
  const change = useChange();
  const name = nameText(field.key_name);
  const most = Math.max(1, ...(values.data ?? []).map((one) => one.count));
  return (
    <aside className={styles.panel} data-testid="schema-panel">
      <header>
        <h2 className="mono">{field.key_name}</h2>
        <BareButton icon="close" label="Close" onClick={onClose} />
      </header>
      <Input key={field.description} defaultValue={field.description} placeholder="what it means" aria-label="What it means" onBlur={(event) => event.target.value !== field.description && change.mutate({ ...field, description: event.target.value })} />
      <nav>
        <Link to="/explore" search={{ calc: 'COUNT', by: name, time }}>
          Events by {field.key_name}
        </Link>
        {NUMBER.test(field.type) && (
          <Link to="/explore" search={{ calc: `HEATMAP(${name}), P95(${name})`, time }}>
            Its values over time
          </Link>
        )}
        <Link to="/explore" search={{ calc: `COUNT, COUNT_DISTINCT(${name})`, where: `${name} exists`, by: 'service.name', time }}>
          Who tells it
        </Link>
      </nav>
      <h3>Most frequent values</h3>
      {values.error ? (
        <p className="muted">could not be counted: {values.error.message}</p>
      ) : !values.data ? (
        <Loading rows={6} label="Counting" />
      ) : values.data.length === 0 ? (
        <p className="muted">none in this range</p>
      ) : (
        <ul>
          {values.data.map((one) => (
            <li key={String(one.value)}>
              <Value field={field.key_name} value={one.value} cut>
                {one.value === '' ? <i className="muted">empty</i> : String(one.value)}
              </Value>
              <Link to="/explore" search={{ calc: 'COUNT', where: `${name} = ${valueText(one.value as Scalar)}`, by: 'service.name', time }} title="Explore these">
                {count(one.count)}
              </Link>
              <i style={{ width: `${(one.count / most) * 100}%` }} />
            </li>
          ))}
        </ul>
      )}
    </aside>
  );
}
