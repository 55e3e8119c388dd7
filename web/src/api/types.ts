// The answers of Cupola's API by the names the pages use. What they hold is generated from the server's OpenAPI document
// (`schema.d.ts`); times are nanoseconds since 1970 in a string, durations nanoseconds in a number.
import type { components } from './schema';

type Schemas = components['schemas'];

export type Stats = Schemas['Stats'];
export type SqlAnswer = Schemas['SqlAnswer'];
export type Service = Schemas['Service'];
export type Route = Schemas['Route'];
export type Deploy = Schemas['Deploy'];
export type TraceSummary = Schemas['TraceSummary'];
export type TraceAnswer = Schemas['Trace'];
export type LinkedTrace = Schemas['LinkedTrace'];
export type Span = Schemas['SpanTold'];
export type SpanEvent = Schemas['SpanEvent'];
export type Log = Schemas['Log'];
export type LogsHistogram = Schemas['LogHistogram'];
export type RawDocument = Schemas['TraceDocument'];
export type ErrorGroup = Schemas['ErrorGroup'];
export type ErrorAnswer = Schemas['ErrorItem'];
export type ReceiverState = Schemas['ReceiverActivity'];
export type ReceiversAnswer = Schemas['Receivers'];
export type Addresses = Schemas['AddressesTold'];

/** A link as OpenTelemetry has it; the document leaves its shape open. */
export interface SpanLink {
  trace_id: string;
  span_id: string;
  attributes?: Record<string, unknown>;
}

/** What became of requests, by X-Ray's four states. Counts are weighted by sample rate and may have a fraction. */
export interface Outcomes {
  total: number;
  ok: number;
  error: number;
  throttle: number;
  fault: number;
}

export interface HistogramEntry {
  value_s: number;
  count: number;
}

export interface MapNode extends Outcomes {
  id: number;
  name: string;
  type: string;
  root: boolean;
  /** A node that sent no span of its own: who called first, or what was called. */
  synthetic?: 'client' | 'inferred' | null;
  rate_per_s: number;
  p50_ns: number | null;
  p95_ns: number | null;
  p99_ns: number | null;
  histogram: HistogramEntry[];
}

export interface MapEdge extends Outcomes {
  from: number;
  to: number;
  kind: 'sync' | 'link';
  p50_ns: number | null;
  p95_ns: number | null;
  p99_ns: number | null;
  histogram: HistogramEntry[];
}

export interface MapAnswer {
  nodes: MapNode[];
  edges: MapEdge[];
  stats: Stats;
}

export interface HeatmapCell {
  step: number;
  bucket: number;
  count: number;
  errors: number;
}

export interface HeatmapAnswer {
  start_unix_nano: string;
  step_seconds: number;
  bucket_bounds_ns: number[];
  cells: HeatmapCell[];
  stats: Stats;
}

export interface RefineRow {
  value: string;
  count: number;
  errors: number;
  faults: number;
  p50_ns: number | null;
  p95_ns: number | null;
  /** What to AND to the filter expression to keep these traces only. */
  filter: string;
}

export interface RefineAnswer {
  rows: RefineRow[];
  stats: Stats;
}

export interface TraceGroup {
  name: string;
  filter_expression: string;
  insights_enabled: boolean;
}

export interface SamplingRule {
  name: string;
  priority: number;
  fixed_rate: number;
  reservoir_size: number;
  service_name: string;
  service_type: string;
  host: string;
  http_method: string;
  url_path: string;
  resource_arn: string;
  attributes: Record<string, string>;
}

export interface SamplingMinute {
  minute_unix: number;
  requests: number;
  sampled: number;
}

/** A rule with what the SDKs that follow it have told of the last minutes. */
export interface SamplingRuleTold extends SamplingRule {
  clients: number;
  requests: number;
  sampled: number;
  borrowed: number;
  effect: SamplingMinute[];
}

export interface FilterKeyword {
  name: string;
  kind: string;
  help: string;
}
