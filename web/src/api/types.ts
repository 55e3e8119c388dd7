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
export type Outcomes = Pick<Schemas['MapStatistics'], 'total' | 'ok' | 'error' | 'throttle' | 'fault'>;
export type MapNode = Schemas['MapNode'];
export type MapEdge = Schemas['MapEdge'];
export type MapAnswer = Schemas['Map'];
export type HeatmapAnswer = Schemas['TraceHeatmap'];
export type RefineAnswer = Schemas['TraceRefinement'];
export type RefineRow = Schemas['RefinementRow'];
export type TraceGroup = Schemas['TraceGroup'];
export type TraceGroupRequest = Schemas['TraceGroupRequest'] & { name: string };
export type SamplingRuleTold = Schemas['SamplingRuleTold'];
/** A rule without what is told of it. */
export type SamplingRule = Omit<SamplingRuleTold, 'is_default' | 'modified_at_unix_nano' | 'clients' | 'requests' | 'sampled' | 'borrowed' | 'effect'>;
export type FilterKeyword = Schemas['FilterKeyword'];
