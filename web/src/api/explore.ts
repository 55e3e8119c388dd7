// Questions of the Explore page: asked with the page's time range, answered in events, told as they come.
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { msFromNano, rangeFromParam } from '../lib/time';
import { specificationOf, type Filter, type Question, type Scalar, type Specification } from '../lib/question';
import { answerOf, api, ApiError } from './client';
import type { Time } from './queries';
import type { Stats } from './types';

export interface HeatBucket {
  low: number;
  high: number;
  count: number;
}

export type Cell = string | number | boolean | null;
export type Figure = number | HeatBucket[] | string | boolean | null;

export interface CalculationTold {
  label: string;
  op: string;
  column: string | null;
  unit: string | null;
  kind: 'value' | 'heatmap' | 'formula';
}

export interface Begin {
  calculations: CalculationTold[];
  breakdowns: string[];
  start_unix_nano: string;
  end_unix_nano: string;
  first_step_unix_nano: string;
  step_ns: number;
}

export interface Group {
  key: Cell[];
  values: Figure[];
  series?: (Figure | undefined)[][];
}

export type Whole = Omit<Group, 'key'>;

export interface Answer {
  groups: Group[];
  total: Whole | null;
  other: Whole | null;
  compare: { offset_seconds: number; groups: Group[]; total: Whole | null } | null;
  covered_from_unix_nano: string;
  is_whole: boolean;
}

export interface Progress {
  share: number;
  rows_total: number;
  elapsed_ms: number;
}

export interface Told {
  begin: Begin;
  answer: Answer | null;
  progress: Progress | null;
  stats: Stats | null;
}

/** What a chart's box or range chooses. */
export interface Selection {
  start?: number;
  end?: number;
  column?: string;
  low?: number;
  high?: number;
  filters: Filter[];
}

const HEADERS = { 'content-type': 'application/json', 'x-requested-by': 'cupola-web' };

async function ask(path: string, body: unknown, signal: AbortSignal | undefined, accept: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { method: 'POST', headers: { ...HEADERS, accept }, body: JSON.stringify(body), signal });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'the server does not answer');
  }
  if (response.ok) return response;
  const told = ((await response.json().catch(() => ({}))) as { error?: { code?: string; message?: string; position?: number | null } }).error;
  throw new ApiError(response.status, told?.code ?? 'unknown', told?.message ?? `the server answered with status ${response.status}`, told?.position ?? null);
}

/** What every question has in common: the specification, whose rows, and when. */
function asked(question: Question, time: Time, now: number) {
  const { start, end } = rangeFromParam(time, now);
  return { query: specificationOf(question), dataset: question.dataset ?? null, start: String(Math.floor(start)), end: String(Math.ceil(end)), ...(question.narrowed ? { narrowed: question.narrowed } : {}) };
}

interface Failed {
  error: { code: string; message: string; position?: number | null };
}

type Event = { begin: Begin } | { progress: Progress } | { partial: Answer } | { answer: Answer } | { end: Stats } | Failed;

const failureOf = ({ error }: Failed) => new ApiError(200, error.code, error.message, error.position ?? null);
const cutShort = () => new ApiError(200, 'cut_short', 'the answer ended before it was whole');

/** Runs a question; `onTold` hears of progress and of estimates, the whole is returned. */
export async function runQuestion(question: Question, time: Time, onTold: (told: Told) => void, signal?: AbortSignal): Promise<Told> {
  const body = asked(question, time, Date.now());
  if (question.compare !== undefined) body.query.compare_time_offset_seconds = question.compare;
  const response = await ask('/api/explore/query', { ...body, stream: true }, signal, 'application/x-ndjson');
  const heard: { told: Told | null } = { told: null };
  for await (const event of lines<Event>(response)) {
    heard.told = after(heard.told, event);
    if (heard.told) onTold(heard.told);
  }
  if (heard.told?.answer) return heard.told;
  throw cutShort();
}

