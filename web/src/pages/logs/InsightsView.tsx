// Logs Insights' languages: an editor that knows their words, its history and what was saved; the answer as a table and a chart.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { ApiError } from '../../api/client';
import * as api from '../../api/logs';
import type { InsightsAnswer } from '../../api/logs';
import * as queries from '../../api/queries';
import { chartOf, EXAMPLES, fieldWritten, LANGUAGES, languageFrom, ordered, wantsCommand, withEntry, type HistoryEntry, type InsightsLanguage } from '../../lib/insights';
import { inline } from '../../lib/json';
import { columnText, SQL_WORDS } from '../../lib/sqlcomplete';
import { ago, localTime, paramFromRange } from '../../lib/time';
import { count, exact, plural } from '../../lib/units';
import { Chart } from '../../ui/Chart';
import { BareButton, Button, Choice, copyText, Input } from '../../ui/Control';
import { Editor, type EditorCompletion } from '../../ui/Editor';
import { Icon } from '../../ui/Icon';
import { Panel } from '../../ui/Menu';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { useNow } from '../../ui/Time';
import { useSetSearch } from '../common/search';
import styles from './Insights.module.css';

const here = getRouteApi('/logs');
const HISTORY = 'cupola.insights.history';
const OWN_FIELDS = ['@timestamp', '@message', '@logStream', '@log', '@ingestionTime', '@ptr'];
const SQL_TABLES = ['logs', 'spans', 'metrics'];
const ROW_PX = 24;
const COLOURS = ['var(--accent)', 'var(--level-error)', 'var(--level-warn)', 'var(--throttle)', 'var(--ok)', 'var(--level-info)', 'var(--level-fatal)', 'var(--bar-quiet)', 'var(--level-debug)', 'var(--ink-3)'];

const SQL_COMPLETIONS: EditorCompletion[] = [
  ...SQL_TABLES.map((label): EditorCompletion => ({ label, kind: 'keyword', detail: 'table' })),
  ...SQL_WORDS.map((word): EditorCompletion => ({ label: word.text, kind: word.insert ? 'function' : 'keyword', detail: word.hint, apply: word.insert?.replace(/\|.*$/, '') ?? `${word.text} ` })),
];
const SQL_NAMES = {
  commands: [...SQL_TABLES, ...SQL_WORDS.filter((word) => !word.insert).flatMap((word) => word.text.split(' '))],
  functions: ['count', ...SQL_WORDS.filter((word) => word.insert).map((word) => word.text)],
};

const langParam = (language: InsightsLanguage) => (language === 'cwli' ? undefined : language);

const LEVELS = /^(trace|debug|info|warn|error|fatal)(?:ing)?$/i;

/** Levels have their own colours wherever they stand. */
function colourOf(label: string, i: number): string {
  const level = LEVELS.exec(label)?.[1]?.toLowerCase();
  return level ? `var(--level-${level})` : label === '–' ? 'var(--level-unknown)' : (COLOURS[i % COLOURS.length] ?? 'var(--accent)');
}

function readHistory(): HistoryEntry[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(HISTORY) ?? '[]');
    return Array.isArray(list) ? (list as HistoryEntry[]) : [];
  } catch {
    return [];
  }
}

