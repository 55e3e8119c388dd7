// Live tail: log lines as server-sent events.
import { query, type Params } from './client';
import type { Log } from './types';

export interface TailHandlers {
  line: (log: Log) => void;
  rate: (rate: { per_second: number; skipped: number }) => void;
  state: (state: 'open' | 'lost') => void;
}

/** Opens the tail; the answer closes it. The browser connects again by itself when the line breaks. */
export function tail(params: Params, handlers: TailHandlers): () => void {
  const source = new EventSource(`/api/logs/tail?${query(params)}`);
  source.addEventListener('open', () => handlers.state('open'));
  source.addEventListener('error', () => handlers.state('lost'));
  source.addEventListener('log', (event) => handlers.line(JSON.parse((event as MessageEvent<string>).data) as Log));
  source.addEventListener('rate', (event) =>
    handlers.rate(JSON.parse((event as MessageEvent<string>).data) as { per_second: number; skipped: number }),
  );
  return () => source.close();
}