function after(told: Told | null, event: Event): Told | null {
  if ('error' in event) throw failureOf(event);
  if ('begin' in event) return { begin: event.begin, answer: null, progress: null, stats: null };
  if (told === null) return null;
  if ('progress' in event) return { ...told, progress: event.progress };
  if ('partial' in event) return { ...told, answer: readAnswer(event.partial, told.begin) };
  if ('answer' in event) return { ...told, answer: readAnswer(event.answer, told.begin) };
  return { ...told, stats: event.end, progress: null };
}

/** Buckets of heatmaps under the names the page has for them. */
function readAnswer(answer: Answer, begin: Begin): Answer {
  const heat = begin.calculations.map((one) => one.kind === 'heatmap');
  if (!heat.includes(true)) return answer;
  const buckets = (figure: Figure | undefined): Figure => (Array.isArray(figure) ? (figure as unknown as { lower: number; upper: number; count: number }[]).map(({ lower, upper, count }) => ({ low: lower, high: upper, count })) : (figure ?? null));
  const read = <T extends Whole>(one: T): T => ({ ...one, values: one.values.map((value, i) => (heat[i] ? buckets(value) : value)), series: one.series?.map((list, i) => (heat[i] ? list.map(buckets) : list)) });
  const { groups, total, other, compare } = answer;
  return { ...answer, groups: groups.map(read), total: total && read(total), other: other && read(other), compare: compare && { ...compare, groups: compare.groups.map(read), total: compare.total && read(compare.total) } };
}

async function* lines<E>(response: Response): AsyncGenerator<E> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) if (part.trim() !== '') yield JSON.parse(part) as E;
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as E;
}

export interface Statements {
  summary?: string | null;
  series?: string | null;
}

/** A question in SQL, over the time that its answer is of. */
export const statements = (question: Question, begin: Begin | undefined) =>
  queryOptions({
    queryKey: ['explore', 'sql', question, begin?.start_unix_nano, begin?.end_unix_nano],
    queryFn: async ({ signal }) => {
      const [start, end] = [begin?.start_unix_nano, begin?.end_unix_nano].map((nano) => String(msFromNano(nano ?? '0')));
      const response = await ask('/api/explore/sql', { query: specificationOf(question), dataset: question.dataset ?? null, start, end }, signal, 'application/json');
      return (await response.json()) as Statements;
    },
    enabled: begin !== undefined,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    retry: false,
  });

/** What a result that Honeycomb's API keeps was asked. */
export const keptResult = (dataset: string, id: string) =>
  queryOptions({
    queryKey: ['explore', 'result', dataset, id],
    queryFn: async ({ signal }) => {
      const kept = await answerOf(api.GET('/api/explore/results/{dataset}/{id}', { params: { path: { dataset, id } }, signal }));
      return { ...kept, query: kept.query as Specification };
    },
    staleTime: Infinity,
    retry: false,
  });

/** The most frequent values of a field that hold a text; calculated fields too. */
export const fieldValues = (question: Question, field: string, text: string, time: Time) =>
  queryOptions({
    queryKey: ['explore', 'values', question.dataset, question.calculated, field, text, time],
    queryFn: async ({ signal }) => {
      const body = asked(
        { ...question, calculations: [{ op: 'COUNT' }], formulas: [], filters: [{ column: field, op: 'exists' }, ...(text === '' ? [] : [{ column: field, op: 'contains', value: text }])], combination: 'AND', breakdowns: [field], havings: [], orders: [], limit: 20, granularity: undefined },
        time,
        Date.now(),
      );
      const answer = (await (await ask('/api/explore/query', { ...body, series: false, total: false, other: false, stream: false }, signal, 'application/json')).text()).trim();
      return valuesIn(answer);
    },
    staleTime: 30_000,
  });

/** One JSON, or the events of a stream. */
function valuesIn(text: string): { value: Cell; count: number }[] {
  const events = text.split('\n').map((line) => JSON.parse(line) as { answer?: Answer } & Partial<Answer>);
  const groups = events.flatMap((event) => event.answer?.groups ?? event.groups ?? []);
  return groups.map((group) => ({ value: group.key[0] ?? null, count: Number(group.values[0] ?? 0) })).filter((one) => one.value !== null);
}

