// A segment in X-Ray's own words. Attributes are kept under OpenTelemetry's names; who reads a segment looks for X-Ray's.

/** Where in a segment document an attribute stood. */
const MEMBERS: Record<string, string> = {
  'http.request.method': 'http.request.method',
  'url.full': 'http.request.url',
  'user_agent.original': 'http.request.user_agent',
  'client.address': 'http.request.client_ip',
  'aws.xray.x_forwarded_for': 'http.request.x_forwarded_for',
  'aws.xray.traced': 'http.request.traced',
  'http.response.status_code': 'http.response.status',
  'http.response.body.size': 'http.response.content_length',
  'enduser.id': 'user',
  'db.query.text': 'sql.sanitized_query',
  'db.system.name': 'sql.database_type',
  'db.user': 'sql.user',
  'db.connection_string': 'sql.url',
  'rpc.method': 'aws.operation',
  'aws.xray.sampling_rule_name': 'aws.xray.sampling_rule_name',
  'aws.xray.auto_instrumentation': 'aws.xray.auto_instrumentation',
};
const PREFIX = 'aws.xray.';
const METADATA = 'aws.xray.metadata';
const ANNOTATIONS = 'aws.xray.annotations';

export function xrayWord(key: string): string {
  return MEMBERS[key] ?? (key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key);
}

/** JSON is kept as its text in some columns. */
export function parsed(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

export interface Segment {
  annotations: Record<string, unknown>;
  /** By namespace. */
  metadata: [string, unknown][];
  /** All other members. */
  members: Record<string, unknown>;
}

export function segmentOf(attributes: Record<string, unknown>): Segment {
  const names = parsed(attributes[ANNOTATIONS]);
  const annotated = new Set(Array.isArray(names) ? names.map(String) : []);
  const out: Segment = { annotations: {}, metadata: [], members: {} };
  for (const [key, value] of Object.entries(attributes)) {
    if (key === ANNOTATIONS) continue;
    if (annotated.has(key)) out.annotations[key] = value;
    else if (key === METADATA || key.startsWith(`${METADATA}.`)) out.metadata.push([key.slice(METADATA.length + 1) || 'default', parsed(value)]);
    else out.members[key] = value;
  }
  out.metadata.sort(([a], [b]) => (a < b ? -1 : 1));
  return out;
}
