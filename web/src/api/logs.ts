// Logs beyond the list: fields, patterns, groups and streams, Logs Insights, exports.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { rangeFromParam } from '../lib/time';
import { answerOf, api, ApiError, doneOf, query as queryText, type Params } from './client';
import type { LogFilters, Time } from './queries';
import type { components } from './schema';

type Schemas = components['schemas'];

export type LogField = Schemas['LogField'];
export type LogPattern = Schemas['LogPatternTold'];
export type InsightsLanguage = Schemas['InsightsLanguage'];
export type InsightsAnswer = Schemas['InsightsTold'];
export type SavedQuery = Schemas['SavedQuery'];
export type LogGroupTold = Schemas['LogGroupTold'];
export type LogStreamTold = Schemas['LogStreamTold'];

const within = (time: Time) => {
  const { start, end } = rangeFromParam(time, Date.now());
  return { start: String(Math.floor(start)), end: String(Math.ceil(end)) };
};

export const fields = (time: Time, filters: LogFilters) =>
  queryOptions({
    queryKey: ['logs', 'fields', time, filters],
    queryFn: ({ signal }) => answerOf(api.GET('/api/logs/fields', { params: { query: { ...within(time), ...filters } }, signal })),
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });

export const patterns = (time: Time, filters: LogFilters) =>
  queryOptions({
    queryKey: ['logs', 'patterns', time, filters],
    queryFn: ({ signal }) => answerOf(api.GET('/api/logs/patterns', { params: { query: { ...within(time), ...filters, limit: 200 } }, signal })),
    placeholderData: keepPreviousData,
  });

export const groups = (q: string) =>
  queryOptions({
    queryKey: ['logs', 'groups', q],
    queryFn: ({ signal }) => answerOf(api.GET('/api/logs/groups', { params: { query: { q: q === '' ? undefined : q } }, signal })),
    placeholderData: keepPreviousData,
  });

export const streams = (group: string, prefix: string) =>
  infiniteQueryOptions({
    queryKey: ['logs', 'streams', group, prefix],
    queryFn: ({ pageParam, signal }) => answerOf(api.GET('/api/logs/streams', { params: { query: { group, prefix: prefix === '' ? undefined : prefix, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  });

export const words = (language: InsightsLanguage) =>
  queryOptions({
    queryKey: ['logs', 'insights', 'words', language],
    queryFn: ({ signal }) => answerOf(api.GET('/api/logs/insights/words', { params: { query: { language } }, signal })),
    staleTime: Infinity,
  });

export const insights = (time: Time, language: InsightsLanguage, query: string, groupNames: string[], run: string | undefined) =>
  queryOptions({
    queryKey: ['logs', 'insights', 'run', time, language, query, groupNames, run],
    queryFn: ({ signal }) => answerOf(api.POST('/api/logs/insights', { body: { query, language, log_groups: groupNames, ...within(time) }, signal })),
    enabled: query !== '',
    retry: false,
    staleTime: Infinity,
  });

export const saved = () =>
  queryOptions({
    queryKey: ['logs', 'insights', 'saved'],
    queryFn: ({ signal }) => answerOf(api.GET('/api/logs/insights/saved', { signal })),
  });

export const save = (name: string, language: InsightsLanguage, query: string, groupNames: string[]) => answerOf(api.POST('/api/logs/insights/saved', { body: { name, query, language, log_groups: groupNames } }));

export const forget = (id: string) => doneOf(api.DELETE('/api/logs/insights/saved/{id}', { params: { path: { id } } }));

/** Lines as a file, told how far it is while it comes. Aborting the signal ends it on the server too. */
export async function exportLines(time: Time, filters: LogFilters, format: 'csv' | 'ndjson', onLines: (lines: number) => void, signal: AbortSignal): Promise<Blob> {
  const answer = await fetch(`/api/logs/export?${queryText({ ...within(time), ...filters, format } as Params)}`, { signal });
  if (!answer.ok || !answer.body) {
    const told = (await answer.json().catch(() => ({}))) as { error?: { code?: string; message?: string; position?: number | null } };
    throw new ApiError(answer.status, told.error?.code ?? 'unknown', told.error?.message ?? `the server answered with status ${answer.status}`, told.error?.position ?? null);
  }
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const reader = answer.body.getReader();
  let lines = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    for (const byte of value) if (byte === 10) lines += 1;
    onLines(lines);
  }
  return new Blob(parts, { type: format === 'csv' ? 'text/csv' : 'application/x-ndjson' });
}