export interface BubbleUpField {
  column: string;
  /** `event` of the spans and `trace`, lines of the traces, are shares of spans and of traces. */
  source: 'resource' | 'span' | 'log' | 'both' | 'event' | 'trace';
  kind: 'text' | 'number';
  score: number;
  significant: boolean;
  selection_null_share: number;
  baseline_null_share: number;
  values: { value: Cell; selection_share: number; baseline_share: number; selection_count: number; baseline_count: number }[];
  histogram: { edges: number[]; selection: number[]; baseline: number[] } | null;
}

export interface BubbleUpAnswer {
  selection: { rows: number; weight: number };
  baseline: { rows: number; weight: number };
  fields: BubbleUpField[];
  sampled: boolean;
  /** False of an estimate, and where events and log lines are still to come. */
  is_whole: boolean;
  stats: Stats;
}

type BubbleUpEvent = { partial: BubbleUpAnswer } | { answer: BubbleUpAnswer } | Failed;

/** Texts of times as the server reads them; what is not chosen is not sent. */
function selected({ start, end, column, low, high, filters }: Selection) {
  return {
    ...(start === undefined ? {} : { start: String(Math.floor(start)) }),
    ...(end === undefined ? {} : { end: String(Math.ceil(end)) }),
    ...(column === undefined ? {} : { column, ...(low === undefined ? {} : { low }), ...(high === undefined ? {} : { high }) }),
    ...(filters.length === 0 ? {} : { filters }),
  };
}

export const bubbleUpKey = (question: Question, selection: Selection | null, time: Time) => ['explore', 'bubble-up', question.filters, question.combination, question.calculated, question.dataset, selection, time];

/** Compares what is selected with the rest; `onPartial` hears of what is known before all of it is. */
export async function bubbleUp(question: Question, selection: Selection, time: Time, onPartial: (answer: BubbleUpAnswer) => void, signal?: AbortSignal): Promise<BubbleUpAnswer> {
  const response = await ask('/api/explore/bubble-up', { ...asked(question, time, Date.now()), selection: selected(selection), limit: 60, stream: true }, signal, 'application/x-ndjson');
  for await (const event of lines<BubbleUpEvent>(response)) {
    if ('error' in event) throw failureOf(event);
    if ('answer' in event) return event.answer;
    onPartial(event.partial);
  }
  throw cutShort();
}

export interface RowsAnswer {
  columns: string[];
  rows: unknown[][];
  stats: Stats;
}

/** A question narrowed to what is selected. */
function narrowed(question: Question, selection: Selection | null, time: Time) {
  const body = asked(question, time, Date.now());
  if (!selection) return body;
  const filters = [...(question.narrowed ?? []), ...selection.filters];
  if (selection.column !== undefined && selection.low !== undefined) filters.push({ column: selection.column, op: '>=', value: selection.low });
  if (selection.column !== undefined && selection.high !== undefined) filters.push({ column: selection.column, op: '<', value: selection.high });
  return { ...body, narrowed: filters, start: selection.start === undefined ? body.start : String(Math.floor(selection.start)), end: selection.end === undefined ? body.end : String(Math.ceil(selection.end)) };
}

/** What a list of rows shows beside the fields that the question names. */
const ROW_COLUMNS = ['service.name', 'name', 'duration_ms', 'error', 'http.response.status_code', 'severity', 'body', 'exception.type', 'trace.trace_id', 'trace.span_id'];
/** Fields of one answer: the server's bound for breakdowns, which they are. */
const COLUMNS_MAX = 100;
/** Fields of one event that are looked up at most. */
const DETAIL_MAX = 400;

const fieldsOf = (question: Question) => [...question.breakdowns, ...question.filters.map((one) => one.column), ...question.calculations.flatMap((one) => [...(one.column === undefined ? [] : [one.column]), ...(one.filters ?? []).map((filter) => filter.column)])].filter((name) => !name.startsWith('none.'));

