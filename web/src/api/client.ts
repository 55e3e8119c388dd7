// One thin client: a path, its parameters, an answer or an `ApiError`.

export type Params = Record<string, string | number | undefined | null>;

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

export function address(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') query.set(key, String(value));
  }
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}

export function get<T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> {
  return answer<T>(address(path, params), { signal, headers: { accept: 'application/json' } });
}

export function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return answer<T>(path, {
    method: 'POST',
    signal,
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  });
}

async function answer<T>(url: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', 'the server does not answer');
  }
  if (response.ok && response.headers.get('content-type')?.includes('json')) return (await response.json()) as T;
  throw await errorFrom(response);
}

async function errorFrom(response: Response): Promise<ApiError> {
  if (response.ok) return new ApiError(response.status, 'not_json', 'the server answered with something that is not JSON');
  try {
    const { error } = (await response.json()) as { error?: { code?: string; message?: string; position?: number | null } };
    return new ApiError(
      response.status,
      error?.code ?? 'unknown',
      error?.message ?? `the server answered with status ${response.status}`,
      error?.position ?? null,
    );
  } catch {
    return new ApiError(response.status, 'unknown', `the server answered with status ${response.status}`);
  }
}
