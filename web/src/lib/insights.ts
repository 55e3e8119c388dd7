// Logs Insights on the page: what can be completed where, and the chart that an answer is worth.

export interface InsightsColumn {
  name: string;
  type: string;
}

export type Cell = unknown;

export interface TimeSeries {
  kind: 'time';
  /** Milliseconds. */
  start: number;
  step: number;
  series: { label: string; values: (number | null)[] }[];
  /** Series that are not drawn. */
  more: number;
}

export interface Bars {
  kind: 'bars';
  measure: string;
  rows: { label: string; value: number }[];
  more: number;
}

const SERIES_MAX = 10;
const BARS_MAX = 20;
const STEPS_MAX = 2_000;

const isTime = (column: InsightsColumn) => /^timestamp/i.test(column.type);
const isNumber = (column: InsightsColumn) => /^(u?int|float|double|decimal|bigint|integer)/i.test(column.type) || column.type === 'number';
const figure = (cell: Cell): number | null => (typeof cell === 'number' ? cell : typeof cell === 'string' && cell !== '' && Number.isFinite(Number(cell)) ? Number(cell) : null);

/** The chart of an answer that groups: over time where a column is one, otherwise bars of the first figure. */
export function chartOf(columns: InsightsColumn[], rows: Cell[][]): TimeSeries | Bars | null {
  const time = columns.findIndex(isTime);
  const figures = columns.flatMap((column, i) => (isNumber(column) ? [i] : []));
  const labels = columns.flatMap((column, i) => (!isNumber(column) && i !== time ? [i] : []));
  if (figures.length === 0 || rows.length < 2) return null;
  const labelOf = (row: Cell[]) => labels.map((i) => String(row[i] ?? '–')).join(' ');
  if (time < 0) {
    const at = figures[0] as number;
    if (labels.length === 0) return null;
    const all = rows.map((row) => ({ label: labelOf(row), value: figure(row[at]) ?? 0 })).sort((a, b) => b.value - a.value);
    return { kind: 'bars', measure: columns[at]?.name ?? '', rows: all.slice(0, BARS_MAX), more: Math.max(0, all.length - BARS_MAX) };
  }
  const moments = rows.map((row) => Date.parse(String(row[time])));
  const known = [...new Set(moments.filter(Number.isFinite))].sort((a, b) => a - b);
  if (known.length < 2) return null;
  const step = known.slice(1).reduce((least, ms, i) => Math.min(least, ms - (known[i] as number)), Infinity);
  const start = known[0] as number;
  const count = Math.round(((known[known.length - 1] as number) - start) / step) + 1;
  if (count > STEPS_MAX) return null;
  const series = new Map<string, (number | null)[]>();
  rows.forEach((row, i) => {
    const place = Math.round(((moments[i] as number) - start) / step);
    if (!Number.isFinite(place)) return;
    for (const at of figures) {
      const name = [labelOf(row), figures.length > 1 || labels.length === 0 ? columns[at]?.name : ''].filter(Boolean).join(' · ');
      const values = series.get(name) ?? Array.from({ length: count }, (): number | null => null);
      values[place] = figure(row[at]);
      series.set(name, values);
    }
  });
  const total = (values: (number | null)[]) => values.reduce((sum: number, value) => sum + (value ?? 0), 0);
  const all = [...series].map(([label, values]) => ({ label, values })).sort((a, b) => total(b.values) - total(a.values));
  return { kind: 'time', start, step, series: all.slice(0, SERIES_MAX), more: Math.max(0, all.length - SERIES_MAX) };
}

/** Rows of a chart over time, the newest first, where the query leaves their order open. */
export function ordered(query: string, columns: InsightsColumn[], rows: Cell[][]): Cell[][] {
  const time = columns.findIndex(isTime);
  if (time < 0 || /\b(sort|order\s+by)\b/i.test(query)) return rows;
  const moment = (row: Cell[]) => String(row[time] ?? '');
  return [...rows].sort((a, b) => (moment(a) < moment(b) ? 1 : moment(a) > moment(b) ? -1 : 0));
}

/** Whether a command is wanted at the caret: at the start, after a bar, or within the first word of a line. */
export function wantsCommand(before: string): boolean {
  const stage = before.slice(before.lastIndexOf('|') + 1);
  return /^\s*\w*$/.test(stage);
}

