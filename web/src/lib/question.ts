// The question of the Explore page: its clauses as the texts people write and the address holds, and as the
// specification the server is asked. A clause is read from its text alone; what cannot be read is told in a sentence.

export type Scalar = string | number | boolean;

export interface Calculation {
  op: string;
  column?: string;
  /** What formulas and the answer call it. */
  name?: string;
  /** Of which events, beside the question's own filters. */
  filters?: Filter[];
  combination?: 'AND' | 'OR';
}

export interface Filter {
  column: string;
  op: string;
  value?: Scalar | Scalar[];
}

export interface Having {
  calculation: Calculation;
  op: string;
  value: number;
}

export interface Order {
  /** A field grouped by, or a calculation. */
  by: string | Calculation;
  descending: boolean;
}

export interface Named {
  name: string;
  expression: string;
}

export interface Question {
  calculations: Calculation[];
  /** Over calculations that have names; where there are any, they are the answer. */
  formulas: Named[];
  filters: Filter[];
  combination: 'AND' | 'OR';
  breakdowns: string[];
  havings: Having[];
  orders: Order[];
  limit?: number;
  /** Seconds of one step. */
  granularity?: number;
  /** Seconds. */
  compare?: number;
  calculated: Named[];
  dataset?: string;
  /** Hold beside the filters, also where any of those may; no part of the address. */
  narrowed?: Filter[];
}

export const EMPTY: Question = { calculations: [], formulas: [], filters: [], combination: 'AND', breakdowns: [], havings: [], orders: [], calculated: [] };

interface Operation {
  name: string;
  takes: boolean;
  /** May do without the field that it takes. */
  may?: boolean;
  help: string;
}

const percentile = (name: string, share: string): Operation => ({ name, takes: true, help: `${share} of values are below` });

/** In the order in which they are offered. */
export const OPERATIONS: readonly Operation[] = [
  { name: 'COUNT', takes: false, help: 'events' },
  { name: 'HEATMAP', takes: true, help: 'how values spread over time' },
  percentile('P50', 'half'),
  percentile('P95', '95%'),
  percentile('P99', '99%'),
  { name: 'AVG', takes: true, help: 'mean' },
  { name: 'MAX', takes: true, help: 'largest' },
  { name: 'MIN', takes: true, help: 'smallest' },
  { name: 'SUM', takes: true, help: 'sum' },
  { name: 'COUNT_DISTINCT', takes: true, help: 'different values' },
  { name: 'CONCURRENCY', takes: false, help: 'spans running at once' },
  { name: 'RATE_AVG', takes: true, help: 'change of the mean from step to step' },
  { name: 'RATE_SUM', takes: true, help: 'change of the sum from step to step' },
  { name: 'RATE_MAX', takes: true, help: 'change of the largest from step to step' },
  percentile('P001', '0.1%'),
  percentile('P01', '1%'),
  percentile('P05', '5%'),
  percentile('P10', '10%'),
  percentile('P20', '20%'),
  percentile('P25', '25%'),
  percentile('P75', '75%'),
  percentile('P80', '80%'),
  percentile('P90', '90%'),
  percentile('P999', '99.9%'),
  { name: 'COUNT_DATAPOINTS', takes: true, may: true, help: 'points, of metrics datasets' },
  { name: 'HISTOGRAM_COUNT', takes: true, help: 'values a histogram counted, of metrics datasets' },
];

interface Operator {
  name: string;
  values: 'none' | 'one' | 'list';
}

export const OPERATORS: readonly Operator[] = [
  { name: '=', values: 'one' },
  { name: '!=', values: 'one' },
  { name: '>=', values: 'one' },
  { name: '>', values: 'one' },
  { name: '<=', values: 'one' },
  { name: '<', values: 'one' },
  { name: 'contains', values: 'one' },
  { name: 'does-not-contain', values: 'one' },
  { name: 'starts-with', values: 'one' },
  { name: 'does-not-start-with', values: 'one' },
  { name: 'ends-with', values: 'one' },
  { name: 'does-not-end-with', values: 'one' },
  { name: 'exists', values: 'none' },
  { name: 'does-not-exist', values: 'none' },
  { name: 'in', values: 'list' },
  { name: 'not-in', values: 'list' },
];
const COMPARISONS = ['>=', '<=', '!=', '=', '>', '<'];

