// X-Ray filter expressions as text the page writes: handles of nodes and edges, clauses that are added and taken away,
// and what is being written at the caret. The server parses; nothing here judges whether an expression is right.
import type { Completing } from './search';
import { tokens as searchTokens } from './search';

export function quotedString(text: string): string {
  return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`;
}

interface NodeLike {
  name: string;
  type: string;
}

/** `"api"`, or `id(...)` where the name alone means several nodes. */
function nodeRef(node: NodeLike, all: readonly NodeLike[]): string {
  const alike = all.filter((other) => other.name === node.name);
  return alike.length > 1 && node.type !== '' ? `id(name: ${quotedString(node.name)}, type: ${quotedString(node.type)})` : quotedString(node.name);
}

export function serviceFilter(node: NodeLike, all: readonly NodeLike[], inner = ''): string {
  return `service(${nodeRef(node, all)})${block(inner)}`;
}

export function edgeFilter(from: NodeLike, to: NodeLike, all: readonly NodeLike[], inner = ''): string {
  return `edge(${nodeRef(from, all)}, ${nodeRef(to, all)})${block(inner)}`;
}

const block = (inner: string) => (inner === '' ? '' : ` { ${inner} }`);

/** Seconds as filter expressions have them, to the microsecond and without needless zeros. */
export function secondsText(seconds: number): string {
  return String(Number(seconds.toFixed(6)));
}

export function responseTimeFilter(from: number | null, to: number | null): string {
  const parts: string[] = [];
  if (from !== null && from > 0) parts.push(`responsetime >= ${secondsText(from)}`);
  if (to !== null && Number.isFinite(to)) parts.push(`responsetime <= ${secondsText(to)}`);
  return parts.join(' AND ');
}

export function statusFilter(statuses: readonly string[]): string {
  const list = statuses.filter((status) => ['ok', 'error', 'throttle', 'fault'].includes(status));
  return list.length > 1 ? `(${list.join(' OR ')})` : (list[0] ?? '');
}

export function allOf(...clauses: (string | undefined)[]): string {
  return clauses.filter((clause): clause is string => clause !== undefined && clause.trim() !== '').map((clause) => clause.trim()).join(' AND ');
}

// Clauses

interface Token {
  text: string;
  start: number;
  end: number;
}

/** Strings, words, numbers and signs with their places. */
export function filterTokens(text: string): Token[] {
  const out: Token[] = [];
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"?|!=|>=|<=|[(){}[\],:=<>!]|[^\s(){}[\],:=<>!"]+/g)) {
    out.push({ text: match[0], start: match.index, end: match.index + match[0].length });
  }
  return out;
}

/** The parts a top-level AND joins; the whole where an OR stands beside them. */
export function clauses(filter: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let from = 0;
  for (const token of filterTokens(filter)) {
    if (/^[({[]$/.test(token.text)) depth += 1;
    else if (/^[)}\]]$/.test(token.text)) depth -= 1;
    else if (depth === 0 && /^or$/i.test(token.text)) return filter.trim() === '' ? [] : [filter.trim()];
    else if (depth === 0 && /^and$/i.test(token.text)) {
      out.push(filter.slice(from, token.start).trim());
      from = token.end;
    }
  }
  out.push(filter.slice(from).trim());
  return out.filter((clause) => clause !== '');
}

const same = (a: string, b: string) => filterTokens(a).map((token) => token.text).join(' ') === filterTokens(b).map((token) => token.text).join(' ');
const isLoose = (filter: string) => clauses(filter).length === 1 && filterTokens(filter).some((token) => /^or$/i.test(token.text));

export function hasClause(filter: string, clause: string): boolean {
  const own = clauses(filter);
  return clauses(clause).every((wanted) => own.some((one) => same(one, wanted)));
}

export function withClause(filter: string, clause: string): string {
  if (filter.trim() === '') return clause;
  if (hasClause(filter, clause)) return filter;
  return `${isLoose(filter) && !/^\(.*\)$/.test(filter.trim()) ? `(${filter.trim()})` : filter.trim()} AND ${isLoose(clause) ? `(${clause})` : clause}`;
}

export function withoutClause(filter: string, clause: string): string {
  const gone = clauses(clause);
  return clauses(filter).filter((one) => !gone.some((other) => same(one, other))).join(' AND ');
}

// Which language a line is in

export type Language = 'search' | 'filter';

const COMPARED = /^(responsetime|http\.status|http\.url|http\.method|http\.useragent|http\.clientip|user|coverage|availabilityzone|instance\.id|resource\.arn|index)$/i;
const STRINGS = /^(contains|beginswith|endswith)$/i;
const FLAGS = /^(ok|error|fault|throttle|partial|inferred|first|last|remote|root)$/i;

/** What can only be one of the two languages; null where it could be both. */
export function languageOf(text: string): Language | null {
  const list = filterTokens(text);
  for (let i = 0; i < list.length; i += 1) {
    const [word, next] = [list[i]?.text ?? '', list[i + 1]?.text ?? ''];
    if (word === '{' || STRINGS.test(word)) return 'filter';
    if (/^(service|edge|id)$/i.test(word) && next === '(') return 'filter';
    if (/^annotation(\.|$)/i.test(word) && (word.includes('.') || next === '[')) return 'filter';
    if (/^(rootcause\.|group\.(name|arn)$)/i.test(word)) return 'filter';
    if (COMPARED.test(word) && /^(=|!=|>=|<=|>|<)$/.test(next)) return 'filter';
    if (word === '!' && FLAGS.test(next)) return 'filter';
    if (/^exists$/i.test(word) || word === ':') return 'search';
    if (/^(=|!=|>=|<=|>|<)$/.test(next) && word.includes('.')) return 'search';
    if (/^\d+(\.\d+)?(ns|us|µs|ms|s|m|h)$/.test(word)) return 'search';
  }
  const all = list.length > 0 && list.every((token) => FLAGS.test(token.text) || /^(and|or|[!()])$/i.test(token.text));
  return all && list.length > 1 ? 'filter' : null;
}

// Completion

/** What a filter expression wants at the caret, beside what the plain search knows of: a keyword or somebody's name. */
export interface FilterCompleting extends Completing {
  what: 'keyword' | 'service' | 'annotation' | 'group' | 'value';
  /** Between braces, where what is about whole traces has no place. */
  inBlock: boolean;
}

export function filterCompletingAt(text: string, caret: number): FilterCompleting {
  const list = filterTokens(text);
  const at = list.findIndex((token) => token.start < caret && caret <= token.end && !/^([(){}[\],:!]|!=|>=|<=|=|>|<)$/.test(token.text));
  const before = at >= 0 ? at : list.filter((token) => token.end <= caret).length;
  const token = at >= 0 ? list[at] : undefined;
  const start = token?.start ?? caret;
  const end = token?.end ?? caret;
  const prefix = (token ? text.slice(token.start, caret) : '').replace(/^"/, '');
  const word = (back: number) => list[before - back]?.text.toLowerCase() ?? '';
  const depth = list.slice(0, before).reduce((sum, one) => sum + Number(one.text === '{') - Number(one.text === '}'), 0);
  const found = (what: FilterCompleting['what'], key: string | null): FilterCompleting => ({ what, key, prefix, start, end, inBlock: depth > 0 });
  if (word(1) === '(' && /^(service|edge)$/.test(word(2))) return found('service', 'service.name');
  if (word(1) === ',' && opensEdge(list, before)) return found('service', 'service.name');
  if (word(1) === ':' && word(2) === 'name') return found('service', 'service.name');
  if (word(1) === '[' && word(2) === 'annotation') return found('annotation', 'annotation');
  if (/^annotation\./i.test(prefix)) return { ...found('annotation', null), prefix: prefix.slice('annotation.'.length) };
  const key = /^(=|!=|contains|beginswith|endswith)$/.test(word(1)) ? word(2) : '';
  if (key === 'group.name') return found('group', key);
  if (key === ']' && word(5) === 'annotation') return found('value', (list[before - 3]?.text ?? '').replace(/^"|"$/g, ''));
  if (key !== '') return found('value', list[before - 2]?.text ?? null);
  return found('keyword', null);
}

function opensEdge(list: Token[], before: number): boolean {
  for (let i = before - 1; i > 0; i -= 1) if (list[i]?.text === '(') return list[i - 1]?.text.toLowerCase() === 'edge';
  return false;
}

/** The attribute that holds what a keyword compares, for completion of its values. */
export const KEYWORD_ATTRIBUTE: Record<string, string> = {
  'http.method': 'http.request.method',
  'http.status': 'http.response.status_code',
  'http.url': 'url.path',
  'http.useragent': 'user_agent.original',
  'http.clientip': 'client.address',
  user: 'enduser.id',
  name: 'service.name',
};

/** Whether a word of the plain search stands where a keyword could; offered as the other language. */
export function isBareWord(text: string): boolean {
  const list = searchTokens(text);
  return list.length === 1 && /^[a-z.]+$/i.test(list[0]?.text ?? '');
}
