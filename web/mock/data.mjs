// Made-up telemetry of Cruddur for developing the UI without a server: two hours of requests, each seen by two tracers,
// with log lines and errors. Seeded, so that every start tells the same story, shifted to now.

let seed = 7;
const random = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
};
const pick = (list) => list[Math.floor(random() * list.length)];
const hex = (n) => Array.from({ length: n }, () => Math.floor(random() * 16).toString(16)).join('');
const nano = (ms) => (BigInt(Math.round(ms * 1000)) * 1000n).toString();

const ROUTES = [
  { method: 'GET', route: '/api/activities/home', weight: 9, ms: 18, fn: 'home-activities' },
  { method: 'GET', route: '/api/activities/@<string:handle>', weight: 5, ms: 34, fn: 'user-activities', path: '/api/activities/@andrewbrown' },
  { method: 'GET', route: '/api/activities/notifications', weight: 2, ms: 26, fn: 'notifications', fails: 'NameError' },
  { method: 'GET', route: '/api/activities/search', weight: 2, ms: 95, fn: 'search-activities', client: 422 },
  { method: 'GET', route: '/api/message_groups', weight: 3, ms: 41, fn: 'message-groups' },
  { method: 'GET', route: '/api/messages/@<string:handle>', weight: 3, ms: 63, fn: 'messages', path: '/api/messages/@worf' },
  { method: 'POST', route: '/api/activities', weight: 2, ms: 120, fn: 'create-activity', fails: 'KeyError' },
  { method: 'OPTIONS', route: '/api/activities/home', weight: 1, ms: 2 },
];
const bag = ROUTES.flatMap((r) => Array(r.weight).fill(r));

const STACK = {
  NameError: `Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/flask/app.py", line 1511, in wsgi_app
    response = self.full_dispatch_request()
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/flask/app.py", line 919, in full_dispatch_request
    rv = self.handle_user_exception(e)
  File "/venv/lib/python3.11/site-packages/flask_cors/extension.py", line 206, in wrapped_function
    return cors_after_request(app_any.make_response(f(*args, **kwargs)))
  File "/venv/lib/python3.11/site-packages/flask/app.py", line 917, in full_dispatch_request
    rv = self.dispatch_request()
  File "/backend-flask/app.py", line 197, in data_show_activity
    data = ShowActivity.run(activity_uuid=activity_uuid)
           ^^^^^^^^^^^^
NameError: name 'ShowActivity' is not defined`,
  KeyError: `Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/flask/app.py", line 1511, in wsgi_app
    response = self.full_dispatch_request()
  File "/venv/lib/python3.11/site-packages/flask/app.py", line 902, in dispatch_request
    return self.ensure_sync(self.view_functions[rule.endpoint])(**view_args)
  File "/backend-flask/app.py", line 185, in data_activities
    message = request.json['message']
              ~~~~~~~~~~~~^^^^^^^^^^^
KeyError: 'message'`,
  OperationalError: `Traceback (most recent call last):
  File "/backend-flask/lib/db.py", line 44, in query_array_json
    with self.pool.connection() as conn:
  File "/venv/lib/python3.11/site-packages/psycopg_pool/pool.py", line 195, in connection
    conn = self.getconn(timeout=timeout)
  File "/venv/lib/python3.11/site-packages/psycopg_pool/pool.py", line 237, in getconn
    raise PoolTimeout(
psycopg.OperationalError: couldn't get a connection after 30.00 sec`,
};
const MESSAGE = {
  NameError: "name 'ShowActivity' is not defined",
  KeyError: "'message'",
  OperationalError: "couldn't get a connection after 30.00 sec",
};
const GROUP = { NameError: '9c1f0d27a4be5310', KeyError: '2be07741c09d6a5f', OperationalError: 'f03a6618d2c47b90' };
const HANDLES = ['andrewbrown', 'bayko', 'worf', 'londo', 'asmith'];

const RESOURCE = {
  'service.name': 'backend-flask', 'service.version': '1.4.2', 'deployment.environment.name': 'production',
  'telemetry.sdk.language': 'python', 'telemetry.sdk.name': 'opentelemetry', 'telemetry.sdk.version': '1.45.0',
  'host.name': 'backend-flask', 'process.pid': 8808, 'process.runtime.name': 'cpython', 'process.runtime.version': '3.11.7',
};
const XRESOURCE = { 'service.name': 'cruddur-xray', 'cloud.provider': 'aws', 'cloud.region': 'us-east-1', 'aws.xray.sdk': 'X-Ray for Python', 'aws.xray.sdk_version': '2.15.0' };

export const traces = [];
export const logs = [];
let logId = 0;

