// Every question the pages ask, as options for TanStack Query. A time range is passed as the page's `time` parameter and
// turned into moments when the question is asked, so that "last 15 minutes" means those before now at every refresh.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { rangeFromParam, type TimeRange } from '../lib/time';
import { answerOf, api } from './client';
import type { SqlAnswer } from './types';

/** How often a page that is live asks again. */
const LIVE_MS = 5_000;
/** How often *Connect* asks: fast enough for "it works" to follow the first request at once. */
const RECEIVERS_MS = 2_000;

export type Time = string | undefined;

const moments = (time: Time): TimeRange => rangeFromParam(time, Date.now());
const within = (time: Time) => {
  const { start, end } = moments(time);
  return { start: String(Math.floor(start)), end: String(Math.ceil(end)) };
};
const every = (live: boolean) => (live ? LIVE_MS : (false as const));

export interface TraceFilters {
  q?: string;
  /** An X-Ray filter expression. */
  filter?: string;
  group?: string;
  service?: string;
  route?: string;
  status?: string;
  min_duration_ms?: number;
  max_duration_ms?: number;
}

export interface LogFilters {
  q?: string;
  service?: string;
  severity_min?: number;
  trace_id?: string;
  log_group?: string;
  log_stream?: string;
  receiver?: string;
}

export interface ErrorFilters {
  q?: string;
  service?: string;
  receiver?: string;
}

export const health = () => queryOptions({ queryKey: ['health'], queryFn: ({ signal }) => answerOf(api.GET('/api/health', { signal })) });