// Words

export interface Word {
  text: string;
  start: number;
  end: number;
  quoted: boolean;
}

const PATTERN = /"(?:[^"\\]|\\.)*"?|>=|<=|!=|=|>|<|[(),]|[^\s()=<>!,"]+|!/g;

export function wordsOf(text: string): Word[] {
  return [...text.matchAll(PATTERN)].map((match) => ({ text: match[0], start: match.index, end: match.index + match[0].length, quoted: match[0].startsWith('"') }));
}

function plain(word: Word): string {
  if (!word.quoted) return word.text;
  return word.text.slice(1, word.text.length > 1 && word.text.endsWith('"') ? -1 : undefined).replace(/\\(.)/g, '$1');
}

const quote = (text: string) => `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`;
const RESERVED = /^(and|or|as|where|asc|desc|true|false)$/i;
const OPERATOR_NAMES = new Set(OPERATORS.map((one) => one.name));

/** A name as it stands in a clause: bare where it can be. */
export function nameText(name: string): string {
  return /^[^\s()=<>!,"]+$/.test(name) && !RESERVED.test(name) && !OPERATOR_NAMES.has(name) ? name : quote(name);
}

export function valueText(value: Scalar): string {
  return typeof value === 'string' ? quote(value) : String(value);
}

/** Numbers and truth values are what they look like; whatever is quoted is a text. */
function valueOf(word: Word): Scalar {
  if (word.quoted) return plain(word);
  if (/^(true|false)$/i.test(word.text)) return word.text.toLowerCase() === 'true';
  const unit = /^(-?\d+(?:\.\d+)?)(µs|us|ms|s|m|h)$/.exec(word.text);
  // Durations are milliseconds, as `duration_ms` is.
  if (unit) return Number(unit[1]) * ({ 'µs': 0.001, us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit[2] as string] ?? 1);
  return /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word.text) ? Number(word.text) : word.text;
}

// Clauses

export type Read<T> = { ok: T } | { error: string };
const fail = (error: string): { error: string } => ({ error });

export function calculationText({ op, column, name, filters = [], combination = 'AND' }: Calculation): string {
  const bare = column === undefined ? op : `${op}(${nameText(column)})`;
  const where = filters.length > 0 ? ` where ${filters.map(filterText).join(` ${combination} `)}` : '';
  return `${bare}${where}${name === undefined ? '' : ` as ${nameText(name)}`}`;
}

/** How answers name it. */
export function label(calculation: Calculation): string {
  const { op, column, name, filters = [] } = calculation;
  if (name !== undefined) return name;
  if (filters.length > 0) return calculationText(calculation);
  return column === undefined ? op : `${op}(${column})`;
}

function calculationAt(words: readonly Word[], from: number): Read<{ calculation: Calculation; next: number }> {
  const first = words[from];
  if (!first) return fail('a calculation is expected, such as COUNT or P95(duration_ms)');
  const name = first.text.toUpperCase();
  const operation = OPERATIONS.find((one) => one.name === name);
  if (!operation) return fail(`${first.text} is no calculation; try COUNT, AVG, P95 or HEATMAP`);
  if (words[from + 1]?.text !== '(') {
    if (operation.takes && !operation.may) return fail(`${name} needs a field: ${name}(duration_ms)`);
    return { ok: { calculation: { op: name }, next: from + 1 } };
  }
  if (!operation.takes) {
    if (words[from + 2]?.text === ')') return { ok: { calculation: { op: name }, next: from + 3 } };
    return fail(`${name} takes no field`);
  }
  const column = words[from + 2];
  if (!column || /^[(),]$/.test(column.text)) return fail(`${name} needs a field: ${name}(duration_ms)`);
  const closed = words[from + 3]?.text === ')';
  if (words[from + 3] && !closed) return fail(`a closing parenthesis is expected after ${plain(column)}`);
  return { ok: { calculation: { op: name, column: plain(column) }, next: from + (closed ? 4 : 3) } };
}

