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