export const services = (time: Time, live = false) =>
  queryOptions({
    queryKey: ['services', time],
    queryFn: ({ signal }) => answerOf(api.GET('/api/services', { params: { query: within(time) }, signal })),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const routes = (time: Time, service: string | undefined, limit: number, live = false) =>
  queryOptions({
    queryKey: ['routes', time, service, limit],
    queryFn: ({ signal }) => answerOf(api.GET('/api/routes', { params: { query: { ...within(time), service, limit } }, signal })),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const deploys = (time: Time, live = false) =>
  queryOptions({
    queryKey: ['deploys', time],
    queryFn: ({ signal }) => answerOf(api.GET('/api/deploys', { params: { query: within(time) }, signal })),
    refetchInterval: every(live),
  });

export const tracesHistogram = (time: Time, filters: TraceFilters, live = false) =>
  queryOptions({
    queryKey: ['traces', 'histogram', time, filters],
    queryFn: ({ signal }) => answerOf(api.GET('/api/traces/histogram', { params: { query: { ...within(time), ...filters } }, signal })),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

/** Later pages keep the moments of the first, or rows would shift between them. */
interface Page {
  cursor?: string;
  start: string;
  end: string;
}

const firstPage = undefined as Page | undefined;
const pageOf = (page: Page | undefined, time: Time): Page => page ?? within(time);

export const traces = (time: Time, filters: TraceFilters, sort: string, live = false) =>
  infiniteQueryOptions({
    queryKey: ['traces', 'list', time, filters, sort],
    queryFn: async ({ pageParam, signal }) => {
      const asked = pageOf(pageParam, time);
      const answer = await answerOf(api.GET('/api/traces', { params: { query: { ...asked, ...filters, sort, limit: 50 } }, signal }));
      return { ...answer, asked };
    },
    initialPageParam: firstPage,
    getNextPageParam: (last): Page | undefined =>
      last.next_cursor === null || last.next_cursor === undefined
        ? undefined
        : { start: last.asked.start, end: last.asked.end, cursor: last.next_cursor },
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const trace = (traceId: string) =>
  queryOptions({
    queryKey: ['trace', traceId],
    queryFn: ({ signal }) => answerOf(api.GET('/api/traces/{id}', { params: { path: { id: traceId } }, signal })),
    // Spans still to come are asked for as long as one is in progress.
    refetchInterval: (query) => (query.state.data?.spans.some((span) => span.in_progress) ? LIVE_MS : false),
  });

export const traceLogs = (traceId: string, enabled = true) =>
  queryOptions({
    queryKey: ['trace', traceId, 'logs'],
    queryFn: ({ signal }) => answerOf(api.GET('/api/traces/{id}/logs', { params: { path: { id: traceId } }, signal })),
    enabled,
  });

export const traceErrors = (traceId: string, enabled = true) =>
  queryOptions({
    queryKey: ['trace', traceId, 'errors'],
    queryFn: ({ signal }) => answerOf(api.GET('/api/traces/{id}/errors', { params: { path: { id: traceId } }, signal })),
    enabled,
  });

export const traceRaw = (traceId: string, enabled = true) =>
  queryOptions({
    queryKey: ['trace', traceId, 'raw'],
    queryFn: ({ signal }) => answerOf(api.GET('/api/traces/{id}/raw', { params: { path: { id: traceId } }, signal })),
    enabled,
  });

export const logs = (time: Time, filters: LogFilters, order: string, enabled = true) =>
  infiniteQueryOptions({
    queryKey: ['logs', 'list', time, filters, order],
    queryFn: async ({ pageParam, signal }) => {
      const asked = pageOf(pageParam, time);
      const answer = await answerOf(api.GET('/api/logs', { params: { query: { ...asked, ...filters, order, limit: 200 } }, signal }));
      return { ...answer, asked };
    },
    initialPageParam: firstPage,
    getNextPageParam: (last): Page | undefined =>
      last.next_cursor === null || last.next_cursor === undefined
        ? undefined
        : { start: last.asked.start, end: last.asked.end, cursor: last.next_cursor },
    enabled,
    placeholderData: keepPreviousData,
  });

export const logsHistogram = (time: Time, filters: LogFilters, live = false) =>
  queryOptions({
    queryKey: ['logs', 'histogram', time, filters],
    queryFn: ({ signal }) => answerOf(api.GET('/api/logs/histogram', { params: { query: { ...within(time), ...filters } }, signal })),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const logsAround = (log: { id: string; time_unix_nano: string; service: string; log_stream?: string; before: number; after: number }) =>
  queryOptions({
    queryKey: ['logs', 'around', log.id, log.before, log.after],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => answerOf(api.GET('/api/logs/around', { params: { query: log }, signal })),
    staleTime: Infinity,
  });

export const errors = (time: Time, filters: ErrorFilters, sort: string, limit: number, live = false) =>
  queryOptions({
    queryKey: ['errors', 'list', time, filters, sort, limit],
    queryFn: ({ signal }) => answerOf(api.GET('/api/errors', { params: { query: { ...within(time), ...filters, status: 'active', sort, limit } }, signal })),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const attributes = (signal: 'spans' | 'logs') =>
  queryOptions({
    queryKey: ['attributes', signal],
    queryFn: (context) => answerOf(api.GET('/api/attributes', { params: { query: { signal } }, signal: context.signal })),
    staleTime: 60_000,
  });

export const attributeValues = (key: string, signal: 'spans' | 'logs', time: Time, prefix: string, limit = 50) =>
  queryOptions({
    queryKey: ['attributes', 'values', key, signal, time, prefix, limit],
    queryFn: (context) =>
      answerOf(api.GET('/api/attributes/values', { params: { query: { key, signal, prefix, limit, ...within(time) } }, signal: context.signal })),
    staleTime: 30_000,
  });

export const receivers = () =>
  queryOptions({
    queryKey: ['receivers'],
    queryFn: ({ signal }) => answerOf(api.GET('/api/receivers', { signal })),
    refetchInterval: RECEIVERS_MS,
    refetchIntervalInBackground: false,
  });

export const runSql = async (query: string, maxRows: number, signal?: AbortSignal): Promise<SqlAnswer> => {
  const answer = await answerOf(api.POST('/api/sql', { body: { query, format: 'json', max_rows: maxRows }, signal }));
  // Only a question with `stream` is answered in events.
  return answer as SqlAnswer;
};
