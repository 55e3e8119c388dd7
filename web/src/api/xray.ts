// The questions of the map, of the heatmap and refiners of *Traces*, of groups and sampling rules.
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { rangeFromParam } from '../lib/time';
import { ask, change } from './client';
import type { Time, TraceFilters } from './queries';
import type { FilterKeyword, HeatmapAnswer, MapAnswer, RefineAnswer, SamplingRule, SamplingRuleTold, TraceGroup } from './types';

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
    queryFn: ({ signal }) => ask<MapAnswer>('/api/map', { ...within(time), ...filters }, signal),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const heatmap = (time: Time, filters: TraceFilters, live = false) =>
  queryOptions({
    queryKey: ['traces', 'heatmap', time, filters],
    queryFn: ({ signal }) => ask<HeatmapAnswer>('/api/traces/heatmap', { ...within(time), ...filters }, signal),
    refetchInterval: every(live),
    placeholderData: keepPreviousData,
  });

export const refine = (by: string, time: Time, filters: TraceFilters, enabled: boolean) =>
  queryOptions({
    queryKey: ['traces', 'refine', by, time, filters],
    queryFn: ({ signal }) => ask<RefineAnswer>('/api/traces/refine', { ...within(time), ...filters, by }, signal),
    placeholderData: keepPreviousData,
    enabled,
  });

export const filterKeywords = () =>
  queryOptions({
    queryKey: ['filter-keywords'],
    queryFn: async ({ signal }) => listOf<FilterKeyword>(await ask('/api/filter-keywords', {}, signal), 'keywords'),
    staleTime: Infinity,
  });

export const groups = () =>
  queryOptions({
    queryKey: ['trace-groups'],
    queryFn: async ({ signal }) => listOf<TraceGroup>(await ask('/api/trace-groups', {}, signal), 'groups'),
    staleTime: 30_000,
  });

export const samplingRules = () =>
  queryOptions({
    queryKey: ['sampling-rules'],
    queryFn: async ({ signal }) => listOf<SamplingRuleTold>(await ask('/api/sampling-rules', {}, signal), 'rules'),
    refetchInterval: RULES_MS,
  });

/** A list, or the list under its name. */
function listOf<T>(answer: unknown, name: string): T[] {
  if (Array.isArray(answer)) return answer as T[];
  return (answer as Record<string, T[]>)[name] ?? [];
}

const at = (folder: string, name: string) => `${folder}/${encodeURIComponent(name)}`;

/** Makes a group, or changes the one of the old name. */
export const saveGroup = (group: TraceGroup, old?: string) => (old === undefined ? change('POST', '/api/trace-groups', group) : change('PUT', at('/api/trace-groups', old), group));
export const deleteGroup = (name: string) => change('DELETE', at('/api/trace-groups', name));
export const saveRule = (rule: SamplingRule, old?: string) => (old === undefined ? change('POST', '/api/sampling-rules', rule) : change('PUT', at('/api/sampling-rules', old), rule));
export const deleteRule = (name: string) => change('DELETE', at('/api/sampling-rules', name));
