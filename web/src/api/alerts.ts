// Alerts: CloudWatch's alarms and Honeycomb's triggers, whom they tell and what was told.
import { queryOptions } from '@tanstack/react-query';
import type { Specification } from '../lib/question';
import { ask, send } from './client';

export interface Delivery {
  id: string | number;
  origin: string;
  kind: 'http' | 'email';
  to: string;
  state: 'pending' | 'delivered' | 'failed';
  attempts: number;
  answer: string;
  created_at_unix_nano: number | string;
  attempted_at_unix_nano: number | string | null;
  next_attempt_unix_nano: number | string | null;
}

export interface Recipient {
  id: string;
  type: string;
  target: string;
  name?: string | null;
  triggers?: number;
  burn_alerts?: number;
}

export interface Threshold {
  op: '>' | '>=' | '<' | '<=';
  value: number;
  exceeded_limit?: number;
}

export interface Trigger {
  id: string;
  /** A dataset's slug, or `__all__`. */
  dataset: string;
  name: string;
  description: string;
  disabled: boolean;
  triggered: boolean;
  state: 'ok' | 'triggered' | 'disabled' | 'error' | 'pending';
  query: Specification;
  threshold: Threshold;
  frequency_seconds: number;
  alert_type: 'on_change' | 'on_true';
  baseline: { offset_minutes: number; type: string } | null;
  evaluation_schedule: unknown;
  recipients: Recipient[];
  tags: { key: string; value: string }[];
  last_evaluated_unix_nano: string | null;
  next_evaluation_unix_nano: string | null;
  last_value: number | null;
  last_baseline_value: number | null;
  last_error: string | null;
  created_unix_nano: string;
  updated_unix_nano: string;
}

export interface AlertEntry {
  time_unix_nano: string;
  state: string;
  value: number | null;
  baseline_value?: number | null;
  groups?: { group: Record<string, unknown>; value: number | null; baseline_value?: number | null }[];
  changed: boolean;
  notified: boolean;
  error?: string | null;
  burn_alert_id?: string;
}

export interface TriggerWhole {
  trigger: Trigger;
  history: AlertEntry[];
  deliveries: Delivery[];
}

export interface Tried {
  would_trigger: boolean | null;
  value: number | null;
  groups: { group: Record<string, unknown>; value: number | null }[];
  deliveries: Delivery[];
}

export interface Alarm {
  name: string;
  kind: 'metric' | 'composite' | 'log';
  state: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
  state_reason: string;
  state_since_unix_nano: string;
  description: string;
  actions_enabled: boolean;
  actions: { alarm: string[]; ok: string[]; insufficient_data: string[] };
  condition: string;
  namespace: string | null;
  metric: string | null;
  dimensions: Record<string, string>;
  threshold: number | null;
  comparison: string | null;
  period_seconds: number | null;
  evaluation_periods: number | null;
  datapoints_to_alarm: number | null;
  created_unix_nano: string;
}

export interface AlarmEvent {
  at_unix_nano: string;
  kind: string;
  summary: string;
  state: string | null;
  reason?: string | null;
}

export interface AlarmDraft {
  name: string;
  description: string;
  namespace: string;
  metric: string;
  dimensions: Record<string, string>;
  statistic: string;
  comparison: string;
  threshold: number;
  period_seconds: number;
  evaluation_periods: number;
  datapoints_to_alarm: number;
  treat_missing_data: string;
  actions: { alarm: string[]; ok: string[]; insufficient_data: string[] };
}

/** How often what is watched is asked again while it is looked at. */
const AGAIN_MS = 10_000;
const kept = { refetchInterval: AGAIN_MS } as const;

export const triggers = () => queryOptions({ queryKey: ['alerts', 'triggers'], queryFn: async ({ signal }) => (await ask<{ triggers: Trigger[] }>('/api/triggers', {}, signal)).triggers, ...kept });
export const trigger = (id: string) => queryOptions({ queryKey: ['alerts', 'triggers', id], queryFn: ({ signal }) => ask<TriggerWhole>(`/api/triggers/${encodeURIComponent(id)}`, {}, signal), ...kept });
export const alarms = () => queryOptions({ queryKey: ['alerts', 'alarms'], queryFn: async ({ signal }) => (await ask<{ alarms: Alarm[] }>('/api/alarms', {}, signal)).alarms, ...kept });
export const alarmHistory = (name: string) => queryOptions({ queryKey: ['alerts', 'alarms', name], queryFn: async ({ signal }) => (await ask<{ history: AlarmEvent[] }>(`/api/alarms/${encodeURIComponent(name)}/history`, { limit: 200 }, signal)).history, ...kept });
export const recipients = () => queryOptions({ queryKey: ['alerts', 'recipients'], queryFn: async ({ signal }) => (await ask<{ recipients: Recipient[] }>('/api/recipients', {}, signal)).recipients });
export const deliveries = (origin: string, limit = 200) => queryOptions({ queryKey: ['alerts', 'deliveries', origin, limit], queryFn: ({ signal }) => ask<{ deliveries: Delivery[]; email_configured: boolean }>('/api/alerting/deliveries', { origin, limit }, signal), ...kept });

const ofAlarm = (name: string) => `/api/alarms/${encodeURIComponent(name)}`;
export const saveAlarm = (draft: AlarmDraft) => send<Alarm>('POST', '/api/alarms', draft);
export const deleteAlarm = (name: string) => send<undefined>('DELETE', ofAlarm(name));
export const switchAlarm = (name: string, enabled: boolean) => send<Alarm>('POST', `${ofAlarm(name)}/actions`, { enabled });
export const tryAlarm = (name: string) => send<{ deliveries: Delivery[] }>('POST', `${ofAlarm(name)}/test`, {});

export const tryTrigger = (id: string) => send<Tried>('POST', `/api/triggers/${encodeURIComponent(id)}/test`);
export const tryRecipient = (id: string) => send<Tried>('POST', `/api/recipients/${encodeURIComponent(id)}/test`);

// Triggers and recipients are made and changed where Honeycomb's clients do it. A page of this server needs no key of its own;
// the header only says that the request is meant.
const TEAM = { 'x-honeycomb-team': 'cupola-web' };

export interface TriggerDraft {
  name: string;
  description: string;
  disabled: boolean;
  query: Specification;
  threshold: Threshold;
  frequency: number;
  alert_type: string;
  baseline_details?: unknown;
  recipients: { id: string }[];
  tags?: unknown;
}

const ofTrigger = (dataset: string, id?: string) => `/1/triggers/${encodeURIComponent(dataset)}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;
export const saveTrigger = (dataset: string, draft: TriggerDraft, id?: string) => send<{ id: string }>(id === undefined ? 'POST' : 'PUT', ofTrigger(dataset, id), draft, undefined, TEAM);
export const deleteTrigger = (dataset: string, id: string) => send<undefined>('DELETE', ofTrigger(dataset, id), undefined, undefined, TEAM);

export const addRecipient = (type: string, details: Record<string, string>) => send<{ id: string }>('POST', '/1/recipients', { type, details }, undefined, TEAM);
export const deleteRecipient = (id: string) => send<undefined>('DELETE', `/1/recipients/${encodeURIComponent(id)}`, undefined, undefined, TEAM);
