// A trace id is 16 bytes. X-Ray writes the same bytes as `1-<8 hex>-<24 hex>`.

export function xrayForm(traceId: string): string {
  return /^[0-9a-f]{32}$/.test(traceId) ? `1-${traceId.slice(0, 8)}-${traceId.slice(8)}` : traceId;
}

/** 32 hex digits from either form, or null when the text is no trace id. */
export function traceIdFrom(text: string): string | null {
  const bare = text.trim().toLowerCase().replace(/^(?:root=)?1-([0-9a-f]{8})-([0-9a-f]{24})(?:;.*)?$/, '$1$2');
  return /^[0-9a-f]{32}$/.test(bare) ? bare : null;
}

export function shortId(id: string): string {
  return id.slice(0, 8);
}

const RECEIVERS: Record<string, string> = {
  otlp: 'OpenTelemetry',
  xray: 'X-Ray',
  cloudwatch: 'CloudWatch Logs',
  sentry: 'Sentry',
  rollbar: 'Rollbar',
  honeycomb: 'Honeycomb',
};

export function receiverName(receiver: string | null | undefined): string {
  return receiver ? (RECEIVERS[receiver] ?? receiver) : 'another tracer';
}
