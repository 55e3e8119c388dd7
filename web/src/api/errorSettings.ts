// What is decided about errors: how they are told apart, of whom they are told, which source maps there are, what is taken
// out of them before they are written; and the deploys that were announced.
import { queryOptions } from '@tanstack/react-query';
import { ask, send } from './client';

/** A leaf, or several joined. */
export type Condition = { path: string; op: string; value?: unknown } | { any: Condition[] } | { all: Condition[] } | { none: Condition[] };

export interface ErrorRule {
  name?: string;
  condition: Condition;
  fingerprint?: string;
  title?: string;
}

export interface ErrorRules {
  rules: ErrorRule[];
  in_force_since_unix_nano: string;
}

export interface RuleTried {
  number: number;
  group: string;
  title: string;
  rule: number | null;
  would_be_fingerprint: string;
  would_be_title: string;
}

export interface ItemNumbers {
  id: number;
  counter: number;
  title: string;
  occurrences: number;
}

export const errorRules = () => queryOptions({ queryKey: ['error-rules'], queryFn: ({ signal }) => ask<ErrorRules>('/api/error-rules', {}, signal) });
export const putErrorRules = (rules: ErrorRule[]) => send<ErrorRules>('PUT', '/api/error-rules', { rules });
export const tryErrorRules = (rules: ErrorRule[]) => send<{ occurrences: RuleTried[] }>('POST', '/api/error-rules/try', { rules });

export interface ErrorSettings {
  resolved_after_days: number | null;
}

export const errorSettings = () => queryOptions({ queryKey: ['error-settings'], queryFn: ({ signal }) => ask<ErrorSettings>('/api/error-settings', {}, signal) });
export const putErrorSettings = (settings: ErrorSettings) => send<ErrorSettings>('PUT', '/api/error-settings', settings);

export const members = (id: number | undefined) => queryOptions({ queryKey: ['errors', 'members', id], queryFn: async ({ signal }) => (await ask<{ items: ItemNumbers[] }>(`/api/error-items/${id}/members`, {}, signal)).items, enabled: id !== undefined, retry: false });
export const mergeItems = (ids: number[], title?: string) => send<ItemNumbers>('POST', '/api/error-items/merge', { ids, ...(title ? { title } : {}) });
export const unmergeItems = (id: number, ids: number[] = []) => send<{ items: ItemNumbers[] }>('POST', `/api/error-items/${id}/unmerge`, { ids });
export const splitItem = (id: number, path: string) => send<ErrorRules>('POST', `/api/error-items/${id}/split`, { path });

export interface Suspect {
  deploy_id: number;
  time_unix_nano: string;
  environment: string;
  version: string;
  revision: string;
  user: string;
  comment: string;
  score: number;
  why: string;
}

export const suspects = (group: string) => queryOptions({ queryKey: ['errors', 'suspects', group], queryFn: async ({ signal }) => (await ask<{ suspects: Suspect[] }>(`/api/errors/${encodeURIComponent(group)}/suspects`, {}, signal)).suspects, retry: false });

export interface SourceMap {
  id: number;
  version: string;
  minified_url: string;
  /** Empty where the map has none. */
  debug_id: string;
  bytes: number;
  sources: number;
  uploaded_at_unix_nano: string;
}

export const sourceMaps = () => queryOptions({ queryKey: ['source-maps'], queryFn: async ({ signal }) => (await ask<{ source_maps: SourceMap[] }>('/api/source-maps', {}, signal)).source_maps });
export const deleteSourceMap = (id: number) => send<unknown>('DELETE', `/api/source-maps/${id}`);
export async function uploadSourceMap(version: string, minifiedUrl: string, file: File): Promise<SourceMap> {
  const document: unknown = JSON.parse(await file.text());
  return send<SourceMap>('POST', `/api/source-maps?${new URLSearchParams({ version, minified_url: minifiedUrl }).toString()}`, document);
}

export interface MappedPlace {
  filename: string;
  lineno: number;
  colno?: number | null;
  method?: string | null;
  code?: string | null;
  context?: { pre?: string[]; post?: string[] } | null;
}

export interface MappedFrame extends MappedPlace {
  in_app?: boolean;
  original?: MappedPlace | null;
  reason?: string | null;
}

export const mappedFrames = (group: string, id: string, enabled: boolean) =>
  queryOptions({
    queryKey: ['errors', 'frames', group, id],
    queryFn: async ({ signal }) => (await ask<{ traces: { class: string; message: string; frames: MappedFrame[] }[] }>(`/api/errors/${encodeURIComponent(group)}/occurrences/${encodeURIComponent(id)}/frames`, {}, signal)).traces,
    enabled,
    retry: false,
  });

