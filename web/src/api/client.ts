// One thin client: a path of the generated schema, its parameters, an answer or an `ApiError`.
import createClient from 'openapi-fetch';
import type { paths } from './schema';

/** What the server said went wrong; `position` is a byte offset in the query that was sent. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly position: number | null = null,
  ) {
    super(message);
  }
}

/** The question was wrong, at a place that is told. */
export const isUnreadable = (error: unknown): error is ApiError => error instanceof ApiError && error.position !== null;

export type Params = Record<string, string | number | undefined | null>;

/** The query part of an address. What was left empty is not sent. */
export function query(params: Params): string {
  const said = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') said.set(key, String(value));
  }
  return said.toString();
}

export const api = createClient<paths>({
  // The second says that a request was meant: a page of another origin cannot send it unasked.
  headers: { accept: 'application/json', 'x-requested-by': 'cupola-web' },
  querySerializer: (params) => query(params as Params),
});

api.use({
  onError({ error }) {
    if (error instanceof DOMException && error.name === 'AbortError') return undefined;
    return new ApiError(0, 'unreachable', 'the server does not answer');
  },
});

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Unpacks an answer; everything but a 2xx with JSON is thrown as an `ApiError`. */
export async function answerOf<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch (error) {
    if (error instanceof SyntaxError) throw new ApiError(200, 'not_json', 'the server answered with something that is not JSON');
    throw error;
  }
  if (answer.response.ok && answer.data !== undefined) return answer.data;
  const { status } = answer.response;
  const told = (answer.error as { error?: { code?: string; message?: string; position?: number | null } } | undefined)?.error;
  throw new ApiError(status, told?.code ?? 'unknown', told?.message ?? `the server answered with status ${status}`, told?.position ?? null);
}

/** An answer to a change, which may have no body. */
export async function doneOf(asked: Promise<Answer<unknown>>): Promise<void> {
  const answer = await asked;
  if (!answer.response.ok) await answerOf(Promise.resolve(answer));
}

/** Asks a path that the schema does not tell the answer of: JSON, or an `ApiError`. */
export async function ask<T>(path: string, params: Params, signal?: AbortSignal): Promise<T> {
  const text = query(params);
  return send<T>('GET', text === '' ? path : `${path}?${text}`, undefined, signal);
}

export async function send<T>(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown, signal?: AbortSignal, headers: Record<string, string> = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { method, signal, headers: { accept: 'application/json', 'x-requested-by': 'cupola-web', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'the server does not answer');
  }
  const said = response.headers.get('content-type')?.includes('json') ? ((await response.json().catch(() => undefined)) as unknown) : undefined;
  if (response.ok) return said as T;
  const { error, message, type_detail: details } = (said ?? {}) as { error?: string | { code?: string; message?: string; position?: number | null }; message?: string; type_detail?: { description?: string }[] };
  // Vendors' own paths tell what is wrong in a text, Honeycomb's also field by field.
  const told = details?.map((one) => one.description).filter(Boolean).join('; ') || (typeof error === 'string' ? error : error?.message) || message;
  const known = typeof error === 'object' ? error : undefined;
  throw new ApiError(response.status, known?.code ?? 'refused', told ?? `the server answered with status ${response.status}`, known?.position ?? null);
}
