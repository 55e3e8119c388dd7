// Completion of SQL: which word stands at the caret and what may stand there. Nothing is parsed; the statement's tables
// are those whose names occur in it.

export interface SqlAt {
  what: 'word' | 'column' | 'value';
  /** The column whose values are wanted. */
  column?: string;
  prefix: string;
  start: number;
  end: number;
}

const WORD = /[A-Za-z_][\w.]*$/;

/** What is being written at the caret; null within comments and where nothing is. */
export function sqlAt(text: string, caret: number): SqlAt | null {
  const before = text.slice(0, caret);
  if (/--[^\n]*$/.test(before)) return null;
  // An odd number of quotes stands before what is within them.
  const plain = before.replace(/''/g, '  ');
  const single = lastOpen(plain, "'");
  if (single >= 0) {
    const column = /("(?:[^"]|"")*"|[A-Za-z_][\w.]*)\s*(?:=|<>|!=|like|ilike|in\s*\((?:[^()]*,)?)\s*$/i.exec(before.slice(0, single));
    return column ? { what: 'value', column: (column[1] as string).replace(/^"|"$/g, '').replace(/""/g, '"'), prefix: before.slice(single + 1), start: single, end: text[caret] === "'" ? caret + 1 : caret } : null;
  }
  const double = lastOpen(plain, '"');
  if (double >= 0) return { what: 'column', prefix: before.slice(double + 1), start: double, end: text[caret] === '"' ? caret + 1 : caret };
  const word = WORD.exec(before);
  if (!word) return null;
  const after = /^[\w.]*/.exec(text.slice(caret));
  return { what: 'word', prefix: word[0], start: caret - word[0].length, end: caret + (after?.[0].length ?? 0) };
}

function lastOpen(text: string, quote: string): number {
  let open = -1;
  let other = '';
  for (let i = 0; i < text.length; i += 1) {
    const at = text[i] as string;
    if (other !== '') {
      if (at === other) other = '';
      continue;
    }
    if (at === quote) open = open < 0 ? i : -1;
    else if (open < 0 && (at === "'" || at === '"')) other = at;
  }
  return open;
}

/** The tables a statement names; all of them while it names none. */
export function tablesIn(text: string): ('spans' | 'logs' | 'metrics')[] {
  const all = ['spans', 'logs', 'metrics'] as const;
  const named = all.filter((table) => new RegExp(`\\b(from|join)\\s+${table}\\b`, 'i').test(text));
  return named.length > 0 ? named : [...all];
}

export const columnText = (name: string): string => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replace(/"/g, '""')}"`);

export const SQL_WORDS: readonly { text: string; hint: string; insert?: string }[] = [
  ...['SELECT', 'FROM', 'WHERE', 'GROUP BY', 'HAVING', 'ORDER BY', 'LIMIT', 'DISTINCT', 'JOIN', 'LEFT JOIN', 'ON', 'WITH', 'AS', 'AND', 'OR', 'NOT', 'IN', 'IS NULL', 'IS NOT NULL', 'BETWEEN', 'LIKE', 'ILIKE', 'CASE', 'WHEN', 'THEN', 'ELSE', 'END', 'DESC', 'ASC', 'UNION ALL', 'OVER', 'PARTITION BY', 'FILTER', 'INTERVAL'].map((text) => ({ text, hint: '' })),
  { text: 'count(*)', hint: 'rows' },
  { text: 'sum', hint: 'sum(x)', insert: 'sum(|)' },
  { text: 'avg', hint: 'mean', insert: 'avg(|)' },
  { text: 'min', hint: 'smallest', insert: 'min(|)' },
  { text: 'max', hint: 'largest', insert: 'max(|)' },
  { text: 'percentile', hint: 'percentile(x, share, weight)', insert: 'percentile(|, 0.95)' },
  { text: 'histogram', hint: 'counts of log buckets', insert: 'histogram(|)' },
  { text: 'time_bucket', hint: 'time_bucket(interval, time)', insert: "time_bucket(INTERVAL '1 minute', time)" },
  { text: 'date_bin', hint: 'date_bin(interval, time)', insert: "date_bin(INTERVAL '1 minute', time)" },
  { text: 'log_bucket', hint: 'the log bucket of a number', insert: 'log_bucket(|)' },
  { text: 'has_token', hint: 'a whole word of a text', insert: "has_token(body, '|')" },
  { text: 'approx_distinct', hint: 'about how many values', insert: 'approx_distinct(|)' },
  { text: 'coalesce', hint: 'the first that is there', insert: 'coalesce(|, )' },
  { text: 'now()', hint: 'this moment' },
  { text: 'lower', hint: '', insert: 'lower(|)' },
  { text: 'starts_with', hint: '', insert: "starts_with(|, '')" },
  { text: 'regexp_like', hint: '', insert: "regexp_like(|, '')" },
  { text: 'cast', hint: '', insert: 'CAST(| AS VARCHAR)' },
];