export interface Scrubbing {
  enabled: boolean;
  receivers: string[];
  keys: string[];
  patterns: string[];
  query_strings: boolean;
  cards: boolean;
  tokens: boolean;
}

export interface ScrubHits {
  receiver: string;
  rule: string;
  hits: number;
  requests: number;
  last_at_unix_nano: number | string;
}

export const scrubbing = () => queryOptions({ queryKey: ['scrubbing'], queryFn: ({ signal }) => ask<Scrubbing>('/api/scrubbing', {}, signal) });
export const putScrubbing = (settings: Scrubbing) => send<Scrubbing>('PUT', '/api/scrubbing', settings);
export const scrubHits = () => queryOptions({ queryKey: ['scrubbing', 'hits'], queryFn: async ({ signal }) => (await ask<{ hits: ScrubHits[] }>('/api/scrubbing/hits', {}, signal)).hits, refetchInterval: 5_000 });

// Rollbar's own paths. Any token is welcome while none are configured; the page names itself.
const TOKEN = { 'x-rollbar-access-token': 'cupola-web' };
const rollbar = async <T>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown, signal?: AbortSignal): Promise<T> => (await send<{ result: T }>(method, `/api/1${path}`, body, signal, TOKEN)).result;

export type ChannelName = 'webhook' | 'slack' | 'email';

export interface Channel {
  enabled?: boolean;
  url?: string;
  to?: string[] | string;
  channel?: string;
}

export interface NotificationFilter {
  type: string;
  operation?: string;
  value?: unknown;
  path?: string;
  period?: number;
  count?: number;
}

export interface NotificationRule {
  id: number;
  action?: string;
  trigger: string;
  filters: NotificationFilter[];
  config: Record<string, unknown>;
  status: 'enabled' | 'disabled';
}

export interface SentTest {
  state: string;
  answer: string;
  to: string;
}

export const channel = (name: ChannelName) => queryOptions({ queryKey: ['notifications', name], queryFn: ({ signal }) => rollbar<Channel>('GET', `/notifications/${name}`, undefined, signal) });
export const putChannel = (name: ChannelName, config: Channel) => rollbar<Channel>('PUT', `/notifications/${name}`, config);
export const rules = (name: ChannelName) => queryOptions({ queryKey: ['notifications', name, 'rules'], queryFn: ({ signal }) => rollbar<NotificationRule[]>('GET', `/notifications/${name}/rules`, undefined, signal) });
export const addRule = (name: ChannelName, rule: Omit<NotificationRule, 'id'>) => rollbar<NotificationRule[]>('POST', `/notifications/${name}/rules`, [rule]);
export const changeRule = (name: ChannelName, id: number, rule: Partial<NotificationRule>) => rollbar<NotificationRule>('PATCH', `/notifications/${name}/rule/${id}`, rule);
export const deleteRule = (name: ChannelName, id: number) => rollbar<unknown>('DELETE', `/notifications/${name}/rule/${id}`);
export const tryRule = (name: ChannelName, id: number) => rollbar<SentTest>('POST', `/notifications/${name}/rule/${id}/test`);

export interface Deploy {
  id: number;
  environment: string;
  revision: string;
  local_username: string | null;
  rollbar_username: string | null;
  comment: string | null;
  status: string;
  /** Seconds. */
  start_time: number;
  finish_time: number | null;
}

export interface VersionTold {
  version: string;
  environment: string;
  item_stats: Record<string, { new: number; reactivated: number; repeated: number; resolved: number }>;
  total_occurrences: number;
}

export const deploys = (page: number) => queryOptions({ queryKey: ['deploys', page], queryFn: ({ signal }) => rollbar<{ page: number; deploys: Deploy[] }>('GET', `/deploys?page=${page}&limit=50`, undefined, signal), refetchInterval: 15_000 });
export const version = (revision: string, environment: string) => queryOptions({ queryKey: ['versions', revision, environment], queryFn: ({ signal }) => rollbar<VersionTold>('GET', `/versions/${encodeURIComponent(revision)}?environment=${encodeURIComponent(environment)}`, undefined, signal), retry: false, staleTime: 30_000 });
export const changeDeploy = (id: number, status: string) => rollbar<Deploy>('PATCH', `/deploy/${id}`, { status });
