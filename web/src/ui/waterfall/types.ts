// What the views of a trace are given.
import type { WaterfallSpan } from '../../lib/waterfall';

export interface WaterfallRow extends WaterfallSpan {
  status_code: string;
  status_message: string;
  in_progress: boolean;
  missing_parent: boolean;
  clock_skew_ns: number;
  critical: boolean;
  log_count: number;
  kind: string;
  /** The rule by which the root of another tracer's trace stands here. */
  linked_by?: string | null;
  events: { time_unix_nano: string; name: string; exception?: { type: string; message: string } | null }[];
}

export interface WaterfallLog {
  id: string;
  time_unix_nano: string;
  severity_number: number;
  body: string;
  span_id?: string | null;
}

/** A stretch of the trace, in nanoseconds after its start; null is all of it. */
export type Stretch = [number, number] | null;
