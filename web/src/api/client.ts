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
  headers: { accept: 'application/json' },
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

/** Named in every request that changes something: a page of another origin cannot send it unasked. */
const ASKED_BY = { 'x-requested-by': 'cupola-web' };

/** Asks a path that the generated schema does not have; otherwise as `api.GET` and `answerOf`. */
export async function ask<T>(path: string, params: Params, signal?: AbortSignal): Promise<T> {
  const text = query(params);
  return send<T>(text === '' ? path : `${path}?${text}`, { signal, headers: { accept: 'application/json' } });
}

/** Changes something. An answer without a body is `undefined`. */
export async function change<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T | undefined> {
  const headers: Record<string, string> = { accept: 'application/json', ...ASKED_BY };
  if (body !== undefined) headers['content-type'] = 'application/json';
  return send<T | undefined>(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

async function send<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'the server does not answer');
  }
  const text = await response.text();
  let told: unknown;
  try {
    told = text === '' ? undefined : JSON.parse(text);
  } catch {
    told = undefined;
  }
  if (response.ok && told === undefined && text !== '') return answerOf(Promise.reject(new SyntaxError('not JSON')));
  if (response.ok) return told as T;
  return answerOf<T>(Promise.resolve({ error: told, response }));
}