export function InsightsView({ views }: { views: ReactNode }) {
  const { time, insights: asked = '', lang, groups: groupsText = '' } = here.useSearch();
  const language = languageFrom(lang);
  const setSearch = useSetSearch();
  const groups = useMemo(() => groupsText.split(',').filter(Boolean), [groupsText]);
  const [text, setText] = useState(asked || (EXAMPLES[language][0]?.query ?? ''));
  const [runs, setRuns] = useState(0);
  const [history, setHistory] = useState(readHistory);
  const words = useQuery(api.words(language));
  const fields = useQuery(api.fields(time, {}));
  const answer = useQuery(api.insights(time, language, asked, groups, runs === 0 ? undefined : String(runs)));
  useEffect(() => {
    if (asked !== '') setText(asked);
  }, [asked]);

  const run = () => {
    const query = text.trim();
    if (query === '') return;
    const next = withEntry(history, { query, language, groups, at: Date.now() });
    setHistory(next);
    localStorage.setItem(HISTORY, JSON.stringify(next));
    setRuns(runs + 1);
    setSearch({ insights: query });
  };
  /** Puts a query into the editor, in its language and over its groups, without asking it. */
  const choose = (query: string, of: InsightsLanguage, over: string[]) => {
    setText(query);
    setSearch({ lang: langParam(of), groups: over.join(',') || undefined, insights: of === language ? asked || undefined : undefined }, true);
  };
  const known = words.data?.words;
  const complete = useCallback(
    (before: string): EditorCompletion[] => {
      const written = language === 'sql' ? columnText : fieldWritten;
      const own = language === 'sql' ? [] : OWN_FIELDS;
      const keys = [...own, ...(fields.data?.fields ?? []).map((field) => field.key)].map((key): EditorCompletion => ({ label: key, apply: written(key), kind: 'property' }));
      if (language === 'sql') return [...SQL_COMPLETIONS, ...keys];
      if (wantsCommand(before)) return (known ?? []).filter((word) => word.kind === 'command').map((word) => ({ label: word.name, kind: 'keyword', detail: word.usage, info: word.help, apply: `${word.name} ` }));
      const functions = (known ?? []).filter((word) => word.kind !== 'command').map((word): EditorCompletion => ({ label: word.name, kind: 'function', detail: word.usage, info: word.help, apply: `${word.name}(` }));
      return [...keys, ...functions];
    },
    [known, fields.data, language],
  );
  const named = useMemo(
    () => (language === 'sql' ? SQL_NAMES : { commands: (known ?? []).filter((word) => word.kind === 'command').map((word) => word.name), functions: (known ?? []).filter((word) => word.kind !== 'command').map((word) => word.name) }),
    [known, language],
  );
  const fault = answer.error instanceof ApiError && answer.error.code === 'invalid_query' && text.trim() === asked ? { position: answer.error.position, message: answer.error.message } : null;
  return (
    <>
      <div className={styles.bar}>
        {views}
        <Choice label="Language" options={LANGUAGES} value={language} onChange={(next) => choose(EXAMPLES[next][0]?.query ?? '', next, groups)} />
        {language !== 'sql' && <GroupPicker chosen={groups} onChange={(next) => setSearch({ groups: next.length > 0 ? next.join(',') : undefined })} />}
        <span className={styles.grow} />
        <Picker label="Examples">{(close) => EXAMPLES[language].map((one) => <Entry key={one.name} name={one.name} query={one.query} onChoose={() => (setText(one.query), close())} />)}</Picker>
        <Picker label="History">
          {(close) =>
            history.length === 0 ? (
              <p className={styles.none}>Queries that were run here are kept in this browser.</p>
            ) : (
              history.map((one) => <Entry key={`${one.at}`} name={ago(one.at, Date.now())} query={one.query} onChoose={() => (choose(one.query, languageFrom(one.language), one.groups), close())} />)
            )
          }
        </Picker>
        <Saved text={text} language={language} groups={groups} onChoose={choose} />
      </div>
      <div className={styles.write}>
        <Editor label={`Query in ${LANGUAGES.find((one) => one.value === language)?.label ?? ''}`} placeholder={LANGUAGES.find((one) => one.value === language)?.placeholder} value={text} onChange={setText} onRun={run} complete={complete} words={named} fault={fault} />
        <div className={styles.run}>
          <Button primary onClick={run} disabled={text.trim() === ''} data-testid="insights-run" title="Ctrl and Enter">
            <Icon name="play" size={12} /> Run
          </Button>
          <kbd>Ctrl ⏎</kbd>
          {fault && (
            <span className={styles.fault} role="alert" data-testid="insights-fault">
              <Icon name="alert" size={12} /> {fault.message}
            </span>
          )}
          {answer.isFetching && <Running />}
        </div>
      </div>
      {asked === '' ? (
        <Empty title="Ask your log lines">
          {language === 'sql' ? (
            <p>One SELECT over logs, spans and metrics. Times stand in the query: the range above is not added to it. The examples above are a start.</p>
          ) : (
            <p>Commands joined by bars: pick fields, filter, group and reckon. Without a log group chosen, every group and every service that logs is asked. The examples above are a start.</p>
          )}
        </Empty>
      ) : answer.data && !fault ? (
        <Answer query={asked} answer={answer.data} onRange={(range) => setSearch({ time: range })} />
      ) : answer.error && !fault ? (
        <Failure error={answer.error} onRetry={() => void answer.refetch()} />
      ) : fault ? (
        <Empty title="The query cannot be read">
          <p>The editor marks the place.</p>
        </Empty>
      ) : (
        <Loading rows={10} />
      )}
    </>
  );
}

