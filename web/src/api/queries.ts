// Every question the pages ask, as options for TanStack Query. A time range is passed as the page's `time` parameter and
// turned into moments when the question is asked, so that "last hour" means the hour before now at every refresh.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { rangeFromParam, type TimeRange } from '../lib/time';
import { get, post, type Params } from './client';
import type {
  AttributeKey,
  AttributeValues,
  DeploysAnswer,
  ErrorAnswer,
  ErrorsAnswer,
  Health,
  LogsAnswer,
  LogsAround,
  LogsHistogram,
  RawAnswer,
  ReceiversAnswer,
  RoutesAnswer,
  ServicesAnswer,
  SqlAnswer,
  TraceAnswer,
  TraceErrorsAnswer,
  TracesAnswer,
  TracesHistogram,
} from './types';

/** How often a page that is live asks again. */
const LIVE_MS = 5_000;
/** How often *Connect* asks: fast enough for "it works" to follow the first request at once. */
const RECEIVERS_MS = 2_000;

export type Time = string | undefined;

const moments = (time: Time): TimeRange => rangeFromParam(time, Date.now());
const within = (time: Time): Params => {
  const { start, end } = moments(time);
  return { start: Math.floor(start), end: Math.ceil(end) };
};
const every = (live: boolean) => (live ? LIVE_MS : (false as const));

