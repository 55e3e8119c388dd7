// SQL over the three tables: spans, logs, metrics.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { ApiError } from '../../api/client';
import * as queries from '../../api/queries';
import type { SqlAnswer } from '../../api/types';
import { groupColours, number } from '../../lib/figures';
import { inline } from '../../lib/json';
import { pictureOf, type Picture } from '../../lib/sqlchart';
import { formatSql, sqlTokens } from '../../lib/sqltext';
import { duration, plural } from '../../lib/units';
import { Button, Choice } from '../../ui/Control';
import { CodeField } from '../../ui/CodeField';
import { SeriesChart } from '../../ui/SeriesChart';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { useSetSearch } from '../common/search';
import styles from './Sql.module.css';
import { useSqlSuggest } from './suggest';

const here = getRouteApi('/sql');
const ROWS_MAX = 1_000;
const EXAMPLE = `SELECT "service.name", count(*) AS spans, approx_percentile_cont(duration_ns, 0.95) AS p95_ns
FROM spans
GROUP BY "service.name"
ORDER BY spans DESC`;
const EXAMPLES = [
  {
    title: 'Slowest requests by service and name',
    query: `SELECT "service.name", name, count(*) AS spans, approx_percentile_cont(duration_ns, 0.95) AS p95_ns
FROM spans
WHERE kind = 'server'
GROUP BY 1, 2
ORDER BY p95_ns DESC
LIMIT 20`,
  },
  {
    title: 'Spans and failures by the minute',
    query: `SELECT date_bin(INTERVAL '1 minute', time) AS minute, count(*) AS spans,
  count(*) FILTER (WHERE status_code = 'error') AS failed
FROM spans
GROUP BY 1
ORDER BY 1 DESC`,
  },
  {
    title: 'Exceptions and who told them',
    query: `SELECT "exception.type", "service.name", receiver, count(*) AS occurrences, max(time) AS last_seen
FROM logs
WHERE "exception.type" IS NOT NULL
GROUP BY 1, 2, 3
ORDER BY occurrences DESC`,
  },
  {
    title: 'Metrics that arrive',
    query: `SELECT metric, type, unit, "service.name", count(*) AS points, max(time) AS last_seen
FROM metrics
GROUP BY 1, 2, 3, 4
ORDER BY points DESC`,
  },
];
const VIEWS = [
  { value: 'table', label: 'Table' },
  { value: 'chart', label: 'Chart' },
] as const;
const NUMERIC = /int|float|decimal|double/i;

/** A fraction in full would hide its size; hovering shows it. */
function shown(value: unknown): string {
  return typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toFixed(Math.abs(value) >= 1000 ? 0 : 3))) : inline(value);
}

/** Positions of errors count bytes; the editor marks characters. */
function characterAt(text: string, byte: number): number {
  return new TextDecoder().decode(new TextEncoder().encode(text).slice(0, byte)).length;
}

export function SqlPage() {
  const { query, view } = here.useSearch();
  const setSearch = useSetSearch();
  const suggest = useSqlSuggest();
  const [text, setText] = useState(query ?? EXAMPLE);
  useEffect(() => {
    if (query !== undefined) setText(query);
  }, [query]);
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ['sql', query],
    queryFn: ({ signal }) => queries.runSql(query ?? '', ROWS_MAX, signal),
    enabled: query !== undefined,
    retry: false,
  });
  const client = useQueryClient();
  const picture = useMemo(() => data && pictureOf(data.columns, data.rows), [data]);
  const drawn = picture && view !== 'table' && (view === 'chart' || picture.kind === 'time');
  const run = () => {
    if (text === query) void refetch();
    else setSearch({ query: text });
  };
  const fault = error instanceof ApiError && error.position !== null && text === query ? characterAt(text, error.position) : null;
  return (
    <div className={styles.page}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <CodeField label="SQL" value={text} onChange={setText} onRun={run} draw={coloured} suggest={suggest} fault={fault} testId="sql" />
        <div>
          {isFetching ? (
            <Button onClick={() => void client.cancelQueries({ queryKey: ['sql', query] })}>Stop</Button>
          ) : (
            <Button primary type="submit" disabled={text.trim() === ''}>
              Run
            </Button>
          )}
          <Button onClick={() => setText(formatSql(text))} disabled={text.trim() === ''} title="Each clause on a line of its own">
            Tidy
          </Button>
          <span className="muted cut">
            {isFetching ? 'running' : <>Ctrl Enter runs, Ctrl Space completes. Tables <code>spans</code>, <code>logs</code>, <code>metrics</code>; a column for every attribute, its name in double quotes.</>}
          </span>
          <span className={styles.tools}>
            {picture && <Choice label="Shown as" options={VIEWS} value={drawn ? 'chart' : 'table'} onChange={(next) => setSearch({ view: next }, true)} />}
            {data && data.rows.length > 0 && <Button onClick={() => download(data)}>CSV</Button>}
          </span>
        </div>
      </form>
      <div className={styles.table}>
        {error ? (
          <Failure error={error} query={query} title="The query failed" />
        ) : data && data.rows.length === 0 ? (
          <Empty title="No row matches">
            <p>The query ran and found nothing. It looks at all that is kept, not at a time range.</p>
          </Empty>
        ) : data && drawn ? (
          <Drawn picture={picture} />
        ) : data ? (
          <Rows data={data} />
        ) : isFetching ? (
          <Loading rows={8} />
        ) : (
          <section className={styles.examples}>
            <h2>Questions to begin with</h2>
            {EXAMPLES.map((example) => (
              <button key={example.title} type="button" onClick={() => setSearch({ query: example.query })} data-testid="sql-example">
                <b>{example.title}</b>
                <pre>{coloured(example.query)}</pre>
              </button>
            ))}
          </section>
        )}
      </div>
      {data && <StatsLine stats={data.stats}>{plural(data.rows.length, 'row')}</StatsLine>}
    </div>
  );
}

