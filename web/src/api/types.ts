// The answers of Cupola's API, by hand until `npm run gen` has an OpenAPI document to read. Words are OpenTelemetry's.
// Times are nanoseconds since 1970 in a string, durations nanoseconds in a number.

export type Nano = string;
export type Attributes = Record<string, unknown>;
export type Receiver = string;

export interface Stats {
  elapsed_ms: number;
  rows_scanned: number;
  rows_total: number;
  newest_unix_nano: Nano | null;
  sampled: boolean;
}

/** Present when the answer does not cover everything it was asked for, with the reason. */
export interface Truncatable {
  truncated?: string | null;
}

export interface Health {
  status: string;
  version: string;
  uptime_seconds: number;
  data_dir: string;
}

export interface ServiceSeries {
  step_seconds: number;
  start_unix_nano: Nano;
  requests: number[];
  errors: number[];
  p95_ns: (number | null)[];
}

export interface Service {
  name: string;
  receivers: Receiver[];
  spans: number;
  requests: number;
  errors: number;
  error_rate: number;
  p50_ns: number | null;
  p95_ns: number | null;
  logs: number;
  exceptions: number;
  last_seen_unix_nano: Nano | null;
  series: ServiceSeries;
}

export interface ServicesAnswer extends Truncatable {
  services: Service[];
  stats: Stats;
}

export interface Route {
  service: string;
  route: string;
  method: string | null;
  requests: number;
  errors: number;
  p50_ns: number;
  p95_ns: number;
  p99_ns: number;
}

export interface RoutesAnswer extends Truncatable {
  routes: Route[];
  stats: Stats;
}

export interface Deploy {
  time_unix_nano: Nano;
  service: string;
  version: string;
  environment: string | null;
  comment: string | null;
  user: string | null;
}

export interface DeploysAnswer extends Truncatable {
  deploys: Deploy[];
  stats: Stats;
}

export interface TraceSummary {
  trace_id: string;
  root_service: string;
  root_name: string;
  route: string | null;
  method: string | null;
  http_status: number | null;
  start_time_unix_nano: Nano;
  duration_ns: number;
  span_count: number;
  error_count: number;
  exception_count: number;
  log_count: number;
  services: { name: string; spans: number }[];
  receivers: Receiver[];
  linked_trace_ids: string[];
  root_missing: boolean;
  in_progress: boolean;
}

export interface TracesAnswer extends Truncatable {
  traces: TraceSummary[];
  next_cursor: string | null;
  stats: Stats;
}

export interface TracesHistogram extends Truncatable {
  step_seconds: number;
  start_unix_nano: Nano;
  buckets: { count: number; errors: number; p50_ns: number | null; p95_ns: number | null }[];
  stats: Stats;
}

export interface Exception {
  type: string;
  message: string;
  stacktrace: string | null;
}

export interface SpanEvent {
  time_unix_nano: Nano;
  name: string;
  attributes: Attributes;
  exception: Exception | null;
  error_group: string | null;
}

export interface SpanLink {
  trace_id: string;
  span_id: string;
  attributes: Attributes;
}

export interface Span {
  trace_id: string;
  span_id: string;
  parent_span_id: string | null;
  depth: number;
  service: string;
  name: string;
  kind: string;
  receiver: Receiver;
  start_time_unix_nano: Nano;
  duration_ns: number;
  status_code: string;
  status_message: string;
  in_progress: boolean;
  missing_parent: boolean;
  clock_skew_ns: number;
  critical: boolean;
  sample_rate: number;
  attributes: Attributes;
  resource: Attributes;
  scope: { name?: string | null; version?: string | null } | null;
  events: SpanEvent[];
  links: SpanLink[];
  log_count: number;
  has_source: boolean;
}

export interface LinkedTrace {
  trace_id: string;
  rule: string;
  exact: boolean;
  receiver: Receiver;
  candidates?: number;
}

export interface TraceAnswer extends Truncatable {
  trace_id: string;
  linked: LinkedTrace[];
  start_time_unix_nano: Nano;
  duration_ns: number;
  span_count: number;
  error_count: number;
  log_count: number;
  exception_count: number;
  services: { name: string; spans: number; receivers: Receiver[] }[];
  spans: Span[];
  stats: Stats;
}

export interface Log {
  id: string;
  time_unix_nano: Nano;
  received_at_unix_nano: Nano;
  service: string;
  receiver: Receiver;
  severity_number: number;
  severity_text: string;
  event_name: string;
  body: string;
  trace_id: string | null;
  span_id: string | null;
  request_trace_id: string | null;
  exception: Exception | null;
  error_group: string | null;
  attributes: Attributes;
  resource: Attributes;
}

/** A log record with an exception, and the vendor's own payload where there is one. */
export interface Occurrence extends Log {
  source?: unknown;
}

export interface LogsAnswer extends Truncatable {
  logs: Log[];
  next_cursor?: string | null;
  stats: Stats;
}

export interface LogsHistogram extends Truncatable {
  step_seconds: number;
  start_unix_nano: Nano;
  buckets: Record<'unknown' | 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', number>[];
  stats: Stats;
}

export interface LogsAround {
  logs: Log[];
  anchor: string;
}

export interface TraceErrorsAnswer extends Truncatable {
  errors: Occurrence[];
  stats: Stats;
}

export interface RawDocument {
  trace_id: string;
  span_id: string;
  receiver: Receiver;
  format: string;
  document: unknown;
}

export interface RawAnswer extends Truncatable {
  documents: RawDocument[];
}

export interface ErrorItem {
  group: string;
  type: string;
  message: string;
  level: string;
  count: number;
  first_seen_unix_nano: Nano;
  last_seen_unix_nano: Nano;
  services: string[];
  receivers: Receiver[];
  environments: string[];
  people: number;
  traces: number;
  series: { step_seconds: number; start_unix_nano: Nano; counts: number[] };
}

export interface ErrorsAnswer extends Truncatable {
  errors: ErrorItem[];
  next_cursor: string | null;
  stats: Stats;
}

export interface ErrorAnswer extends Truncatable {
  error: ErrorItem;
  latest: Occurrence | null;
  occurrences: Occurrence[];
  breakdowns: { key: string; values: { value: string; count: number }[] }[];
  stats: Stats;
}

export interface AttributeKey {
  key: string;
  signal: string;
  type: string;
  last_seen_unix_nano: Nano | null;
}

export interface AttributeValues {
  values: { value: string; count: number }[];
  stats: Stats;
}

export interface ReceiverState {
  name: Receiver;
  requests: number;
  spans: number;
  logs: number;
  metrics: number;
  refused: number;
  bytes: number;
  last_received_unix_nano: Nano | null;
  last_service: string | null;
  last_rows: { spans: number; logs: number; metrics: number };
  services: { name: string; last_received_unix_nano: Nano; spans: number; logs: number; metrics: number }[];
  refusals: { time_unix_nano: Nano; signal: string; count: number; reason: string; remote_addr: string | null }[];
}

export interface Addresses {
  http: string;
  otlp_grpc: string;
  otlp_http: string;
  xray: string;
}

export interface ReceiversAnswer {
  receivers: ReceiverState[];
  addresses: Addresses;
  region: string;
  account_id: string;
}

export interface SqlAnswer extends Truncatable {
  columns: { name: string; type: string }[];
  rows: unknown[][];
  stats: Stats;
}