export interface TraceFilters {
  q?: string;
  service?: string;
  route?: string;
  status?: string;
  min_duration_ms?: string;
  max_duration_ms?: string;
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

export const health = () => queryOptions({ queryKey: ['health'], queryFn: ({ signal }) => get<Health>('/api/health', {}, signal) });

export const services = (time: Time, live = false) =>
  queryOptions({
    queryKey: ['services', time],
    queryFn: ({ signal }) => get<ServicesAnswer>('/api/services', within(time), signal),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const routes = (time: Time, service: string | undefined, limit: number, live = false) =>
  queryOptions({
    queryKey: ['routes', time, service, limit],
    queryFn: ({ signal }) => get<RoutesAnswer>('/api/routes', { ...within(time), service, limit }, signal),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const deploys = (time: Time, live = false) =>
  queryOptions({
    queryKey: ['deploys', time],
    queryFn: ({ signal }) => get<DeploysAnswer>('/api/deploys', within(time), signal),
    refetchInterval: every(live),
  });

export const tracesHistogram = (time: Time, filters: TraceFilters, live = false) =>
  queryOptions({
    queryKey: ['traces', 'histogram', time, filters],
    queryFn: ({ signal }) => get<TracesHistogram>('/api/traces/histogram', { ...within(time), ...filters }, signal),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

/** Later pages keep the moments of the first, or rows would shift between them. */
interface Page {
  cursor?: string;
  start: number;
  end: number;
}

const firstPage = undefined as Page | undefined;
const pageOf = (page: Page | undefined, time: Time): Params => (page ? { ...page } : within(time));

export const traces = (time: Time, filters: TraceFilters, sort: string, live = false) =>
  infiniteQueryOptions({
    queryKey: ['traces', 'list', time, filters, sort],
    queryFn: async ({ pageParam, signal }) => {
      const asked = pageOf(pageParam, time);
      const answer = await get<TracesAnswer>('/api/traces', { ...asked, ...filters, sort, limit: 50 }, signal);
      return { ...answer, asked };
    },
    initialPageParam: firstPage,
    getNextPageParam: (last): Page | undefined =>
      last.next_cursor === null || last.next_cursor === undefined
        ? undefined
        : { start: Number(last.asked.start), end: Number(last.asked.end), cursor: last.next_cursor },
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const trace = (traceId: string) =>
  queryOptions({
    queryKey: ['trace', traceId],
    queryFn: ({ signal }) => get<TraceAnswer>(`/api/traces/${encodeURIComponent(traceId)}`, {}, signal),
    // Spans still to come are asked for as long as one is in progress.
    refetchInterval: (query) => (query.state.data?.spans.some((span) => span.in_progress) ? LIVE_MS : false),
  });

export const traceLogs = (traceId: string, enabled = true) =>
  queryOptions({
    queryKey: ['trace', traceId, 'logs'],
    queryFn: ({ signal }) => get<LogsAnswer>(`/api/traces/${encodeURIComponent(traceId)}/logs`, {}, signal),
    enabled,
  });

export const traceErrors = (traceId: string, enabled = true) =>
  queryOptions({
    queryKey: ['trace', traceId, 'errors'],
    queryFn: ({ signal }) => get<TraceErrorsAnswer>(`/api/traces/${encodeURIComponent(traceId)}/errors`, {}, signal),
    enabled,
  });

export const traceRaw = (traceId: string, enabled = true) =>
  queryOptions({
    queryKey: ['trace', traceId, 'raw'],
    queryFn: ({ signal }) => get<RawAnswer>(`/api/traces/${encodeURIComponent(traceId)}/raw`, {}, signal),
    enabled,
  });

export const logs = (time: Time, filters: LogFilters, order: string, enabled = true) =>
  infiniteQueryOptions({
    queryKey: ['logs', 'list', time, filters, order],
    queryFn: async ({ pageParam, signal }) => {
      const asked = pageOf(pageParam, time);
      const answer = await get<LogsAnswer>('/api/logs', { ...asked, ...filters, order, limit: 200 }, signal);
      return { ...answer, asked };
    },
    initialPageParam: firstPage,
    getNextPageParam: (last): Page | undefined =>
      last.next_cursor === null || last.next_cursor === undefined
        ? undefined
        : { start: Number(last.asked.start), end: Number(last.asked.end), cursor: last.next_cursor },
    enabled,
    placeholderData: keepPreviousData,
  });

export const logsHistogram = (time: Time, filters: LogFilters, live = false) =>
  queryOptions({
    queryKey: ['logs', 'histogram', time, filters],
    queryFn: ({ signal }) => get<LogsHistogram>('/api/logs/histogram', { ...within(time), ...filters }, signal),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const logsAround = (log: { id: string; time_unix_nano: string; service: string; log_stream?: string }) =>
  queryOptions({
    queryKey: ['logs', 'around', log.id],
    queryFn: ({ signal }) => get<LogsAround>('/api/logs/around', { ...log, before: 20, after: 20 }, signal),
    staleTime: Infinity,
  });

export const errors = (time: Time, filters: ErrorFilters, sort: string, limit: number, live = false) =>
  queryOptions({
    queryKey: ['errors', 'list', time, filters, sort, limit],
    queryFn: ({ signal }) => get<ErrorsAnswer>('/api/errors', { ...within(time), ...filters, sort, limit }, signal),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const errorsPaged = (time: Time, filters: ErrorFilters, sort: string, live = false) =>
  infiniteQueryOptions({
    queryKey: ['errors', 'paged', time, filters, sort],
    queryFn: async ({ pageParam, signal }) => {
      const asked = pageOf(pageParam, time);
      const answer = await get<ErrorsAnswer>('/api/errors', { ...asked, ...filters, sort, limit: 50 }, signal);
      return { ...answer, asked };
    },
    initialPageParam: firstPage,
    getNextPageParam: (last): Page | undefined =>
      last.next_cursor === null || last.next_cursor === undefined
        ? undefined
        : { start: Number(last.asked.start), end: Number(last.asked.end), cursor: last.next_cursor },
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const error = (group: string, time: Time, live = false) =>
  queryOptions({
    queryKey: ['errors', 'item', group, time],
    queryFn: ({ signal }) => get<ErrorAnswer>(`/api/errors/${encodeURIComponent(group)}`, within(time), signal),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const attributes = (signal: 'spans' | 'logs') =>
  queryOptions({
    queryKey: ['attributes', signal],
    queryFn: (context) => get<{ attributes: AttributeKey[] }>('/api/attributes', { signal }, context.signal),
    staleTime: 60_000,
  });

export const attributeValues = (key: string, signal: 'spans' | 'logs', time: Time, prefix: string, limit = 50) =>
  queryOptions({
    queryKey: ['attributes', 'values', key, signal, time, prefix, limit],
    queryFn: (context) =>
      get<AttributeValues>('/api/attributes/values', { key, signal, prefix, limit, ...within(time) }, context.signal),
    staleTime: 30_000,
  });

export const receivers = () =>
  queryOptions({
    queryKey: ['receivers'],
    queryFn: ({ signal }) => get<ReceiversAnswer>('/api/receivers', {}, signal),
    refetchInterval: RECEIVERS_MS,
    refetchIntervalInBackground: false,
  });

export const runSql = (query: string, maxRows: number, signal?: AbortSignal) =>
  post<SqlAnswer>('/api/sql', { query, format: 'json', max_rows: maxRows }, signal);