export function readCalculation(text: string): Read<Calculation> {
  const words = wordsOf(text);
  const read = calculationAt(words, 0);
  if ('error' in read) return read;
  const { calculation, next } = read.ok;
  const [as, name] = words.length - next > 1 ? words.slice(-2) : [];
  const named = as && name && isWord(as, 'as') && (name.quoted || !/^[(),]$/.test(name.text)) ? { name: plain(name) } : {};
  const rest = words.slice(next, 'name' in named ? -2 : undefined);
  const [where] = rest;
  if (!where) return { ok: { ...calculation, ...named } };
  if (!isWord(where, 'where')) return fail(`where or as is expected after ${calculationText(calculation)}`);
  if (!isBalanced(rest)) return fail('a closing parenthesis is expected');
  const parts = cut(text.slice(where.end, 'name' in named ? as?.start : undefined), 'word').map(readFilter);
  const wrong = parts.find((part) => 'error' in part) ?? (parts.length === 0 ? fail('a filter is expected after where') : undefined);
  if (wrong && 'error' in wrong) return wrong;
  const filters = parts.flatMap((part) => ('ok' in part ? [part.ok] : []));
  return { ok: { ...calculation, ...named, filters, ...(rest.some((word) => isWord(word, 'or')) ? { combination: 'OR' as const } : {}) } };
}

const isWord = (word: Word, text: string) => !word.quoted && word.text.toLowerCase() === text;
const isBalanced = (words: readonly Word[]) => words.filter((word) => word.text === '(').length === words.filter((word) => word.text === ')').length;

/** What is shown: a calculation, or a formula over those that have names. */
export type Shown = Calculation | Named;

export const shownText = (one: Shown): string => ('op' in one ? calculationText(one) : `${nameText(one.name)} = ${one.expression}`);
export const shownOf = ({ calculations, formulas }: Pick<Question, 'calculations' | 'formulas'>): Shown[] => [...calculations, ...formulas];
export function withShown<T extends object>(question: T, shown: readonly Shown[]): T & Pick<Question, 'calculations' | 'formulas'> {
  return { ...question, calculations: shown.filter((one) => 'op' in one), formulas: shown.filter((one): one is Named => !('op' in one)) };
}

/** `COUNT where error = true as bad`, or `share = $bad / $all`. */
export function readShown(text: string): Read<Shown> {
  const words = wordsOf(text);
  const [name, sign] = words;
  if (!name || sign?.text !== '=') return readCalculation(text);
  const expression = text.slice(sign.end).trim();
  if (expression === '') return fail(`an expression is expected: ${name.text} = $bad / $all * 100`);
  return isBalanced(words) ? { ok: { name: plain(name), expression } } : fail('a closing parenthesis is expected');
}

export function filterText({ column, op, value }: Filter): string {
  const name = nameText(column);
  if (value === undefined) return `${name} ${op}`;
  return `${name} ${op} ${Array.isArray(value) ? `(${value.map(valueText).join(', ')})` : valueText(value)}`;
}

export function readFilter(text: string): Read<Filter> {
  const words = wordsOf(text);
  const [first, second] = words;
  if (!first) return fail('a field is expected');
  if (!second) {
    return OPERATOR_NAMES.has(first.text) ? fail(`a field is expected before ${first.text}`) : fail(`a comparison is expected after ${plain(first)}: = != > < contains starts-with exists in`);
  }
  const operator = OPERATORS.find((one) => one.name === second.text.toLowerCase());
  const column = plain(first);
  if (!operator || second.quoted) return fail(`${second.text} is no comparison; there are = != > >= < <= contains starts-with ends-with exists in`);
  const rest = words.slice(2);
  if (operator.values === 'none') return rest.length > 0 ? fail(`${operator.name} takes no value`) : { ok: { column, op: operator.name } };
  if (operator.values === 'list') {
    const values = rest.filter((word) => word.quoted || !/^[(),]$/.test(word.text)).map(valueOf);
    return values.length === 0 ? fail(`${operator.name} needs values: ${operator.name} (a, b)`) : { ok: { column, op: operator.name, value: values } };
  }
  if (rest.length === 0) return fail('a value is expected');
  const [only] = rest;
  if (rest.length === 1 && only) return { ok: { column, op: operator.name, value: valueOf(only) } };
  if (rest.some((word) => word.quoted)) return fail('one value is expected');
  // Several bare words are one text.
  return { ok: { column, op: operator.name, value: text.slice(rest[0]?.start).trim() } };
}

