// What is different about what was selected: every field, the most different first, selected beside all others.
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import * as api from '../../api/explore';
import type { BubbleUpAnswer, BubbleUpField, Selection } from '../../api/explore';
import { formatOf } from '../../lib/figures';
import { filterText, type Question } from '../../lib/question';
import { count, exact, percent } from '../../lib/units';
import { Button, Choice, Input } from '../../ui/Control';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Value, ValueActions, type ActionsFor } from '../../ui/Value';
import styles from './BubbleUp.module.css';

interface Props {
  question: Question;
  time: string | undefined;
  selection: Selection | null;
  onSelect: (selection: Selection) => void;
  /** A range of a field becomes filters. */
  onRange: (column: string, low: number, high: number) => void;
}

const SOURCES = [
  { value: 'all', label: 'All', of: [] },
  { value: 'rows', label: 'Events', of: ['span', 'log', 'both'] },
  { value: 'resource', label: 'Resource', of: ['resource'] },
  { value: 'event', label: 'Span events', of: ['event'] },
  { value: 'trace', label: 'Logs of traces', of: ['trace'] },
] as const satisfies readonly { value: string; label: string; of: readonly BubbleUpField['source'][] }[];
type Source = (typeof SOURCES)[number]['value'];
const isOf = (field: BubbleUpField, source: Source) => source === 'all' || SOURCES.some((one) => one.value === source && (one.of as readonly string[]).includes(field.source));

export function BubbleUp({ question, time, selection, onSelect, onRange }: Props) {
  const [find, setFind] = useState('');
  const [source, setSource] = useState<Source>('all');
  const asked = useCompared(question, selection, time);
  if (!selection) {
    return (
      <Empty title="Select what stands out">
        <p>Drag a box over a heatmap, or a range over a chart: every field of what you select is compared with all other events of the question, and the fields that differ most come first. Or begin with one of these.</p>
        <div className={styles.starts}>
          <Button onClick={() => onSelect({ filters: [{ column: 'error', op: '=', value: true }] })}>Failed spans</Button>
          <Button onClick={() => onSelect({ column: 'duration_ms', low: 1000, filters: [] })}>Slower than 1 s</Button>
          <Button onClick={() => onSelect({ filters: [{ column: 'http.response.status_code', op: '>=', value: 500 }] })}>Status 500 and up</Button>
          <Button onClick={() => onSelect({ filters: [{ column: 'exception.type', op: 'exists' }] })}>Exceptions</Button>
        </div>
      </Empty>
    );
  }
  if (asked.error) return <Failure error={asked.error} onRetry={asked.retry} title="The selection could not be compared" />;
  if (!asked.answer) return <Loading rows={10} label="Comparing every field" />;
  const { fields, selection: inside, baseline, stats, is_whole: whole } = asked.answer;
  if (inside.rows === 0 && !whole) return <Loading rows={10} label="Comparing every field" />;
  if (inside.rows === 0) {
    return (
      <Empty title="Nothing is in the selection">
        <p>No event of the question lies in it. Drag a larger box, or take away a filter.</p>
      </Empty>
    );
  }
  const wanted = find.toLowerCase();
  const there = SOURCES.filter((one) => one.value === 'all' || fields.some((field) => isOf(field, one.value)));
  const shown = fields.filter((field) => isOf(field, source) && (wanted === '' || field.column.toLowerCase().includes(wanted) || field.values.some((one) => String(one.value).toLowerCase().includes(wanted))));
  const telling = shown.filter((field) => field.significant);
  const rest = shown.filter((field) => !field.significant);
  return (
    <>
      <div className={styles.head}>
        <span className={styles.legend}>
          <i data-of="selection" /> <b>{count(inside.weight)}</b> selected
        </span>
        <span className={styles.legend} title={`${exact(baseline.rows)} rows of the same question`}>
          <i data-of="baseline" /> <b>{count(baseline.weight)}</b> others
        </span>
        {whole ? (
          <span className="muted">click a value to filter, exclude or group by it</span>
        ) : (
          <span className={styles.coming} role="status" data-testid="bubble-coming">
            of {count(inside.rows + baseline.rows)} rows so far, comparing the rest…
          </span>
        )}
        <span className={styles.tools}>
          {there.length > 2 && <Choice label="Fields of" options={there} value={source} onChange={setSource} />}
          <Input value={find} placeholder="find a field or value" aria-label="Find a field or value" onChange={(event) => setFind(event.target.value)} data-testid="bubble-find" />
        </span>
      </div>
      {telling.length === 0 && <p className={styles.quiet}>{shown.length === 0 ? 'No field matches.' : 'No field differs more than chance makes it.'}</p>}
      <div className={styles.cards} data-testid="bubble-up" data-whole={whole}>
        {telling.map((field) => (
          <Field key={`${field.source} ${field.column}`} field={field} onRange={onRange} />
        ))}
      </div>
      {rest.length > 0 && (
        <details className={styles.rest}>
          <summary>{rest.length} fields that differ no more than chance makes them</summary>
          <div className={styles.cards}>
            {rest.map((field) => (
              <Field key={`${field.source} ${field.column}`} field={field} onRange={onRange} />
            ))}
          </div>
        </details>
      )}
      <StatsLine stats={{ ...stats, rows_scanned: Math.min(stats.rows_scanned, stats.rows_total) }}>{fields.length} fields compared</StatsLine>
    </>
  );
}