function log(entry) {
  logId += 1;
  const ms = entry.ms;
  logs.push({
    id: `log-${logId}`, ms, time_unix_nano: nano(ms), received_at_unix_nano: nano(ms + 120), service: 'backend-flask', receiver: 'cloudwatch',
    severity_number: 9, severity_text: 'INFO', event_name: '', body: '', trace_id: null, span_id: null, request_trace_id: null,
    exception: null, error_group: null, attributes: {}, resource: RESOURCE, ...entry,
  });
  return logs[logs.length - 1];
}

function exceptionLog(ms, type, over) {
  return log({
    ms, severity_number: 17, severity_text: 'ERROR', body: `${type}: ${MESSAGE[type]}`,
    exception: { type, message: MESSAGE[type], stacktrace: STACK[type] }, error_group: GROUP[type], ...over,
  });
}

export function makeRequest(ms, over = {}) {
  const r = over.route ?? pick(bag);
  const incident = ms > over.incidentFrom && ms < over.incidentTo;
  let total = r.ms * (0.5 + random() * random() * 3) * (incident ? 8 : 1);
  const pool = incident && random() < 0.12;
  if (pool) total = 30_000 + random() * 200;
  const failing = pool ? 'OperationalError' : r.fails && random() < 0.22 ? r.fails : null;
  const status = failing ? 500 : r.client && random() < 0.3 ? r.client : 200;
  const trace_id = hex(32);
  const xid = Math.floor(ms / 1000).toString(16).padStart(8, '0') + hex(24);
  const handle = pick(HANDLES);
  const spans = [];
  const add = (parent, offset, length, span) => {
    const one = {
      trace_id, span_id: hex(16), parent_span_id: parent?.span_id ?? null, depth: parent ? parent.depth + 1 : 0,
      service: 'backend-flask', kind: 'internal', receiver: 'otlp', ms: ms + offset, start_time_unix_nano: nano(ms + offset),
      duration_ns: Math.round(length * 1e6), status_code: 'unset', status_message: '', in_progress: false, missing_parent: false,
      clock_skew_ns: 0, critical: false, sample_rate: 1, attributes: {}, resource: RESOURCE,
      scope: { name: 'opentelemetry.instrumentation.flask', version: '0.66b0' }, events: [], links: [], log_count: 0, has_source: true, ...span,
    };
    spans.push(one);
    return one;
  };
  const path = r.path ?? r.route;
  const root = add(null, 0, total, {
    name: `${r.method} ${r.route}`, kind: 'server', status_code: failing ? 'error' : 'unset', status_message: failing ? MESSAGE[failing] : '', critical: true,
    attributes: {
      'http.request.method': r.method, 'http.route': r.route, 'url.path': path, 'url.scheme': 'http', 'server.address': '127.0.0.1', 'server.port': 4567,
      'http.response.status_code': status, 'network.peer.address': '127.0.0.1', 'network.peer.port': 40000 + Math.floor(random() * 9999),
      'user_agent.original': 'Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/110.0', 'enduser.id': handle,
      'http.response.header.x_amzn_trace_id': [`Root=1-${xid.slice(0, 8)}-${xid.slice(8)}`],
    },
  });
  if (r.fn) {
    const inner = add(root, total * 0.05, total * 0.88, {
      name: r.fn, status_code: failing ? 'error' : 'unset', critical: true, scope: { name: 'home.activities', version: '' },
      attributes: { 'app.user_handle': handle, 'app.result_length': Math.floor(random() * 40), 'app.now': new Date(ms).toISOString() },
    });
    const queries = r.fn === 'home-activities' ? 1 : 1 + Math.floor(random() * 3);
    for (let i = 0; i < queries; i += 1) {
      const db = add(inner, total * (0.1 + (0.75 / queries) * i), (total * 0.6) / queries, {
        name: 'SELECT cruddur', kind: 'client', service: 'backend-flask', critical: i === queries - 1,
        scope: { name: 'opentelemetry.instrumentation.psycopg', version: '0.66b0' },
        attributes: {
          'db.system.name': 'postgresql', 'db.namespace': 'cruddur', 'server.address': 'db', 'server.port': 5432,
          'db.query.text': 'SELECT activities.uuid, users.display_name, users.handle, activities.message, activities.created_at FROM public.activities LEFT JOIN public.users ON users.uuid = activities.user_uuid ORDER BY activities.created_at DESC LIMIT 20',
        },
      });
      if (i === 0) db.events.push({ time_unix_nano: nano(ms + total * 0.2), name: 'connection acquired', attributes: { 'pool.waiting': Math.floor(random() * 4) }, exception: null, error_group: null });
    }
    if (r.method === 'POST') {
      add(inner, total * 0.8, total * 0.06, { name: 'publish activity.created', kind: 'producer', attributes: { 'messaging.system': 'redis', 'messaging.destination.name': 'activity.created' } });
      const worker = add(inner, total * 0.86, total * 0.6, {
        name: 'process activity.created', kind: 'consumer', service: 'thumbs-worker', resource: { 'service.name': 'thumbs-worker', 'service.version': '0.9.0' },
        attributes: { 'messaging.system': 'redis', 'messaging.destination.name': 'activity.created' }, in_progress: over.live === true,
      });
      worker.links.push({ trace_id: hex(32), span_id: hex(16), attributes: { 'messaging.batch.index': 3 } });
    }
    if (failing) {
      inner.events.push({
        time_unix_nano: nano(ms + total * 0.9), name: 'exception', attributes: { 'exception.type': failing, 'exception.message': MESSAGE[failing], 'exception.escaped': 'False' },
        exception: { type: failing, message: MESSAGE[failing], stacktrace: STACK[failing] }, error_group: GROUP[failing],
      });
      add(root, total * 0.95, 12, { name: 'POST', kind: 'client', scope: { name: 'opentelemetry.instrumentation.requests', version: '0.66b0' }, attributes: { 'http.request.method': 'POST', 'url.full': 'http://127.0.0.1:8080/api/1/item/', 'http.response.status_code': 200 } });
    }
  }
  if (random() < 0.02) add(null, total * 0.4, total * 0.1, { name: 'cache refresh', parent_span_id: hex(16), missing_parent: true, attributes: { 'cache.key': 'home' } });
  const otelCount = spans.length;
  if (r.method !== 'OPTIONS') {
    const x = { trace_id: xid, service: 'cruddur-xray', receiver: 'xray', resource: XRESOURCE, scope: null };
    const segment = add(null, 0.2, total - 0.1, {
      ...x, name: 'cruddur-xray', kind: 'server', status_code: failing ? 'error' : 'unset',
      attributes: { 'http.request.method': r.method, 'url.path': path, 'url.full': `http://127.0.0.1:4567${path}`, 'http.response.status_code': status, 'client.address': '127.0.0.1', 'aws.xray.sampling_rule_name': 'Default', 'aws.xray.fault': Boolean(failing) },
    });
    if (r.fn) {
      const sub = add(segment, total * 0.05 + 0.1, total * 0.87, {
        ...x, name: r.fn.replace('-', '_'), status_code: failing ? 'error' : 'unset', clock_skew_ns: random() < 0.05 ? 1_200_000 : 0,
        attributes: { 'aws.xray.namespace': 'local', 'aws.xray.annotation.user_handle': handle, 'aws.xray.metadata.default.results_size': Math.floor(random() * 40) },
      });
      if (failing) sub.events.push({ time_unix_nano: nano(ms + total * 0.92), name: 'exception', attributes: {}, exception: { type: failing, message: MESSAGE[failing], stacktrace: null }, error_group: GROUP[failing] });
    }
  }
  // Lines and errors of this request.
  const reasons = { 200: 'OK', 422: 'UNPROCESSABLE ENTITY', 500: 'INTERNAL SERVER ERROR' };
  const stamp = new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
  const stream = { 'aws.log.group.name': 'cruddur', 'aws.log.stream.name': 'backend-flask/flask/app/8808' };
  if (r.fn) log({ ms: ms + total * 0.3, receiver: 'otlp', trace_id, span_id: spans[1].span_id, severity_number: random() < 0.3 ? 5 : 9, severity_text: 'INFO', body: `${r.fn} for ${handle}: ${Math.floor(random() * 40)} rows`, attributes: { 'code.function.name': r.fn, 'logger.name': 'app' } });
  if (total > 400) log({ ms: ms + total * 0.8, receiver: 'otlp', trace_id, span_id: spans[1].span_id, severity_number: 13, severity_text: 'WARNING', body: `slow query: ${(total * 0.6).toFixed(0)} ms on db:5432, pool waiting 3`, attributes: { 'logger.name': 'db', 'db.system.name': 'postgresql' } });
  if (failing) {
    exceptionLog(ms + total * 0.93, failing, {
      receiver: 'cloudwatch', trace_id, span_id: spans[1]?.span_id ?? null, attributes: { ...stream, 'enduser.id': handle }, body: `Exception on ${path} [${r.method}]\n${STACK[failing]}`,
    });
    exceptionLog(ms + total * 0.95, failing, {
      receiver: 'rollbar', trace_id, span_id: root.span_id, request_trace_id: trace_id, event_name: 'exception',
      attributes: { 'deployment.environment.name': 'production', 'code.function.name': 'data_activities', 'enduser.id': handle, 'rollbar.uuid': hex(32), 'rollbar.framework': 'flask', 'rollbar.context': path, 'server.address': 'backend-flask', 'url.full': `http://127.0.0.1:4567${path}` },
      source: { data: { timestamp: Math.floor(ms / 1000), environment: 'production', level: 'error', language: 'python 3.11.7', framework: 'flask', context: path, notifier: { name: 'pyrollbar', version: '1.5.0' }, body: { trace: { exception: { class: failing, message: MESSAGE[failing] }, frames: [{ filename: '/backend-flask/app.py', lineno: 197, method: 'data_show_activity', locals: { user_handle: handle } }] } }, request: { url: `http://127.0.0.1:4567${path}`, method: r.method, user_ip: '127.0.0.1', headers: { Host: '127.0.0.1:4567', Accept: '*/*' } }, server: { host: 'backend-flask', pid: 8808, root: '/backend-flask' } } },
    });
  }
  log({ ms: ms + total, trace_id: random() < 0.7 ? trace_id : null, severity_number: 0, severity_text: '', attributes: stream, body: `[${stamp}] 127.0.0.1 ${r.method} http ${path}? ${status} ${reasons[status]}` });
  for (const span of spans) span.log_count = logs.slice(-6).filter((l) => l.span_id === span.span_id).length;
  const names = [...new Set(spans.map((s) => s.service))];
  const trace = {
    ms, spans, linked: otelCount < spans.length ? [{ trace_id: xid, rule: 'http.response.header.x_amzn_trace_id', exact: random() < 0.8, receiver: 'xray', candidates: 2 }] : [],
    summary: {
      trace_id, root_service: 'backend-flask', root_name: root.name, route: r.route, method: r.method, http_status: status,
      start_time_unix_nano: nano(ms), duration_ns: root.duration_ns, span_count: spans.length, error_count: spans.filter((s) => s.status_code === 'error').length,
      exception_count: failing ? 2 : 0, log_count: r.fn ? 2 + (failing ? 2 : 0) : 1,
      services: names.map((name) => ({ name, spans: spans.filter((s) => s.service === name).length })),
      receivers: [...new Set(spans.map((s) => s.receiver))], linked_trace_ids: otelCount < spans.length ? [xid] : [], root_missing: random() < 0.01, in_progress: spans.some((s) => s.in_progress),
    },
  };
  if (over.keep !== false) traces.push(trace);
  return trace;
}

