// SQL over the three tables: spans, logs, metrics.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import * as queries from '../../api/queries';
import { inline } from '../../lib/json';
import { plural } from '../../lib/units';
import { Button } from '../../ui/Control';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { useSetSearch } from '../common/search';
import styles from './Sql.module.css';

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
const NUMERIC = /int|float|decimal|double/i;

/** A fraction in full would hide its size; hovering shows it. */
function shown(value: unknown): string {
  return typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toFixed(Math.abs(value) >= 1000 ? 0 : 3))) : inline(value);
}

export function SqlPage() {
  const { query } = here.useSearch();
  const setSearch = useSetSearch();
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
  const run = () => {
    if (text === query) void refetch();
    else setSearch({ query: text });
  };
  return (
    <div className={styles.page}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <textarea
          aria-label="SQL"
          spellCheck={false}
          value={text}
          data-search=""
          data-testid="sql"
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) run();
            if (event.key === 'Escape') event.currentTarget.blur();
          }}
        />
        <div>
          <Button primary type="submit" disabled={isFetching || text.trim() === ''}>
            {isFetching ? 'Running' : 'Run'}
          </Button>
          <span className="muted">
            Ctrl Enter. Tables: <code>spans</code>, <code>logs</code>, <code>metrics</code>; a column for every attribute, its name in double quotes. At most {plural(ROWS_MAX, 'row')} are shown.
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
        ) : data ? (
          <table>
            <thead>
              <tr>
                {data.columns.map((column, i) => (
                  <th key={i} className={NUMERIC.test(column.type) ? 'num' : ''} title={column.type}>
                    {column.name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {data.rows.map((row, i) => (
                <tr key={i}>
                  {row.map((value, j) => (
                    <td key={j} className={NUMERIC.test(data.columns[j]?.type ?? '') ? 'num' : ''} title={inline(value)}>
                      {value === null ? <span className="muted">null</span> : shown(value)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        ) : isFetching ? (
          <Loading rows={8} />
        ) : (
          <section className={styles.examples}>
            <h2>Questions to begin with</h2>
            {EXAMPLES.map((example) => (
              <button key={example.title} type="button" onClick={() => setSearch({ query: example.query })} data-testid="sql-example">
                <b>{example.title}</b>
                <pre>{example.query}</pre>
              </button>
            ))}
          </section>
        )}
      </div>
      {data && (
        <StatsLine stats={data.stats}>
          {plural(data.rows.length, 'row')}
        </StatsLine>
      )}
    </div>
  );
}
