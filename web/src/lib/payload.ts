// What a sender's own document tells beyond the row: code around frames, what happened before, the request. Documents are
// written by clients of every age, so nothing in them is believed to be of a type before it was looked at.
import { isLibrary } from './stack';

type Dict = Record<string, unknown>;

const dict = (value: unknown): Dict => (value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Dict) : {});
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '');
const number = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : null);

export interface CodeFrame {
  file: string;
  line: number | null;
  column: number | null;
  function: string;
  /** The line itself and those around it, as they were sent. */
  code: string | null;
  before: string[];
  after: string[];
  locals: Dict | null;
  library: boolean;
  /** Where it was sent from, when a source map says where that was written. */
  minified?: string;
  /** Why no source map says so. */
  reason?: string;
}

export interface CodeTrace {
  type: string;
  message: string;
  /** The call that raised it first. */
  frames: CodeFrame[];
}

const dataOf = (source: unknown): Dict => dict(dict(source).data);

/** Frames with their code; `null` where the document has none and the text of the stack is all there is. */
export function tracesOf(source: unknown): CodeTrace[] | null {
  const body = dict(dataOf(source).body);
  const traces = body.trace_chain ? list(body.trace_chain) : body.trace ? [body.trace] : [];
  const out = (traces.length > 0 ? traces.map(traceOf) : sentryTraces(source)).filter((trace) => trace.frames.length > 0);
  return out.length > 0 ? out : null;
}

/** Of an event of Sentry's clients: the exception that was seen is the last. */
function sentryTraces(source: unknown): CodeTrace[] {
  const { exception } = dict(source);
  const values = Array.isArray(exception) ? exception : list(dict(exception).values);
  return values.map(sentryTrace).reverse();
}

function sentryTrace(raw: unknown): CodeTrace {
  const thrown = dict(raw);
  return { type: text(thrown.type), message: text(thrown.value), frames: list(dict(thrown.stacktrace).frames).map(sentryFrame).reverse() };
}

function sentryFrame(raw: unknown): CodeFrame {
  const frame = dict(raw);
  const file = text(frame.abs_path) || text(frame.filename);
  const locals = dict(frame.vars);
  return {
    file,
    line: number(frame.lineno),
    column: number(frame.colno),
    function: text(frame.function),
    code: typeof frame.context_line === 'string' && frame.context_line !== '' ? frame.context_line : null,
    before: list(frame.pre_context).map(text),
    after: list(frame.post_context).map(text),
    locals: Object.keys(locals).length > 0 ? locals : null,
    library: frame.in_app === false || isLibrary(file, text(frame.function)),
  };
}

function traceOf(raw: unknown): CodeTrace {
  const trace = dict(raw);
  const exception = dict(trace.exception);
  return {
    type: text(exception.class),
    message: text(exception.message) || text(exception.description),
    frames: list(trace.frames).map(frameOf).reverse(),
  };
}

function frameOf(raw: unknown): CodeFrame {
  const frame = dict(raw);
  const context = dict(frame.context);
  const file = text(frame.filename);
  const locals = dict(frame.locals);
  return {
    file,
    line: number(frame.lineno),
    column: number(frame.colno),
    function: text(frame.method) || text(frame.class_name),
    code: typeof frame.code === 'string' && frame.code !== '' ? frame.code : null,
    before: list(context.pre).map(text),
    after: list(context.post).map(text),
    locals: Object.keys(locals).length > 0 ? locals : null,
    library: isLibrary(file, text(frame.method)),
  };
}

export type FrameGroup = { kind: 'own'; frame: CodeFrame } | { kind: 'library'; frames: CodeFrame[] };

/** Runs of library frames become one group each. */
export function foldFrames(frames: CodeFrame[]): FrameGroup[] {
  const out: FrameGroup[] = [];
  for (const frame of frames) {
    const last = out[out.length - 1];
    if (!frame.library) out.push({ kind: 'own', frame });
    else if (last?.kind === 'library') last.frames.push(frame);
    else out.push({ kind: 'library', frames: [frame] });
  }
  return out;
}

export interface TelemetryEvent {
  ms: number | null;
  level: string;
  kind: string;
  text: string;
  /** A status, a duration, what else is short. */
  detail: string;
  failed: boolean;
}

/** What the client saw happen before, oldest first. */
export function telemetryOf(source: unknown): TelemetryEvent[] {
  const events = [...list(dict(dataOf(source).body).telemetry).map(telemetryEvent), ...breadcrumbs(source).map(breadcrumb)];
  return events.sort((a, b) => (a.ms ?? 0) - (b.ms ?? 0));
}

/** What Sentry's clients tell of the time before. */
function breadcrumbs(source: unknown): unknown[] {
  const { breadcrumbs: told } = dict(source);
  return Array.isArray(told) ? told : list(dict(told).values);
}

function breadcrumb(raw: unknown): TelemetryEvent {
  const crumb = dict(raw);
  const data = dict(crumb.data);
  const level = text(crumb.level) || 'info';
  const seconds = typeof crumb.timestamp === 'string' ? Date.parse(crumb.timestamp) / 1000 : number(crumb.timestamp);
  const status = number(data.status_code);
  const said = text(crumb.message) || [text(data.method), text(data.url)].filter(Boolean).join(' ') || [text(data.from), text(data.to)].filter(Boolean).join(' → ');
  return {
    ms: seconds === null || Number.isNaN(seconds) ? null : seconds * 1000,
    level,
    kind: text(crumb.category) || text(crumb.type) || 'manual',
    text: said || JSON.stringify(crumb.data ?? {}),
    detail: text(data.status_code),
    failed: /^(error|fatal)$/.test(level) || (status ?? 0) >= 400,
  };
}

