// Metrics: which there are, and how one of them went.
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { rangeFromParam } from '../lib/time';
import { ask, query, send, type Params } from './client';
import type { Time } from './queries';
import type { Stats } from './types';

export interface Metric {
  name: string;
  /** CloudWatch's. */
  namespace: string | null;
  type: string;
  unit: string;
  description: string;
  temporality: string;
  is_monotonic: boolean;
  receivers: string[];
  services: string[];
  series: number;
  points: number;
  labels: string[];
  /** Those that make sense; the first is the best to begin with. */
  aggregations: string[];
  newest_unix_nano: string | null;
}

export interface MetricSeries {
  metric: string;
  unit: string;
  type: string;
  aggregation: string;
  step_seconds: number;
  times_unix_nano: string[];
  series: { label: string | null; values: (number | null)[]; total: number | null }[];
  series_total: number;
  stats: Stats;
}

export interface MetricQuestion {
  metric: string;
  namespace?: string;
  aggregation?: string;
  by?: string;
  where: string[];
}

const LIVE_MS = 5_000;
const within = (time: Time) => {
  const { start, end } = rangeFromParam(time, Date.now());
  return { start: String(Math.floor(start)), end: String(Math.ceil(end)) };
};

export const metrics = (time: Time, q: string) =>
  queryOptions({
    queryKey: ['metrics', 'list', time, q],
    queryFn: ({ signal }) => ask<{ metrics: Metric[]; stats: Stats }>('/api/metrics', { ...within(time), q, limit: 1000 }, signal),
    staleTime: 15_000,
    placeholderData: keepPreviousData,
  });

export const metricSeries = (time: Time, { where, ...question }: MetricQuestion, limit = 20, live = false) =>
  queryOptions({
    queryKey: ['metrics', 'series', time, question, where, limit],
    queryFn: ({ signal }) => {
      const said = query({ ...within(time), ...question, limit } as Params);
      const conditions = where.map((one) => `&where=${encodeURIComponent(one)}`).join('');
      return send<MetricSeries>('GET', `/api/metrics/query?${said}${conditions}`, undefined, signal);
    },
    enabled: question.metric !== '',
    refetchInterval: live ? LIVE_MS : false,
    placeholderData: keepPreviousData,
    retry: false,
  });