export function havingText({ calculation, op, value }: Having): string {
  return `${calculationText(calculation)} ${op} ${value}`;
}

export function readHaving(text: string): Read<Having> {
  const words = wordsOf(text);
  const read = calculationAt(words, 0);
  if ('error' in read) return read;
  const { calculation, next } = read.ok;
  const op = words[next]?.text;
  if (op === undefined || !COMPARISONS.includes(op)) return fail(`a comparison is expected: ${calculationText(calculation)} > 10`);
  const value = words[next + 1] && valueOf(words[next + 1] as Word);
  if (typeof value !== 'number') return fail('a number is expected');
  return words[next + 2] ? fail('one number is expected') : { ok: { calculation, op, value } };
}

export function orderText({ by, descending }: Order): string {
  return `${typeof by === 'string' ? nameText(by) : calculationText(by)} ${descending ? 'desc' : 'asc'}`;
}

export function readOrder(text: string): Read<Order> {
  const words = wordsOf(text);
  const last = words[words.length - 1];
  const direction = last && words.length > 1 && !last.quoted && /^(asc|desc)$/i.test(last.text) ? last.text.toLowerCase() : undefined;
  const body = direction ? words.slice(0, -1) : words;
  const [first] = body;
  if (!first) return fail('a calculation or a field is expected');
  const read = calculationAt(body, 0);
  if (!('error' in read) && !first.quoted) {
    return body[read.ok.next] ? fail('asc or desc is expected') : { ok: { by: read.ok.calculation, descending: direction !== 'asc' } };
  }
  return body.length > 1 ? fail('asc or desc is expected') : { ok: { by: plain(first), descending: direction === 'desc' } };
}

export function readName(text: string): Read<string> {
  const words = wordsOf(text);
  const [first] = words;
  if (!first) return fail('a field is expected');
  return words.length > 1 ? fail('one field is expected') : { ok: plain(first) };
}

/** Cuts a list at its separators, outside of quotes and parentheses. */
export function cut(text: string, separator: 'comma' | 'word'): string[] {
  const out: string[] = [];
  let depth = 0;
  let from = 0;
  for (const word of wordsOf(text)) {
    if (word.text === '(') depth += 1;
    if (word.text === ')') depth -= 1;
    const parts = depth <= 0 && !word.quoted && (separator === 'comma' ? word.text === ',' : /^(and|or)$/i.test(word.text));
    if (!parts) continue;
    out.push(text.slice(from, word.start).trim());
    from = word.end;
  }
  out.push(text.slice(from).trim());
  return out.filter((part) => part !== '');
}

function all<T>(texts: string[], read: (text: string) => Read<T>): T[] {
  return texts.flatMap((text) => {
    const one = read(text);
    return 'ok' in one ? [one.ok] : [];
  });
}

// The address

export interface QuestionSearch {
  calc?: string;
  where?: string;
  by?: string;
  having?: string;
  order?: string;
  limit?: string;
  step?: string;
  compare?: string;
  let?: string;
  dataset?: string;
}

const positive = (text: string | undefined) => (Number(text) > 0 ? Number(text) : undefined);

/** `name = expression` lines, one a calculated field. */
function readNamed(text: string): Named[] {
  return text.split('\n').flatMap((line) => {
    const at = line.indexOf('=');
    const [name, expression] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    return at > 0 && name !== '' && expression !== '' ? [{ name, expression }] : [];
  });
}

/** What cannot be read of an address is left out, so that an old link still opens. */
export function questionFrom(search: QuestionSearch): Question {
  const where = search.where ?? '';
  const joined = wordsOf(where).find((word) => !word.quoted && /^(and|or)$/i.test(word.text));
  return {
    ...withShown({}, all(cut(search.calc ?? '', 'comma'), readShown)),
    filters: all(cut(where, 'word'), readFilter),
    combination: joined?.text.toLowerCase() === 'or' ? 'OR' : 'AND',
    breakdowns: all(cut(search.by ?? '', 'comma'), readName),
    havings: all(cut(search.having ?? '', 'word'), readHaving),
    orders: all(cut(search.order ?? '', 'comma'), readOrder),
    limit: positive(search.limit),
    granularity: positive(search.step),
    compare: positive(search.compare),
    calculated: readNamed(search.let ?? ''),
    dataset: search.dataset,
  };
}