export const rows = (question: Question, selection: Selection | null, time: Time, limit: number) =>
  queryOptions({
    queryKey: ['explore', 'rows', question, selection, time, limit],
    queryFn: async ({ signal }) => {
      const columns = [...new Set([...ROW_COLUMNS, ...fieldsOf(question)])].slice(0, COLUMNS_MAX);
      const response = await ask('/api/explore/rows', { ...narrowed(question, selection, time), columns, limit }, signal, 'application/json');
      return (await response.json()) as RowsAnswer;
    },
    placeholderData: keepPreviousData,
    retry: false,
  });

/** Everything that one event tells: a span by its id, another by its moment and its text. */
export const rowDetail = (question: Question, moment: number, known: Record<string, unknown>, names: readonly string[]) =>
  queryOptions({
    queryKey: ['explore', 'row', known, moment, names.length],
    queryFn: async ({ signal }) => {
      const span = known['trace.span_id'];
      const filters: Filter[] = ['trace.trace_id', 'trace.span_id', 'service.name', ...(span ? [] : ['body', 'name'])].flatMap((column) => (known[column] === null || known[column] === undefined ? [] : [{ column, op: '=', value: known[column] as Scalar }]));
      const own = { ...question, filters, combination: 'AND' as const, breakdowns: [], havings: [], orders: [] };
      const range = { start: String(Math.floor(moment) - 1000), end: String(Math.ceil(moment) + 1000) };
      const wanted = names.slice(0, DETAIL_MAX);
      const parts = Array.from({ length: Math.ceil(wanted.length / COLUMNS_MAX) }, (_, i) => wanted.slice(i * COLUMNS_MAX, (i + 1) * COLUMNS_MAX));
      const answers = await Promise.all(
        parts.map(async (columns) => {
          const response = await ask('/api/explore/rows', { ...asked(own, undefined, Date.now()), ...range, columns, limit: 50 }, signal, 'application/json');
          return (await response.json()) as RowsAnswer;
        }),
      );
      const out: Record<string, unknown> = {};
      for (const { columns, rows } of answers) {
        const row = rows.find((one) => Math.abs(momentMs(one[0]) - moment) < 0.01) ?? rows[0];
        columns.forEach((name, i) => {
          const value = row?.[i];
          if (value !== null && value !== undefined && value !== '') out[name] = value;
        });
      }
      return out;
    },
    staleTime: Infinity,
    retry: false,
  });

/** RFC 3339 or nanoseconds, as milliseconds. */
export function momentMs(value: unknown): number {
  const text = String(value ?? '');
  if (/^\d{16,}$/.test(text)) return Number(text) / 1e6;
  // `Date.parse` forgets what is below a millisecond.
  const below = /\.\d{3}(\d+)/.exec(text)?.[1];
  return Date.parse(text) + (below ? Number(`0.${below}`) : 0);
}

export interface TracePoint {
  trace_id: string;
  span_id: string | null;
  name: string | null;
  service: string | null;
  time_unix_nano: string;
  value: number | null;
}

/** The trace of a chart's point: the one of the largest value that is at or below it. */
export async function traceAt(question: Question, selection: Selection, below: number | undefined, time: Time): Promise<TracePoint | null> {
  const column = selection.column ?? 'duration_ms';
  const response = await ask('/api/explore/traces', { ...narrowed(question, selection, time), column, ...(below === undefined ? {} : { below }), limit: 1 }, undefined, 'application/json');
  return ((await response.json()) as { traces: TracePoint[] }).traces[0] ?? null;
}

export const tracesOf = (question: Question, selection: Selection | null, time: Time, limit: number) =>
  queryOptions({
    queryKey: ['explore', 'traces', question, selection, time, limit],
    queryFn: async ({ signal }) => {
      const column = selection?.column ?? question.calculations.find((one) => one.column !== undefined && one.op !== 'COUNT_DISTINCT')?.column ?? 'duration_ms';
      const response = await ask('/api/explore/traces', { ...narrowed(question, selection, time), column, limit }, signal, 'application/json');
      return { ...((await response.json()) as { traces: TracePoint[]; stats: Stats }), column };
    },
    retry: false,
  });
