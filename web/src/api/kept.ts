// What people keep beside their rows: fields with what is known of them, calculated fields, markers, boards and the
// queries on them. They are the documents of Honeycomb's configuration API, so that what its tools made is here too.
import { queryOptions } from '@tanstack/react-query';
import type { Named, Specification } from '../lib/question';
import { ApiError } from './client';

const ALL = '__all__';
// Any key is welcome while none are configured; the page names itself.
const HEADERS = { accept: 'application/json', 'content-type': 'application/json', 'x-honeycomb-team': 'cupola-web' };

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const asked = fetch(path, { method, headers: HEADERS, signal, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const response = await asked.catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'the server does not answer');
  });
  const answer: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return answer as T;
  throw new ApiError(response.status, 'refused', messageOf(answer) ?? `the server answered with status ${response.status}`);
}

function messageOf(answer: unknown): string | undefined {
  const { error, type_detail: details } = (answer ?? {}) as { error?: string; type_detail?: { field?: string; description?: string }[] };
  const detail = details?.map((one) => one.description).filter(Boolean).join('; ');
  return detail || (typeof error === 'string' ? error : undefined);
}

export interface Field {
  id: string;
  key_name: string;
  type: string;
  description: string;
  hidden: boolean;
}

export const fields = (dataset = ALL) =>
  queryOptions({ queryKey: ['kept', 'fields', dataset], queryFn: ({ signal }) => call<Field[]>('GET', `/1/columns/${encodeURIComponent(dataset)}`, undefined, signal), staleTime: 30_000 });

export const changeField = ({ id, key_name, type, description, hidden }: Field) => call<Field>('PUT', `/1/columns/${ALL}/${id}`, { key_name, type, description, hidden });

export interface CalculatedColumn {
  id: string;
  alias: string;
  expression: string;
  description?: string;
}

export const calculated = () =>
  queryOptions({ queryKey: ['kept', 'calculated'], queryFn: ({ signal }) => call<CalculatedColumn[]>('GET', `/1/derived_columns/${ALL}`, undefined, signal), staleTime: 30_000 });

/** The id of a calculated field, if there is one of this name. */
export const calculatedId = async (alias: string) => (await call<CalculatedColumn[]>('GET', `/1/derived_columns/${ALL}`)).find((one) => one.alias === alias)?.id;

export const keepCalculated = ({ name, expression }: Named, description: string, id?: string) =>
  call<CalculatedColumn>(id ? 'PUT' : 'POST', `/1/derived_columns/${ALL}${id ? `/${id}` : ''}`, { alias: name, expression, description });
export const dropCalculated = (id: string) => call<null>('DELETE', `/1/derived_columns/${ALL}/${id}`);

export interface Marker {
  id: string;
  /** Seconds. */
  start_time: number;
  end_time?: number | null;
  message?: string;
  type?: string;
  url?: string;
  /** Of its type. */
  color?: string;
}

export const markers = () =>
  queryOptions({ queryKey: ['kept', 'markers'], queryFn: ({ signal }) => call<Marker[]>('GET', `/1/markers/${ALL}`, undefined, signal), staleTime: 15_000 });
export const keepMarker = (marker: Omit<Marker, 'id'>) => call<Marker>('POST', `/1/markers/${ALL}`, marker);

export type PanelStyle = 'graph' | 'table' | 'combo';

export interface Position {
  x_coordinate: number;
  y_coordinate: number;
  width: number;
  height: number;
}

export interface Panel {
  type: string;
  position?: Position;
  query_panel?: { query_id: string; query_annotation_id?: string; dataset?: string; query_style?: PanelStyle; visualization_settings?: Record<string, unknown> };
  text_panel?: { content: string };
  slo_panel?: { slo_id: string };
}

export interface Board {
  id: string;
  name: string;
  description?: string;
  type?: string;
  panels: Panel[];
  preset_filters?: { column: string; alias: string }[];
  updated_at?: string;
}

export const boards = () => queryOptions({ queryKey: ['kept', 'boards'], queryFn: ({ signal }) => call<Board[]>('GET', '/1/boards', undefined, signal) });
export const board = (id: string) => queryOptions({ queryKey: ['kept', 'boards', id], queryFn: ({ signal }) => call<Board>('GET', `/1/boards/${id}`, undefined, signal) });

const documentOf = ({ name, description, type, panels, preset_filters }: Omit<Board, 'id'>) => ({ name, description: description ?? '', type: type ?? 'flexible', panels, ...(preset_filters ? { preset_filters } : {}) });
export const keepBoard = (one: Omit<Board, 'id'> & { id?: string }) => call<Board>(one.id ? 'PUT' : 'POST', one.id ? `/1/boards/${one.id}` : '/1/boards', documentOf(one));
export const dropBoard = (id: string) => call<null>('DELETE', `/1/boards/${id}`);

/** A kept query and what it is called, under the dataset it is of. */
export const keptQuery = (dataset: string | undefined, id: string) =>
  queryOptions({
    queryKey: ['kept', 'query', dataset, id],
    queryFn: ({ signal }) => call<Specification & { id: string }>('GET', `/1/queries/${encodeURIComponent(dataset ?? ALL)}/${id}`, undefined, signal),
    staleTime: Infinity,
  });

export const annotation = (dataset: string | undefined, id: string | undefined) =>
  queryOptions({
    queryKey: ['kept', 'annotation', dataset, id],
    queryFn: ({ signal }) => call<{ id: string; name: string; description?: string; query_id: string }>('GET', `/1/query_annotations/${encodeURIComponent(dataset ?? ALL)}/${id}`, undefined, signal),
    enabled: id !== undefined,
    staleTime: 60_000,
  });

/** Keeps a query with a name, and tells both ids. */
export async function keepQuery(specification: Specification, name: string, dataset: string | undefined): Promise<{ query_id: string; query_annotation_id: string }> {
  const of = encodeURIComponent(dataset ?? ALL);
  const query = await call<{ id: string }>('POST', `/1/queries/${of}`, specification);
  const named = await call<{ id: string }>('POST', `/1/query_annotations/${of}`, { name, description: '', query_id: query.id });
  return { query_id: query.id, query_annotation_id: named.id };
}

export interface Dataset {
  name: string;
  slug: string;
}

export const datasets = () => queryOptions({ queryKey: ['kept', 'datasets'], queryFn: ({ signal }) => call<Dataset[]>('GET', '/1/datasets', undefined, signal), staleTime: 30_000 });

export interface Objective {
  name: string;
  description: string;
  sli: { alias: string };
  target_per_million: number;
  time_period_days: number;
  dataset_slugs: string[];
}

export const keepObjective = (objective: Objective) => call<{ id: string }>('POST', `/1/slos/${ALL}`, objective);
export const dropObjective = (id: string) => call<null>('DELETE', `/1/slos/${ALL}/${id}`);
export const keepBurnAlert = (alert: { slo: { id: string }; alert_type: string; exhaustion_minutes?: number; budget_rate_window_minutes?: number; budget_rate_decrease_threshold_per_million?: number; recipients: { id: string }[] }) =>
  call<{ id: string }>('POST', `/1/burn_alerts/${ALL}`, alert);

export interface Recipient {
  id: string;
  type: string;
  target: string;
  name?: string | null;
}

export const recipients = () =>
  queryOptions({ queryKey: ['kept', 'recipients'], queryFn: async ({ signal }) => (await call<{ recipients: Recipient[] }>('GET', '/api/recipients', undefined, signal)).recipients, staleTime: 15_000 });
