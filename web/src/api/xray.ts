// The questions of the map, of the heatmap and refiners of *Traces*, of groups and sampling rules.
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { rangeFromParam } from '../lib/time';
import { answerOf, api, doneOf } from './client';
import type { Time, TraceFilters } from './queries';
import type { SamplingRule, TraceGroupRequest } from './types';

const LIVE_MS = 5_000;
/** The effect of a changed rule shows as soon as the SDKs have told of it, which they do every ten seconds. */
const RULES_MS = 10_000;

const within = (time: Time) => {
  const { start, end } = rangeFromParam(time, Date.now());
  return { start: String(Math.floor(start)), end: String(Math.ceil(end)) };
};
const every = (live: boolean) => (live ? LIVE_MS : (false as const));

export interface MapFilters {
  filter?: string;
  group?: string;
}

export const map = (time: Time, filters: MapFilters, live = false) =>
  queryOptions({
    queryKey: ['map', time, filters],
    queryFn: ({ signal }) => answerOf(api.GET('/api/map', { params: { query: { ...within(time), ...filters } }, signal })),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const heatmap = (time: Time, filters: TraceFilters, live = false) =>
  queryOptions({
    queryKey: ['traces', 'heatmap', time, filters],
    queryFn: ({ signal }) => answerOf(api.GET('/api/traces/heatmap', { params: { query: { ...within(time), ...filters } }, signal })),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const refine = (by: string, time: Time, filters: TraceFilters, enabled: boolean) =>
  queryOptions({
    queryKey: ['traces', 'refine', by, time, filters],
    queryFn: ({ signal }) => answerOf(api.GET('/api/traces/refine', { params: { query: { ...within(time), ...filters, by } }, signal })),
    placeholderData: keepPreviousData,
    enabled,
  });

export const filterKeywords = () =>
  queryOptions({
    queryKey: ['filter-keywords'],
    queryFn: async ({ signal }) => (await answerOf(api.GET('/api/filter-keywords', { signal }))).keywords,
    staleTime: Infinity,
  });

export const groups = () =>
  queryOptions({
    queryKey: ['trace-groups'],
    queryFn: async ({ signal }) => (await answerOf(api.GET('/api/trace-groups', { signal }))).groups,
    staleTime: 30_000,
  });

export const samplingRules = () =>
  queryOptions({
    queryKey: ['sampling-rules'],
    queryFn: async ({ signal }) => (await answerOf(api.GET('/api/sampling-rules', { signal }))).rules,
    refetchInterval: RULES_MS,
  });

const at = (name: string) => ({ params: { path: { name } } });

/** Makes a group, or changes the one of the old name. */
export const saveGroup = (body: TraceGroupRequest, old?: string) => doneOf(old === undefined ? api.POST('/api/trace-groups', { body }) : api.PUT('/api/trace-groups/{name}', { ...at(old), body }));
export const deleteGroup = (name: string) => doneOf(api.DELETE('/api/trace-groups/{name}', at(name)));
export const saveRule = (body: SamplingRule, old?: string) => doneOf(old === undefined ? api.POST('/api/sampling-rules', { body }) : api.PUT('/api/sampling-rules/{name}', { ...at(old), body }));
export const deleteRule = (name: string) => doneOf(api.DELETE('/api/sampling-rules/{name}', at(name)));