const orNothing = (text: string) => (text === '' ? undefined : text);

export function searchFrom(question: Question): QuestionSearch {
  return {
    calc: orNothing(shownOf(question).map(shownText).join(', ')),
    where: orNothing(question.filters.map(filterText).join(` ${question.combination} `)),
    by: orNothing(question.breakdowns.map(nameText).join(', ')),
    having: orNothing(question.havings.map(havingText).join(' AND ')),
    order: orNothing(question.orders.map(orderText).join(', ')),
    limit: question.limit === undefined ? undefined : String(question.limit),
    step: question.granularity === undefined ? undefined : String(question.granularity),
    compare: question.compare === undefined ? undefined : String(question.compare),
    let: orNothing(question.calculated.map(({ name, expression }) => `${name} = ${expression}`).join('\n')),
    dataset: question.dataset,
  };
}

// The specification

interface FilterSpecification {
  column: string;
  op: string;
  value?: unknown;
}

export interface Specification {
  calculations?: { op: string; column?: string | null; name?: string | null; filters?: FilterSpecification[] | null; filter_combination?: string | null }[];
  formulas?: Named[];
  filters?: FilterSpecification[];
  filter_combination?: string;
  breakdowns?: string[];
  havings?: { calculate_op: string; column?: string | null; op: string; value: number }[];
  orders?: { op?: string | null; column?: string | null; order?: string | null }[];
  limit?: number | null;
  granularity?: number | null;
  compare_time_offset_seconds?: number | null;
  calculated_fields?: Named[];
  time_range?: number | null;
  start_time?: number | null;
  end_time?: number | null;
  [other: string]: unknown;
}

/** One with filters has a name, if only its own text. */
function calculationSpecification(calculation: Calculation) {
  const { op, column, name, filters = [], combination } = calculation;
  return {
    op,
    ...(column === undefined ? {} : { column }),
    ...(name === undefined && filters.length === 0 ? {} : { name: label(calculation) }),
    ...(filters.length === 0 ? {} : { filters: filters.map((one) => ({ ...one })) }),
    ...(filters.length > 1 && combination === 'OR' ? { filter_combination: combination } : {}),
  };
}

/** The question without its time, which the page's range gives. */
export function specificationOf(question: Question): Specification {
  const out: Specification = { calculations: question.calculations.length > 0 ? question.calculations.map(calculationSpecification) : [{ op: 'COUNT' }] };
  if (question.formulas.length > 0) out.formulas = question.formulas.map((one) => ({ ...one }));
  if (question.filters.length > 0) out.filters = question.filters.map((one) => ({ ...one }));
  if (question.filters.length > 1) out.filter_combination = question.combination;
  if (question.breakdowns.length > 0) out.breakdowns = [...question.breakdowns];
  // What is calculated no more cannot be compared or ordered by.
  const known = (one: Calculation) => (out.calculations ?? []).some((other) => other.op === one.op && (other.column ?? undefined) === one.column);
  const havings = question.havings.filter((one) => known(one.calculation));
  if (havings.length > 0) out.havings = havings.map(({ calculation, op, value }) => ({ calculate_op: calculation.op, ...(calculation.column === undefined ? {} : { column: calculation.column }), op, value }));
  const names = [...question.breakdowns, ...shownOf(question).map((one) => ('op' in one ? label(one) : one.name))];
  const orders = question.orders.filter((one) => (typeof one.by === 'string' ? names.includes(one.by) : known(one.by) && one.by.op !== 'HEATMAP'));
  if (orders.length > 0) {
    out.orders = orders.map(({ by, descending }) => ({ ...(typeof by === 'string' ? { column: by } : by), order: descending ? 'descending' : 'ascending' }));
  }
  if (question.limit !== undefined) out.limit = Math.min(1000, Math.max(1, Math.round(question.limit)));
  if (question.granularity !== undefined) out.granularity = question.granularity;
  if (question.calculated.length > 0) out.calculated_fields = question.calculated.map((one) => ({ ...one }));
  return out;
}