function telemetryEvent(raw: unknown): TelemetryEvent {
  const event = dict(raw);
  const body = dict(event.body);
  const kind = text(event.type) || 'manual';
  const level = text(event.level) || 'info';
  const told = { ms: number(event.timestamp_ms) ?? number(event.timestamp), level, kind, failed: /^(error|critical)$/.test(level) };
  if (kind === 'network') {
    const status = number(body.status_code);
    const [from, to] = [number(body.start_time_ms), number(body.end_time_ms)];
    const took = from !== null && to !== null && to >= from ? `${to - from} ms` : '';
    return { ...told, text: `${text(body.method) || 'GET'} ${text(body.url)}`, detail: [status === 0 ? 'no answer' : text(body.status_code), took].filter(Boolean).join(', '), failed: told.failed || status === 0 || (status ?? 0) >= 400 };
  }
  if (kind === 'navigation') return { ...told, text: `${text(body.from) || '/'} → ${text(body.to) || '/'}`, detail: '' };
  if (kind === 'dom') return { ...told, text: `${text(body.subtype) || 'event'} ${text(body.element)}`.trim(), detail: text(body.value) };
  if (kind === 'connectivity') return { ...told, text: text(body.change) || 'connectivity', detail: '' };
  return { ...told, text: text(body.message) || text(body.text) || JSON.stringify(event.body ?? {}), detail: '' };
}

export interface RequestTold {
  method: string;
  url: string;
  from: string;
  parts: { title: string; fields: Dict }[];
}

interface LogLike {
  source?: unknown;
  attributes: Dict;
}

/** The request during which it happened: of the document where it has one, otherwise of the row's attributes. */
export function requestOf(log: LogLike): RequestTold | null {
  const request = dict(dataOf(log.source).request);
  const own = (key: string) => text(log.attributes[key]);
  const url = text(request.url) || own('url.full') || own('http.url') || own('url.path') || own('http.target') || own('http.route');
  const method = text(request.method) || own('http.request.method') || own('http.method');
  if (url === '' && method === '') return null;
  const headers = Object.fromEntries(Object.entries(log.attributes).filter(([key]) => key.startsWith('http.request.header.')).map(([key, value]) => [key.slice('http.request.header.'.length), value]));
  const body = request.body ?? request.raw_body;
  const parts = [
    { title: 'Query', fields: { ...queryOf(url), ...dict(request.GET) } },
    { title: 'Route parameters', fields: dict(request.params) },
    { title: 'Form', fields: dict(request.POST) },
    { title: 'Body', fields: typeof body === 'string' ? { body } : dict(body) },
    { title: 'Headers', fields: Object.keys(dict(request.headers)).length > 0 ? dict(request.headers) : headers },
    { title: 'Session', fields: dict(request.session) },
  ];
  // Browsers do not know their address: they ask that the caller's is taken, which the attribute has.
  const from = text(request.user_ip).replace('$remote_ip', own('client.address'));
  return { method, url, from: from || own('client.address'), parts: parts.filter((part) => Object.keys(part.fields).length > 0) };
}

function queryOf(url: string): Dict {
  const at = url.indexOf('?');
  if (at < 0) return {};
  const out: Dict = {};
  for (const [key, value] of new URLSearchParams(url.slice(at + 1).split('#')[0])) out[key] = value;
  return out;
}

interface PlaceTold {
  filename: string;
  lineno?: number | null;
  colno?: number | null;
  method?: string | null;
  code?: string | null;
  context?: { pre?: string[]; post?: string[] } | null;
}

interface FrameTold extends PlaceTold {
  original?: PlaceTold | null;
  reason?: string | null;
}

/** Whether source maps may have something to say: only minified JavaScript tells columns. */
export const mayBeMapped = (traces: readonly CodeTrace[] | null): boolean => traces?.some((trace) => trace.frames.some((frame) => frame.column !== null)) ?? false;

/** Frames as people wrote them, where source maps tell it; the others say why not. */
export function mapped(traces: readonly CodeTrace[], told: readonly { frames: readonly FrameTold[] }[] | undefined): CodeTrace[] {
  return traces.map((trace, i) => {
    const frames = [...(told?.[i]?.frames ?? [])].reverse();
    if (frames.length !== trace.frames.length) return trace;
    return {
      ...trace,
      frames: trace.frames.map((frame, at): CodeFrame => {
        const { original, reason } = frames[at] ?? {};
        if (!original) return reason ? { ...frame, reason } : frame;
        const name = original.method || frame.function;
        return {
          ...frame,
          file: original.filename,
          line: original.lineno ?? null,
          column: original.colno ?? null,
          function: name,
          code: original.code ?? null,
          before: original.context?.pre ?? [],
          after: original.context?.post ?? [],
          library: isLibrary(original.filename, name),
          minified: `${frame.file}${frame.line === null ? '' : `:${frame.line}`}${frame.column === null ? '' : `:${frame.column}`}`,
        };
      }),
    };
  });
}