function Running() {
  const [since] = useState(Date.now);
  const now = useNow(200);
  return <span className="muted">running for {((now - since) / 1000).toFixed(1)} s</span>;
}

function Answer({ query, answer, onRange }: { query: string; answer: InsightsAnswer; onRange: (time: string) => void }) {
  const rows = useMemo(() => (answer.grouped ? ordered(query, answer.columns, answer.rows as unknown[][]) : (answer.rows as unknown[][])), [query, answer]);
  const chart = useMemo(() => (answer.grouped ? chartOf(answer.columns, rows) : null), [answer, rows]);
  const [kind, setKind] = useState<'bars' | 'lines'>('bars');
  return (
    <>
      {chart?.kind === 'time' && (
        <div className={styles.chart}>
          <div className={styles.kind}>
            <button type="button" aria-pressed={kind === 'bars'} onClick={() => setKind('bars')}>
              bars
            </button>
            <button type="button" aria-pressed={kind === 'lines'} onClick={() => setKind('lines')}>
              lines
            </button>
          </div>
          <Chart title={`${plural(chart.series.length + chart.more, 'series', 'series')} over time${chart.more > 0 ? `, the ${chart.series.length} largest` : ''}`} kind={kind} height={150} start={chart.start} step={chart.step} format={count} onSelect={(range) => onRange(paramFromRange(range))} series={chart.series.map((one, i) => ({ label: one.label, values: one.values, colour: colourOf(one.label, i) }))} />
        </div>
      )}
      {chart?.kind === 'bars' && (
        <div className={styles.bars} data-testid="insights-bars">
          {chart.rows.slice(0, 10).map((row) => (
            <div key={row.label}>
              <span className="cut" title={row.label}>
                {row.label}
              </span>
              <i>
                <b style={{ width: `${(row.value / (chart.rows[0]?.value || 1)) * 100}%` }} />
              </i>
              <span>{Number.isInteger(row.value) ? count(row.value) : row.value.toPrecision(4)}</span>
            </div>
          ))}
        </div>
      )}
      <Table answer={answer} rows={rows} />
      <StatsLine stats={answer.stats}>
        {plural(rows.length, 'row')}, {exact(answer.matched)} of {exact(answer.scanned)} lines matched
      </StatsLine>
    </>
  );
}