/** A kept specification as a question; what the page cannot say is left out. */
export function questionOf(specification: Specification, dataset?: string): Question {
  const calculation = (op: string, column?: string | null): Calculation => (column ? { op, column } : { op });
  const filterOf = ({ column, op, value }: FilterSpecification): Filter => (value === undefined || value === null ? { column, op } : { column, op, value: value as Scalar | Scalar[] });
  const calculated = (specification.calculations ?? []).map(({ op, column, name, filters, filter_combination: combination }): Calculation => {
    const one = { ...calculation(op, column), ...(filters?.length ? { filters: filters.map(filterOf) } : {}), ...(combination === 'OR' ? { combination: 'OR' as const } : {}) };
    return name && name !== label(one) ? { ...one, name } : one;
  });
  return {
    calculations: calculated,
    formulas: specification.formulas ?? [],
    filters: (specification.filters ?? []).map(filterOf),
    combination: specification.filter_combination === 'OR' ? 'OR' : 'AND',
    breakdowns: specification.breakdowns ?? [],
    havings: (specification.havings ?? []).map(({ calculate_op, column, op, value }) => ({ calculation: calculation(calculate_op, column), op, value })),
    orders: (specification.orders ?? []).map(({ op, column, order }) => ({ by: op ? calculation(op, column) : (column ?? ''), descending: order === 'descending' })),
    limit: specification.limit ?? undefined,
    granularity: specification.granularity || undefined,
    compare: specification.compare_time_offset_seconds || undefined,
    calculated: specification.calculated_fields ?? [],
    dataset: dataset === '__all__' ? undefined : dataset,
  };
}

/** The time range of a kept specification as the page's parameter. */
export function timeOf(specification: Specification): string | undefined {
  const { start_time: start, end_time: end, time_range: range } = specification;
  const iso = (seconds: number) => new Date(seconds * 1000).toISOString();
  if (start && end) return `${iso(start)}..${iso(end)}`;
  if (start && range) return `${iso(start)}..${iso(start + range)}`;
  if (end && range) return `${iso(end - range)}..${iso(end)}`;
  if (!range) return undefined;
  for (const [unit, seconds] of [['d', 86_400], ['h', 3600], ['m', 60]] as const) if (range % seconds === 0) return `${range / seconds}${unit}`;
  return `${range}s`;
}

// Changes

/** Whether any of several filters may hold, so that another one would widen what is asked. */
export const isEither = ({ combination, filters }: Question) => combination === 'OR' && filters.length > 1;

const same = (a: Filter, b: Filter) => JSON.stringify([a.column, a.op, a.value]) === JSON.stringify([b.column, b.op, b.value]);
const OPPOSITE: Record<string, string> = { '=': '!=', '!=': '=', exists: 'does-not-exist', 'does-not-exist': 'exists' };

/** Adds a filter; its opposite goes, and nothing is said twice. Filters of which any may hold are taken as they are. */
export function withFilter(question: Question, filter: Filter): Question {
  const opposite = { ...filter, op: OPPOSITE[filter.op] ?? '' };
  const rest = question.filters.filter((one) => !same(one, filter) && !same(one, opposite));
  return { ...question, filters: [...rest, filter], combination: question.filters.length < 2 ? 'AND' : question.combination };
}

/** A bound of a field takes the place of the bound it had. */
export function withBounds(question: Question, column: string, least: number | null, most: number | null): Question {
  const bounds = /^[<>]=?$/;
  const rest = question.filters.filter((one) => one.column !== column || !bounds.test(one.op));
  const added: Filter[] = [];
  if (least !== null) added.push({ column, op: '>=', value: least });
  if (most !== null) added.push({ column, op: '<', value: most });
  return { ...question, filters: [...rest, ...added], combination: 'AND' };
}

export function withBreakdown(question: Question, column: string): Question {
  return question.breakdowns.includes(column) ? question : { ...question, breakdowns: [...question.breakdowns, column] };
}