/** One trace of many spans, to see that the waterfall stays smooth. */
export function makeLarge(ms, size) {
  const trace = makeRequest(ms, { keep: false, route: ROUTES[1] });
  const root = trace.spans[0];
  const spans = [root];
  const open = [root];
  let at = 0;
  while (spans.length < size) {
    at += random() * 2;
    while (open.length > 1 && random() < 0.45) open.pop();
    const parent = open[open.length - 1];
    const span = {
      ...root, span_id: hex(16), parent_span_id: parent.span_id, depth: parent.depth + 1, name: pick(['SELECT cruddur', 'GET /api/users/<uuid>', 'serialize', 'cache.get', 'render row', 'authorize']),
      service: pick(['backend-flask', 'users', 'media', 'cache', 'thumbs-worker']), kind: 'internal', start_time_unix_nano: nano(ms + at), duration_ns: Math.round(random() * 3e7),
      status_code: random() < 0.01 ? 'error' : 'unset', critical: random() < 0.05, attributes: { 'row.index': spans.length, 'app.user_handle': pick(HANDLES) }, events: [], links: [], log_count: 0,
    };
    spans.push(span);
    if (open.length < 12) open.push(span);
  }
  root.duration_ns = Math.round((at + 40) * 1e6);
  const names = [...new Set(spans.map((s) => s.service))];
  const large = {
    ms, spans, linked: [],
    summary: { ...trace.summary, trace_id: root.trace_id, root_name: root.name, duration_ns: root.duration_ns, span_count: size, linked_trace_ids: [], receivers: ['otlp'], services: names.map((name) => ({ name, spans: spans.filter((s) => s.service === name).length })) },
  };
  traces.push(large);
  return large;
}

export function fill(now) {
  const from = now - 2 * 3600_000;
  const options = { incidentFrom: now - 34 * 60_000, incidentTo: now - 25 * 60_000 };
  log({ ms: from, body: 'test log', attributes: { 'aws.log.group.name': 'cruddur', 'aws.log.stream.name': 'backend-flask/flask/app/8808' } });
  for (let ms = from; ms < now - 1500; ms += 300 + random() * 5200 * (1.2 - Math.sin((ms - from) / 1.6e6) * 0.5)) makeRequest(ms, options);
  makeLarge(now - 90_000, 20_000);
  traces.sort((a, b) => b.ms - a.ms);
  logs.sort((a, b) => b.ms - a.ms);
}

export { nano, hex, random, pick };
