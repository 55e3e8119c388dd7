// Questions about one trace that go beyond its spans: its own map, and how it differs from others of its route.
import { queryOptions } from '@tanstack/react-query';
import type { TypicalSpan } from '../lib/compare';
import { ask } from './client';
import type { MapAnswer, Stats } from './types';

export interface Typical {
  route: string;
  /** How many traces it was compared with. */
  traces: number;
  spans: TypicalSpan[];
  stats: Stats;
}

export const traceMap = (traceId: string) => queryOptions({ queryKey: ['trace', traceId, 'map'], queryFn: ({ signal }) => ask<MapAnswer>(`/api/traces/${traceId}/map`, {}, signal) });

export const traceTypical = (traceId: string, enabled = true) =>
  queryOptions({ queryKey: ['trace', traceId, 'typical'], queryFn: ({ signal }) => ask<Typical>(`/api/traces/${traceId}/typical`, {}, signal), enabled, staleTime: 60_000 });