/** What identifies a group, as filters. */
export function filtersOfGroup(breakdowns: readonly string[], cells: Readonly<Record<string, unknown>>): Filter[] {
  return breakdowns.map((column) => {
    const value = cells[column];
    return value === null || value === undefined ? { column, op: 'does-not-exist' } : { column, op: '=', value: value as Scalar };
  });
}

/** A name for history, tabs and boards, when nobody gave one. */
export function titleOf(question: Question): string {
  const shown = question.formulas.length > 0 ? question.formulas.map((one) => one.name) : question.calculations.map(label);
  const calculated = shown.length > 0 ? shown.join(', ') : 'COUNT';
  const by = question.breakdowns.length > 0 ? ` by ${question.breakdowns.join(', ')}` : '';
  const where = question.filters.length > 0 ? ` where ${question.filters.map(filterText).join(question.combination === 'OR' ? ' or ' : ', ')}` : '';
  return `${calculated}${by}${where}`;
}

// Completion

export type Clause = 'calc' | 'where' | 'by' | 'having' | 'order';

export interface Wanted {
  what: 'operation' | 'field' | 'number-field' | 'operator' | 'comparison' | 'value' | 'calculation' | 'more' | 'named' | 'order' | 'direction' | 'nothing';
  /** The field whose values are wanted. */
  field?: string;
  operator?: string;
  prefix: string;
  start: number;
  end: number;
}

/** What is being written at the caret of a clause. */
export function wantedAt(clause: Clause, text: string, caret: number): Wanted {
  const words = wordsOf(text);
  const at = words.findIndex((word) => word.start < caret && caret <= word.end && !/^[(),]$/.test(word.text));
  const current = at >= 0 ? words[at] : undefined;
  const before = current ? words.slice(0, at) : words.filter((word) => word.end <= caret);
  const place = { prefix: current ? text.slice(current.start, caret).replace(/^"/, '') : '', start: current?.start ?? caret, end: current?.end ?? caret };
  const found = (what: Wanted['what'], more: Partial<Wanted> = {}): Wanted => ({ what, ...place, ...more });
  const [first, second] = before;
  if (clause === 'by') return found(before.length === 0 ? 'field' : 'nothing');
  if (clause === 'calc') {
    if (!first) return found('operation');
    const op = first.text.toUpperCase();
    if (second?.text === '=') return found(current?.text.startsWith('$') ? 'named' : 'nothing');
    if (second?.text === '(' && before.length === 2) return found(op === 'COUNT_DISTINCT' ? 'field' : 'number-field');
    const done = calculationAt(before, 0);
    if ('error' in done) return found('nothing');
    const rest = before.slice(done.ok.next);
    const [where] = rest;
    if (!where) return found('more');
    if (!isWord(where, 'where') || rest.some((word) => isWord(word, 'as'))) return found('nothing');
    const from = rest.findLast((word) => isWord(word, 'where') || isWord(word, 'and') || isWord(word, 'or'))?.end ?? where.end;
    const filter = wantedAt('where', text.slice(from), caret - from);
    if (filter.what === 'nothing') return found('more');
    return { ...filter, start: filter.start + from, end: filter.end + from };
  }
  if (clause === 'where') {
    if (!first) return found('field');
    // A sign is whole as soon as it stands there: its value comes next.
    if (!second && current && COMPARISONS.includes(current.text)) return { what: 'value', field: plain(first), operator: current.text, prefix: '', start: caret, end: caret };
    if (!second) return found('operator', { field: plain(first) });
    const operator = OPERATORS.find((one) => one.name === second.text.toLowerCase());
    if (!operator || operator.values === 'none') return found('nothing');
    if (operator.values === 'one' && before.length > 2) return found('nothing');
    return found('value', { field: plain(first), operator: operator.name });
  }
  if (clause === 'having') {
    if (!first) return found('calculation');
    const done = calculationAt(before, 0);
    if (!('error' in done) && before.length === done.ok.next) return found('comparison');
    return found('nothing');
  }
  if (!first) return found('order');
  const order = readOrder(before.map((word) => word.text).join(' '));
  return found('ok' in order && !/^(asc|desc)$/i.test(before[before.length - 1]?.text ?? '') ? 'direction' : 'nothing');
}