function Table({ answer, rows }: { answer: InsightsAnswer; rows: unknown[][] }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [sort, setSort] = useState<{ column: number; down: boolean } | null>(null);
  const [open, setOpen] = useState<number | null>(null);
  // A pointer to an event is for programs.
  const columns = answer.columns.map((column, i) => ({ ...column, i })).filter((column) => column.name !== '@ptr');
  const order = useMemo(() => {
    const places = rows.map((_, i) => i);
    if (!sort) return places;
    const value = (i: number) => rows[i]?.[sort.column];
    const compare = (a: unknown, b: unknown) => (a === null || a === undefined ? 1 : b === null || b === undefined ? -1 : typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
    return places.sort((a, b) => compare(value(a), value(b)) * (sort.down ? -1 : 1));
  }, [rows, sort]);
  const virtual = useVirtualizer({ count: order.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_PX, overscan: 20, getItemKey: (i) => order[i] ?? i });
  const numeric = (type: string) => /^(u?int|float|double|decimal)/i.test(type);
  const widths = columns.map((column) => (column.name === '@message' ? 'minmax(320px, 6fr)' : /^timestamp/i.test(column.type) ? '176px' : numeric(column.type) ? 'minmax(84px, 1fr)' : 'minmax(120px, 2fr)')).join(' ');
  if (rows.length === 0) {
    return (
      <Empty title="No rows">
        <p>No log event in this time range meets the query. Choose a longer range above, or other groups.</p>
      </Empty>
    );
  }
  const shown = (cell: unknown, type: string) => (cell === null || cell === undefined ? '' : /^timestamp/i.test(type) ? localTime(Date.parse(String(cell)), Date.now()) : typeof cell === 'number' && !Number.isInteger(cell) ? String(Number(cell.toPrecision(6))) : inline(cell));
  return (
    <div className={styles.table} ref={scroller} data-testid="insights-table" tabIndex={0} role="region" aria-label="Rows">
      <div className={styles.head} style={{ gridTemplateColumns: `28px ${widths}` }}>
        <span />
        {columns.map((column) => (
          <button key={column.name} type="button" data-num={numeric(column.type)} onClick={() => setSort(sort?.column === column.i ? (sort.down ? { column: column.i, down: false } : null) : { column: column.i, down: true })}>
            {column.name} {sort?.column === column.i && <Icon name={sort.down ? 'down' : 'up'} size={10} />}
          </button>
        ))}
      </div>
      <div style={{ height: virtual.getTotalSize(), position: 'relative', minWidth: 'max-content', width: '100%' }}>
        {virtual.getVirtualItems().map((item) => {
          const place = order[item.index] ?? 0;
          const row = rows[place] ?? [];
          return (
            <div key={item.key} ref={virtual.measureElement} data-index={item.index} className={styles.row} style={{ transform: `translateY(${item.start}px)` }} data-testid="insights-row">
              <div className={styles.cells} style={{ gridTemplateColumns: `28px ${widths}` }} onClick={() => window.getSelection()?.isCollapsed !== false && setOpen(open === place ? null : place)}>
                <span className={styles.fold}>
                  <Icon name={open === place ? 'down' : 'right'} size={11} />
                </span>
                {columns.map((column) => (
                  <span key={column.name} className="cut" data-num={numeric(column.type)} title={shown(row[column.i], column.type).slice(0, 400)}>
                    {shown(row[column.i], column.type)}
                  </span>
                ))}
              </div>
              {open === place && (
                <dl className={styles.whole}>
                  {columns.map((column) => [
                    <dt key={`${column.name} key`}>{column.name}</dt>,
                    <dd key={column.name}>
                      {inline(row[column.i] ?? '')}
                      <BareButton icon="copy" label="Copy" onClick={() => void copyText(inline(row[column.i] ?? ''))} />
                    </dd>,
                  ])}
                </dl>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Picker({ label, children }: { label: string; children: (close: () => void) => ReactNode }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const close = useCallback(() => setOpen(false), []);
  return (
    <>
      <Button ref={anchor} aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen(!open)} data-testid={`insights-${label.toLowerCase()}`}>
        {label} <Icon name="down" size={12} />
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={close} role="dialog" label={label}>
          <div className={styles.list}>{children(close)}</div>
        </Panel>
      )}
    </>
  );
}

function Entry({ name, query, onChoose, onForget }: { name: string; query: string; onChoose: () => void; onForget?: () => void }) {
  return (
    <div className={styles.choice}>
      <button type="button" onClick={onChoose}>
        <b>{name}</b>
        <code>{query.replace(/\s*\n\s*/g, ' ')}</code>
      </button>
      {onForget && <BareButton icon="close" label={`Forget ${name}`} onClick={onForget} />}
    </div>
  );
}

function Saved({ text, language, groups, onChoose }: { text: string; language: InsightsLanguage; groups: string[]; onChoose: (query: string, language: InsightsLanguage, groups: string[]) => void }) {
  const client = useQueryClient();
  const { data } = useQuery(api.saved());
  const [name, setName] = useState('');
  const again = () => client.invalidateQueries({ queryKey: ['logs', 'insights', 'saved'] });
  const save = useMutation({
    mutationFn: () => api.save(name.trim(), language, text, groups),
    onSuccess: async () => {
      setName('');
      await again();
    },
  });
  const forget = useMutation({ mutationFn: api.forget, onSuccess: again });
  return (
    <Picker label="Saved">
      {(close) => (
        <>
          <form
            className={styles.save}
            onSubmit={(event) => {
              event.preventDefault();
              if (name.trim() !== '') save.mutate();
            }}
          >
            <Input value={name} placeholder="name for what is in the editor" aria-label="Name" onChange={(event) => setName(event.target.value)} data-testid="insights-name" />
            <Button type="submit" primary disabled={name.trim() === '' || text.trim() === ''} data-testid="insights-save">
              Save
            </Button>
          </form>
          {save.error && <p role="alert">{save.error.message}</p>}
          {(data?.queries.length ?? 0) === 0 && <p className={styles.none}>Nothing is saved yet. What CloudWatch's clients save is listed here too.</p>}
          {data?.queries.map((one) => (
            <Entry
              key={one.id}
              name={one.name}
              query={one.query}
              onForget={() => forget.mutate(one.id)}
              onChoose={() => {
                onChoose(one.query, one.language, one.log_groups);
                close();
              }}
            />
          ))}
        </>
      )}
    </Picker>
  );
}

/** Groups by their names and services by theirs; none is all. */
function GroupPicker({ chosen, onChange }: { chosen: string[]; onChange: (groups: string[]) => void }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [wanted, setWanted] = useState('');
  const groups = useQuery(api.groups(''));
  const services = useQuery(queries.attributeValues('service.name', 'logs', '30d', ''));
  const names = [...(groups.data?.groups.map((one) => one.name) ?? []), ...(services.data?.values.map((one) => `otel/${one.value}`) ?? []), 'aws/spans'];
  const shown = [...chosen.filter((name) => !names.includes(name)), ...names].filter((name) => name.toLowerCase().includes(wanted.trim().toLowerCase())).slice(0, 60);
  const toggle = (name: string) => onChange(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  const close = useCallback(() => setOpen(false), []);
  return (
    <>
      <Button ref={anchor} aria-haspopup="dialog" aria-expanded={open} aria-pressed={chosen.length > 0} onClick={() => setOpen(!open)} data-testid="insights-groups">
        <span className={styles.chosen}>{chosen.length === 0 ? 'All log groups' : chosen.length === 1 ? chosen[0] : `${chosen.length} log groups`}</span> <Icon name="down" size={12} />
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={close} role="dialog" label="Log groups">
          <div className={styles.groups}>
            <Input autoFocus value={wanted} placeholder="find a group" aria-label="Find a group" onChange={(event) => setWanted(event.target.value)} />
            {shown.map((name) => (
              <label key={name}>
                <input type="checkbox" checked={chosen.includes(name)} onChange={() => toggle(name)} />
                <span className="cut mono">{name}</span>
              </label>
            ))}
            {shown.length === 0 && <p className={styles.none}>No group has this in its name.</p>}
            {chosen.length > 0 && <Button onClick={() => onChange([])}>All log groups</Button>}
          </div>
        </Panel>
      )}
    </>
  );
}