/** What is known so far: estimates as they come, then the whole. */
function useCompared(question: Question, selection: Selection | null, time: string | undefined) {
  const key = api.bubbleUpKey(question, selection, time);
  const text = JSON.stringify(key);
  const [coming, setComing] = useState<{ text: string; answer: BubbleUpAnswer } | null>(null);
  const asked = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => api.bubbleUp(question, selection ?? { filters: [] }, time, (answer) => setComing({ text, answer }), signal),
    enabled: selection !== null,
    staleTime: 30_000,
    retry: false,
  });
  const { refetch } = asked;
  return { answer: asked.data ?? (coming?.text === text ? coming.answer : null), error: asked.error, retry: () => void refetch() };
}

const SOURCE_NAMES = { span: '', both: '', log: 'log lines', resource: 'resource', event: 'span events', trace: 'logs of the trace' } as const;
const SOURCE_TOLD = { event: 'Of the events of each span; shares are shares of spans', trace: 'Of the log lines of each trace; shares are shares of traces', resource: 'Of the resource that sent the events' } as const;
const none = () => [];

function Field({ field, onRange }: { field: BubbleUpField; onRange: Props['onRange'] }) {
  // What the rows themselves do not have cannot filter them: a click leads to those that have it.
  const linked = field.source === 'event' || field.source === 'trace';
  const navigate = useNavigate();
  const actions: ActionsFor = (column, value) => {
    if (typeof value !== 'string' || value === '') return none();
    // A line is cut where it is compared, so that it begins with what is told.
    const where = filterText({ column, op: column === 'body' ? 'starts-with' : '=', value });
    const to = (tab: string) => void navigate({ to: '/explore', search: (before: Record<string, unknown>) => ({ time: before.time as string | undefined, calc: 'COUNT', by: 'service.name', where, tab }) });
    return [
      { label: field.source === 'event' ? 'Look at these span events' : 'Look at these log lines', testId: 'value-rows', onSelect: () => to('rows') },
      { label: 'Count them over time', onSelect: () => to('overview') },
    ];
  };
  return (
    <section className={styles.card} data-testid="bubble-field" data-column={field.column} data-source={field.source}>
      <header>
        <h3 title={field.column}>{field.column}</h3>
        {SOURCE_NAMES[field.source] && (
          <span className={styles.source} title={field.source in SOURCE_TOLD ? SOURCE_TOLD[field.source as keyof typeof SOURCE_TOLD] : undefined}>
            {SOURCE_NAMES[field.source]}
          </span>
        )}
        <span className={styles.score} title={`${percent(field.score)} of the selected would have to have another value to be like the others`}>
          <i style={{ width: `${Math.min(1, field.score) * 100}%` }} />
          {percent(field.score)}
        </span>
      </header>
      {field.histogram ? (
        <Range field={field} histogram={field.histogram} onRange={linked ? null : onRange} />
      ) : linked ? (
        <ValueActions value={actions}>
          <Values field={field} />
        </ValueActions>
      ) : (
        <Values field={field} />
      )}
      {(field.selection_null_share > 0 || field.baseline_null_share > 0) && (
        <footer>
          without it: {percent(field.selection_null_share)} of selected, {percent(field.baseline_null_share)} of others
        </footer>
      )}
    </section>
  );
}

const VALUES_SHOWN = 6;

function Values({ field }: { field: BubbleUpField }) {
  const shown = field.values.slice(0, VALUES_SHOWN);
  const most = Math.max(1e-9, ...shown.flatMap((one) => [one.selection_share, one.baseline_share]));
  return (
    <ul className={styles.values}>
      {shown.map((one) => (
        <li key={String(one.value)} title={`${one.value === null ? 'no value' : String(one.value)}\n${percent(one.selection_share)} of selected (${exact(one.selection_count)})\n${percent(one.baseline_share)} of others (${exact(one.baseline_count)})`}>
          <Value field={field.column} value={one.value} cut>
            {one.value === null ? <i className="muted">none</i> : one.value === '' ? <i className="muted">empty</i> : String(one.value)}
          </Value>
          <span className={styles.pair}>
            <i data-of="selection" style={{ width: `${(one.selection_share / most) * 100}%` }} />
            <i data-of="baseline" style={{ width: `${(one.baseline_share / most) * 100}%` }} />
          </span>
          <span className={styles.share}>{percent(one.selection_share)}</span>
          <span className={`${styles.share} muted`}>{percent(one.baseline_share)}</span>
        </li>
      ))}
    </ul>
  );
}

/** Numbers: two outlines over one axis; a bar keeps its range. */
function Range({ field, histogram, onRange }: { field: BubbleUpField; histogram: NonNullable<BubbleUpField['histogram']>; onRange: Props['onRange'] | null }) {
  const { edges, selection, baseline } = histogram;
  const format = formatOf({ op: 'AVG', column: field.column });
  const most = Math.max(1e-9, ...selection, ...baseline);
  const n = Math.max(1, selection.length);
  return (
    <div className={styles.range}>
      <div className={styles.bars}>
        {selection.map((share, i) => {
          const [low, high] = [edges[i] ?? 0, edges[i + 1] ?? edges[i] ?? 0];
          const told = `${format(low)} – ${format(high)}\n${percent(share)} of selected, ${percent(baseline[i] ?? 0)} of others${onRange ? '\nclick to keep only these' : ''}`;
          return (
            <button key={i} type="button" style={{ width: `${100 / n}%` }} title={told} aria-label={told} disabled={!onRange} onClick={() => onRange?.(field.column, low, high)}>
              <i data-of="baseline" style={{ height: `${((baseline[i] ?? 0) / most) * 100}%` }} />
              <i data-of="selection" style={{ height: `${(share / most) * 100}%` }} />
            </button>
          );
        })}
      </div>
      <div className={styles.ends}>
        <span>{format(edges[0] ?? 0)}</span>
        <span>{format(edges[Math.floor(edges.length / 2)] ?? 0)}</span>
        <span>{format(edges[edges.length - 1] ?? 0)}</span>
      </div>
    </div>
  );
}
