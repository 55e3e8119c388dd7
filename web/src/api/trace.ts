// Questions about one trace that go beyond its spans: its own map, and how it differs from others of its route.
import { queryOptions } from '@tanstack/react-query';
import type { TypicalSpan } from '../lib/compare';
import { answerOf } from './client';
import type { Stats } from './types';

export interface MapFigures {
  total: number;
  ok: number;
  error: number;
  throttle: number;
  fault: number;
  p50_ns: number;
  p95_ns: number;
  p99_ns: number;
}

export interface TraceMapNode extends MapFigures {
  id: number;
  name: string;
  type: string;
  root: boolean;
  synthetic: 'client' | 'inferred' | null;
}

export interface TraceMapEdge extends MapFigures {
  from: number;
  to: number;
  kind: 'sync' | 'link';
}

export interface TraceMap {
  nodes: TraceMapNode[];
  edges: TraceMapEdge[];
  stats: Stats;
}

export interface Typical {
  route: string;
  /** How many traces it was compared with. */
  traces: number;
  spans: TypicalSpan[];
  stats: Stats;
}

async function ask<T>(path: string, signal: AbortSignal): Promise<T> {
  const asked = fetch(path, { headers: { accept: 'application/json' }, signal }).then(async (response) => {
    const body = (await response.json()) as unknown;
    return response.ok ? { data: body as T, response } : { error: body, response };
  });
  return answerOf<T>(asked);
}

export const traceMap = (traceId: string) => queryOptions({ queryKey: ['trace', traceId, 'map'], queryFn: ({ signal }) => ask<TraceMap>(`/api/traces/${traceId}/map`, signal) });

export const traceTypical = (traceId: string, enabled = true) =>
  queryOptions({ queryKey: ['trace', traceId, 'typical'], queryFn: ({ signal }) => ask<Typical>(`/api/traces/${traceId}/typical`, signal), enabled, staleTime: 60_000 });