/** A field as it is written: in backticks when it has more than letters, digits, dots and @. */
export const fieldWritten = (name: string): string => (/^[@A-Za-z_][\w.@]*$/.test(name) ? name : `\`${name}\``);

export type InsightsLanguage = 'cwli' | 'ppl' | 'sql';

/** What a query may be written in, as people call it. */
export const LANGUAGES: { value: InsightsLanguage; label: string; placeholder: string }[] = [
  { value: 'cwli', label: 'Insights QL', placeholder: 'fields @timestamp, @message | filter @message like /timeout/ | sort @timestamp desc' },
  { value: 'ppl', label: 'PPL', placeholder: "where level = 'error' | stats count() as errors by span(@timestamp, 5m)" },
  { value: 'sql', label: 'SQL', placeholder: "SELECT severity_text, count(*) AS lines FROM logs WHERE time > now() - INTERVAL '1 hour' GROUP BY 1" },
];

export const languageFrom = (text: string | undefined): InsightsLanguage => LANGUAGES.find((one) => one.value === text)?.value ?? 'cwli';

export interface HistoryEntry {
  query: string;
  /** Insights' own where it is not said. */
  language?: InsightsLanguage;
  groups: string[];
  at: number;
}

const HISTORY_MAX = 50;

/** The newest first, each text once. */
export function withEntry(history: HistoryEntry[], entry: HistoryEntry): HistoryEntry[] {
  const same = (one: HistoryEntry) => languageFrom(one.language) === languageFrom(entry.language) && one.query.trim() === entry.query.trim() && one.groups.join() === entry.groups.join();
  return [entry, ...history.filter((one) => !same(one))].slice(0, HISTORY_MAX);
}

export const EXAMPLES: Record<InsightsLanguage, { name: string; query: string }[]> = {
  cwli: [
    { name: 'Newest lines', query: 'fields @timestamp, @message\n| sort @timestamp desc\n| limit 50' },
    { name: 'Lines over time by level', query: 'stats count(*) as lines by bin(1m), severity_text' },
    { name: 'Errors by service', query: 'filter severity_number >= 17\n| stats count(*) as errors by service.name\n| sort errors desc' },
    { name: 'Slowest requests', query: 'filter ispresent(duration_ms)\n| stats pct(duration_ms, 95) as p95, count(*) as requests by http.route\n| sort p95 desc' },
    { name: 'A number out of the text', query: 'parse @message "took * ms" as took\n| filter ispresent(took)\n| stats avg(took), max(took) by bin(1m)' },
    { name: 'Lines that are much the same', query: 'pattern @message' },
  ],
  ppl: [
    { name: 'Newest lines', query: 'fields @timestamp, @message\n| sort - @timestamp\n| head 50' },
    { name: 'Lines over time by level', query: 'stats count() as lines by span(@timestamp, 1m), severity_text' },
    { name: 'Most frequent routes by service', query: 'top 3 http.route by service.name' },
    { name: 'Slowest requests', query: 'where isnotnull(duration_ms)\n| stats p95(duration_ms) as p95, count() as requests by http.route\n| sort - p95' },
    { name: 'A number out of the text', query: "grok @message 'took %{NUMBER:took} ms'\n| where isnotnull(took)\n| stats avg(took), max(took) by span(@timestamp, 1m)" },
    { name: 'Lines that are much the same', query: 'patterns @message' },
  ],
  sql: [
    { name: 'Newest lines', query: "SELECT time, severity_text, body\nFROM logs\nWHERE time > now() - INTERVAL '1 hour'\nORDER BY time DESC\nLIMIT 50" },
    { name: 'Lines over time by level', query: "SELECT date_bin(INTERVAL '1 minute', time) AS minute, severity_text, count(*) AS lines\nFROM logs\nWHERE time > now() - INTERVAL '1 hour'\nGROUP BY 1, 2\nORDER BY 1" },
    { name: 'Errors by service', query: "SELECT \"service.name\", count(*) AS errors\nFROM logs\nWHERE severity_number >= 17 AND time > now() - INTERVAL '1 day'\nGROUP BY 1\nORDER BY errors DESC" },
  ],
};
