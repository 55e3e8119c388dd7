// Objectives and how they stand; they are made through Honeycomb's configuration API, as its tools make them.
import { queryOptions } from '@tanstack/react-query';
import type { AlertEntry, Delivery, Recipient, Tried } from './alerts';
import { ask, send } from './client';
import * as kept from './kept';

export interface BurnAlert {
  id: string;
  slo_id: string;
  alert_type: 'exhaustion_time' | 'budget_rate';
  description: string;
  exhaustion_minutes: number | null;
  budget_rate_window_minutes: number | null;
  budget_rate_decrease_threshold_per_million: number | null;
  triggered: boolean;
  /** Minutes left, or millionths of the budget that were spent. */
  value: number | null;
  recipients: Recipient[];
}

export interface Slo {
  id: string;
  name: string;
  description: string;
  datasets: string[];
  sli: string;
  expression: string | null;
  target: number;
  period_days: number;
  good: number;
  bad: number;
  total: number;
  compliance: number | null;
  budget_remaining: number;
  budget_events: number;
  burn_rate: number | null;
  exhausts_in_seconds: number | null;
  state: 'ok' | 'warning' | 'exhausted' | 'no_data' | 'pending';
  computed_to_unix_nano: string | null;
  burn_alerts: BurnAlert[];
  tags: { key: string; value: string }[];
  error?: string;
}

export interface SloWhole {
  slo: Slo;
  burn_down: { start_unix_nano: string; step_seconds: number; budget_remaining: (number | null)[]; compliance: (number | null)[]; good: number[]; bad: number[] };
  history: AlertEntry[];
  deliveries: Delivery[];
}

const EVERY_MS = 30_000;
/** While an objective is being counted for the first time. */
const PENDING_MS = 2_000;
const every = (slos: readonly Slo[] | undefined) => (slos?.some((one) => one.state === 'pending') ? PENDING_MS : EVERY_MS);

export const slos = () => queryOptions({ queryKey: ['alerts', 'slos'], queryFn: async ({ signal }) => (await ask<{ slos: Slo[] }>('/api/slos', {}, signal)).slos, refetchInterval: (query) => every(query.state.data) });
export const slo = (id: string) => queryOptions({ queryKey: ['alerts', 'slos', id], queryFn: ({ signal }) => ask<SloWhole>(`/api/slos/${encodeURIComponent(id)}`, {}, signal), refetchInterval: (query) => every(query.state.data && [query.state.data.slo]) });

export const tryBurnAlert = (id: string) => send<Tried>('POST', `/api/burn-alerts/${encodeURIComponent(id)}/test`);

export interface Wanted {
  name: string;
  description: string;
  /** When a row is good, in Honeycomb's expressions. */
  expression: string;
  target: number;
  period_days: number;
  datasets: string[];
}

/** Keeps the calculated field that says whether a row is good, then the objective. */
export async function keepSlo(wanted: Wanted): Promise<{ id: string }> {
  const alias = `sli.${wanted.name.toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_|_$/g, '') || 'objective'}`;
  await kept.keepCalculated({ name: alias, expression: wanted.expression }, `Whether a row is good for ${wanted.name}`, await kept.calculatedId(alias));
  return kept.keepObjective({ name: wanted.name, description: wanted.description, sli: { alias }, target_per_million: Math.round(wanted.target * 1e6), time_period_days: wanted.period_days, dataset_slugs: wanted.datasets });
}