function Rows({ data }: { data: SqlAnswer }) {
  const navigate = here.useNavigate();
  const numeric = (i: number) => NUMERIC.test(data.columns[i]?.type ?? '');
  const trace = data.columns.findIndex((column) => column.name === 'trace_id');
  return (
    <table data-testid="sql-rows">
      <thead>
        <tr>
          {data.columns.map((column, i) => (
            <th key={i} className={numeric(i) ? 'num' : ''} title={column.type}>
              {column.name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {data.rows.map((row, i) => (
          <tr key={i}>
            {row.map((value, j) => (
              <td key={j} className={numeric(j) ? 'num' : ''} title={inline(value)}>
                {value === null ? (
                  <span className="muted">null</span>
                ) : j === trace && typeof value === 'string' ? (
                  <button type="button" className={styles.link} onClick={() => void navigate({ to: '/traces/$traceId', params: { traceId: value } })}>
                    {value}
                  </button>
                ) : (
                  shown(value)
                )}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Drawn({ picture }: { picture: Picture }) {
  return (
    <div className={styles.pictures} data-testid="sql-chart">
      {picture.charts.map((chart) => (
        <figure key={chart.name}>
          <figcaption>
            <h2>{chart.name}</h2>
            {picture.kind === 'time' && picture.groupsLeft > 0 && <span className="muted">{plural(picture.groupsLeft, 'more group')} in the table</span>}
          </figcaption>
          {picture.kind === 'time' && 'series' in chart ? (
            <Series chart={chart} start={picture.start} step={picture.step} />
          ) : (
            'bars' in chart && <Bars bars={chart.bars} name={chart.name} />
          )}
        </figure>
      ))}
    </div>
  );
}

const figureOf = (name: string) => (/_ns$/.test(name) ? duration : /_ms$/.test(name) ? (value: number) => duration(value * 1e6) : number);

function Series({ chart, start, step }: { chart: { name: string; series: { label: string; values: (number | null)[] }[] }; start: number; step: number }) {
  const colours = groupColours(chart.series.map((one) => [one.label]), chart.series.length > 1 ? ['service.name'] : ['']);
  const series = chart.series.map((one, i) => ({ ...one, colour: chart.series.length > 1 ? (colours[i] as string) : 'var(--accent)' }));
  const format = figureOf(chart.name);
  return (
    <>
      {series.length > 1 && (
        <p className={styles.keys}>
          {series.map((one) => (
            <span key={one.label}>
              <i style={{ background: one.colour }} />
              {one.label}
            </span>
          ))}
        </p>
      )}
      <SeriesChart label={chart.name} start={start} step={step} series={series} kind="lines" height={220} format={format} tick={format} onSelect={() => undefined} />
    </>
  );
}

function Bars({ bars, name }: { bars: { label: string; value: number }[]; name: string }) {
  const most = Math.max(0, ...bars.map((bar) => bar.value));
  const format = figureOf(name);
  return (
    <ol className={styles.bars}>
      {bars.map((bar, i) => (
        <li key={i} title={`${bar.label}: ${bar.value}`}>
          <span className="cut">{bar.label}</span>
          <i>
            <b style={{ width: `${most > 0 ? (Math.max(0, bar.value) / most) * 100 : 0}%` }} />
          </i>
          <span>{format(bar.value)}</span>
        </li>
      ))}
    </ol>
  );
}

function coloured(text: string): ReactNode {
  const out: ReactNode[] = [];
  let from = 0;
  for (const token of sqlTokens(text)) {
    const at = text.indexOf(token.text, from);
    if (at > from) out.push(text.slice(from, at));
    out.push(
      <span key={at} data-kind={token.kind}>
        {token.text}
      </span>,
    );
    from = at + token.text.length;
  }
  out.push(text.slice(from));
  return <span className={styles.coloured}>{out}</span>;
}

/** What is shown, as a file. */
function download(data: SqlAnswer): void {
  const cell = (value: unknown) => {
    const text = value === null || value === undefined ? '' : inline(value);
    return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  const lines = [data.columns.map((column) => cell(column.name)), ...data.rows.map((row) => row.map(cell))].map((row) => row.join(','));
  const address = URL.createObjectURL(new Blob([`${lines.join('\r\n')}\r\n`], { type: 'text/csv' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = 'cupola.csv';
  link.click();
  URL.revokeObjectURL(address);
}
