// What is known of fields beyond their names: how many rows have one, how many values it takes, when it was last seen.
import { queryOptions } from '@tanstack/react-query';
import * as queries from '../../api/queries';
import { rangeFromParam } from '../../lib/time';

export interface FieldFacts {
  rows: number;
  of: number;
  distinct: number | null;
  /** RFC 3339. */
  last: string | null;
}

/** Names of Honeycomb's for columns that are called otherwise. */
const COLUMN_OF: Record<'spans' | 'logs', Record<string, string>> = {
  spans: { duration_ms: 'duration_ns', 'span.kind': 'kind', type: 'kind', error: 'status_code', 'trace.trace_id': 'trace_id', 'trace.span_id': 'span_id', 'trace.parent_id': 'parent_span_id', 'trace.trace_state': 'trace_state' },
  logs: { 'trace.trace_id': 'trace_id', 'trace.parent_id': 'span_id', severity: 'severity_number', severity_code: 'severity_number', 'event.name': 'event_name', name: 'event_name' },
};

export function columnOf(signal: 'spans' | 'logs', name: string, known: ReadonlySet<string>): string | null {
  const own = COLUMN_OF[signal][name] ?? name;
  if (known.has(`attributes.${own}`)) return `attributes.${own}`;
  return known.has(own) ? own : null;
}

const quote = (name: string) => `"${name.replace(/"/g, '""')}"`;
const IDS = new Set(['trace_id', 'span_id', 'parent_span_id']);

/** Facts of some columns of a table, in one scan. */
export const facts = (signal: 'spans' | 'logs', columns: readonly string[], time: string | undefined) =>
  queryOptions({
    queryKey: ['schema', 'facts', signal, columns, time],
    queryFn: async ({ signal: abort }) => {
      const { start, end } = rangeFromParam(time, Date.now());
      const told = columns.flatMap((column, i) => {
        const name = quote(column);
        // Ids differ from row to row; counting them tells nothing.
        const distinct = IDS.has(column) ? 'CAST(NULL AS BIGINT)' : `approx_distinct(CAST(${name} AS VARCHAR))`;
        return [`count(${name}) AS n${i}`, `${distinct} AS d${i}`, `max(time) FILTER (WHERE ${name} IS NOT NULL) AS t${i}`];
      });
      const sql = `SELECT count(*) AS n, ${told.join(', ')} FROM ${signal} WHERE time >= to_timestamp_millis(${Math.floor(start)}) AND time < to_timestamp_millis(${Math.ceil(end)})`;
      const answer = await queries.runSql(sql, 1, abort);
      const row = answer.rows[0] ?? [];
      return Object.fromEntries(columns.map((column, i): [string, FieldFacts] => [column, { of: Number(row[0] ?? 0), rows: Number(row[1 + 3 * i] ?? 0), distinct: row[2 + 3 * i] === null ? null : Number(row[2 + 3 * i]), last: (row[3 + 3 * i] as string | null) ?? null }]));
    },
    staleTime: 60_000,
    enabled: columns.length > 0,
    retry: false,
  });

export interface Merged {
  rows: number;
  of: number;
  distinct: number | null;
  last: number | null;
}

/** Facts of both tables together: values that both have are counted once at least. */
export function merged(list: readonly (FieldFacts | undefined)[]): Merged | null {
  const told = list.filter((one): one is FieldFacts => one !== undefined);
  if (told.length === 0) return null;
  const times = told.flatMap((one) => (one.last === null ? [] : [Date.parse(one.last)]));
  const distinct = told.flatMap((one) => (one.distinct === null ? [] : [one.distinct]));
  return { rows: told.reduce((sum, one) => sum + one.rows, 0), of: told.reduce((sum, one) => sum + one.of, 0), distinct: distinct.length > 0 ? Math.max(...distinct) : null, last: times.length > 0 ? Math.max(...times) : null };
}
