// Questions about one trace that go beyond its spans: its own map, and how it differs from others of its route.
import { queryOptions } from '@tanstack/react-query';
import type { components } from './schema';
import { answerOf, api } from './client';

type Told = components['schemas']['TypicalTrace'];

export type Typical = Omit<Told, 'spans'> & { spans: (Told['spans'][number] & { typical_ns: number })[] };

/** What no other trace has takes no time in a typical one. */
const withTimes = (told: Told): Typical => ({ ...told, spans: told.spans.map((span) => ({ ...span, typical_ns: span.typical_ns ?? 0 })) });

export const traceMap = (traceId: string) =>
  queryOptions({ queryKey: ['trace', traceId, 'map'], queryFn: ({ signal }) => answerOf(api.GET('/api/traces/{id}/map', { params: { path: { id: traceId } }, signal })) });

export const traceTypical = (traceId: string, enabled = true) =>
  queryOptions({
    queryKey: ['trace', traceId, 'typical'],
    queryFn: async ({ signal }) => withTimes(await answerOf(api.GET('/api/traces/{id}/typical', { params: { path: { id: traceId } }, signal }))),
    enabled,
    staleTime: 60_000,
  });
