// The search language as the page edits it: a term is added or taken away, words are found for highlighting, and the
// piece under the caret is found for completion. The server parses; nothing here judges whether a query is right.

export interface Token {
  text: string;
  start: number;
  end: number;
}

/** Words, quoted strings, operators and parentheses, with their place in the text. */
export function tokens(q: string): Token[] {
  const out: Token[] = [];
  const pattern = /"(?:[^"\\]|\\.)*"?|[()]|!=|>=|<=|=|>|<|[^\s()=<>!:"]+|[:!]/g;
  for (const match of q.matchAll(pattern)) {
    out.push({ text: match[0], start: match.index, end: match.index + match[0].length });
  }
  return out;
}

const OPERATORS = new Set(['=', '!=', '>', '>=', '<', '<=', ':']);
const WORDS = new Set(['and', 'or', 'not', 'exists']);

export function quoted(value: string): string {
  return `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`;
}

/** Plain numbers, durations and truth values stay bare so that they compare as what they are. */
export function literal(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  return quoted(value);
}

export function term(key: string, value: string | number | boolean, negated = false): string {
  return `${key} ${negated ? '!=' : '='} ${literal(value)}`;
}

/** Adds `key = value` (or `!=`); its opposite goes, and nothing is said twice. */
export function withTerm(q: string, key: string, value: string | number | boolean, negated = false): string {
  const wanted = term(key, value, negated);
  const rest = withoutTerm(q, key, value, !negated);
  if (hasTerm(rest, key, value, negated)) return rest;
  if (rest === '') return wanted;
  const loose = tokens(rest).some((token) => token.text.toLowerCase() === 'or');
  return loose ? `(${rest}) ${wanted}` : `${rest} ${wanted}`;
}

export function hasTerm(q: string, key: string, value: string | number | boolean, negated = false): boolean {
  return placeOf(q, key, value, negated) !== null;
}

export function withoutTerm(q: string, key: string, value: string | number | boolean, negated = false): string {
  const place = placeOf(q, key, value, negated);
  if (!place) return q.trim();
  const before = q.slice(0, place.start).replace(/\s*(?:and\s*)?$/i, '');
  const after = q.slice(place.end).replace(/^\s*(?:and\b\s*)?/i, '');
  return [before, after].filter((part) => part.trim() !== '').join(' ').trim();
}

function placeOf(q: string, key: string, value: string | number | boolean, negated: boolean) {
  const list = tokens(q);
  const operator = negated ? '!=' : '=';
  for (let i = 0; i + 2 < list.length; i += 1) {
    const [k, o, v] = [list[i], list[i + 1], list[i + 2]];
    if (k?.text === key && o?.text === operator && v?.text === literal(value)) return { start: k.start, end: v.end };
  }
  return null;
}

/** What a bare word or a quoted phrase looks for in the text of a line; what is negated is not there to be seen. */
export function words(q: string): string[] {
  const list = tokens(q);
  const out: string[] = [];
  for (let i = 0; i < list.length; i += 1) {
    const text = list[i]?.text ?? '';
    const next = list[i + 1]?.text;
    const previous = list[i - 1]?.text.toLowerCase();
    if (next !== undefined && (OPERATORS.has(next) || next.toLowerCase() === 'exists')) continue;
    if (OPERATORS.has(text) || WORDS.has(text.toLowerCase()) || text === '(' || text === ')') continue;
    const key = list[i - 2]?.text;
    if (previous !== undefined && OPERATORS.has(previous) && !(previous === ':' && key === 'body')) continue;
    if (previous === 'not' || text.startsWith('-')) continue;
    const bare = text.startsWith('"') ? text.slice(1, text.endsWith('"') && text.length > 1 ? -1 : undefined) : text;
    if (bare !== '') out.push(bare.replace(/\\(.)/g, '$1'));
  }
  return out;
}

export interface Completing {
  /** A value is wanted when a key and an operator stand before the caret. */
  key: string | null;
  prefix: string;
  start: number;
  end: number;
}

/** What is being written at the caret: a key (or word), or the value of a key. */
export function completingAt(q: string, caret: number): Completing {
  const list = tokens(q);
  const at = list.findIndex((token) => token.start < caret && caret <= token.end && !OPERATORS.has(token.text));
  const before = at >= 0 ? at : list.filter((token) => token.end <= caret).length;
  const operator = list[before - 1]?.text;
  const key = operator !== undefined && OPERATORS.has(operator) ? (list[before - 2]?.text ?? null) : null;
  const token = at >= 0 ? list[at] : undefined;
  const prefix = token ? q.slice(token.start, caret).replace(/^"/, '') : '';
  return { key, prefix, start: token?.start ?? caret, end: token?.end ?? caret };
}

export interface Piece {
  text: string;
  hit: boolean;
}

/** Cuts a text into hits and the rest, case-insensitively; longer words win where two begin at one place. */
export function pieces(text: string, wanted: string[]): Piece[] {
  const list = wanted.filter((word) => word !== '');
  if (list.length === 0) return [{ text, hit: false }];
  const escaped = [...list].sort((a, b) => b.length - a.length).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const out: Piece[] = [];
  let last = 0;
  for (const match of text.matchAll(new RegExp(escaped.join('|'), 'gi'))) {
    if (match.index > last) out.push({ text: text.slice(last, match.index), hit: false });
    out.push({ text: match[0], hit: true });
    last = match.index + match[0].length;
  }
  if (last < text.length) out.push({ text: text.slice(last), hit: false });
  return out;
}
