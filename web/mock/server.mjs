// A stand-in for the server, for developing the UI: the API of the pages over made-up data, and `dist/` if it is there.
//
//     npm run mock                        http://127.0.0.1:8090
//     CUPOLA_API=http://127.0.0.1:8090 npm run dev
//
// It understands of the search language only `key = value`, `!=` and words. MOCK_EMPTY=1 answers as a new server does.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fill, logs, makeRequest, nano, traces } from './data.mjs';

const port = Number(process.env.MOCK_PORT ?? 8090);
const empty = process.env.MOCK_EMPTY === '1';
const dist = fileURLToPath(new URL('../dist/', import.meta.url));
if (!empty) fill(Date.now());

const listeners = new Set();
if (!empty) {
  setInterval(() => {
    const before = new Set(logs.slice(0, 50));
    const start = logs.length;
    const trace = makeRequest(Date.now() - 800, { keep: false, live: true });
    const fresh = logs.splice(start);
    traces.unshift(trace);
    logs.unshift(...fresh.reverse());
    for (const listener of listeners) for (const line of fresh) if (!before.has(line)) listener(line);
  }, 900).unref();
}

const stats = (scanned, began) => ({
  elapsed_ms: Math.round((performance.now() - began) * 10) / 10, rows_scanned: scanned, rows_total: traces.length * 5 + logs.length,
  newest_unix_nano: logs[0]?.time_unix_nano ?? null, sampled: false,
});

function bounds(p) {
  const at = (name, fallback) => {
    const text = p.get(name);
    if (!text) return fallback;
    return /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  };
  const end = at('end', Date.now());
  return { start: at('start', end - 3600_000), end };
}

class Bad extends Error {
  constructor(message, position) {
    super(message);
    this.position = position;
  }
}

/** `key = value`, `key != value`, words; enough to try the page. */
function matcher(q, text, field) {
  if (!q) return () => true;
  if ((q.match(/"/g)?.length ?? 0) % 2) throw new Bad('quote is never closed', q.lastIndexOf('"'));
  const terms = [];
  let rest = q.replace(/([\w.@-]+)\s*(!=|=|:)\s*("(?:[^"\\]|\\.)*"|[^\s()]+)/g, (_, key, op, value) => {
    const plain = value.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1');
    terms.push((row) => {
      const is = String(field(row, key) ?? '');
      return op === ':' ? is.toLowerCase().includes(plain.toLowerCase()) : (is === plain) === (op === '=');
    });
    return ' ';
  });
  rest = rest.replace(/\b(AND|and)\b|[()]/g, ' ');
  for (const word of rest.match(/"[^"]*"|\S+/g) ?? []) terms.push((row) => text(row).toLowerCase().includes(word.replace(/"/g, '').toLowerCase()));
  return (row) => terms.every((one) => one(row));
}

const logField = (l, key) => ({ 'service.name': l.service, receiver: l.receiver, severity_text: l.severity_text, 'exception.type': l.exception?.type, trace_id: l.trace_id }[key] ?? l.attributes[key] ?? l.resource[key]);
const traceField = (t, key) => {
  for (const s of t.spans) {
    const is = key === 'service.name' ? s.service : key === 'name' ? s.name : (s.attributes[key] ?? s.resource[key]);
    if (is !== undefined) return Array.isArray(is) ? is[0] : is;
  }
  return undefined;
};

function findTraces(p) {
  const { start, end } = bounds(p);
  const match = matcher(p.get('q'), (t) => t.spans.map((s) => s.name).join(' '), traceField);
  return traces.filter(
    (t) =>
      t.ms >= start && t.ms <= end && match(t) &&
      (!p.get('service') || t.summary.services.some((s) => s.name === p.get('service'))) &&
      (!p.get('route') || t.summary.route === p.get('route')) &&
      (!p.get('status') || (t.summary.error_count > 0) === (p.get('status') === 'error')) &&
      (!p.get('min_duration_ms') || t.summary.duration_ns >= Number(p.get('min_duration_ms')) * 1e6) &&
      (!p.get('max_duration_ms') || t.summary.duration_ns <= Number(p.get('max_duration_ms')) * 1e6),
  );
}

function findLogs(p) {
  const { start, end } = bounds(p);
  const match = matcher(p.get('q'), (l) => l.body, logField);
  const severity = Number(p.get('severity_min') ?? 0);
  return logs.filter(
    (l) =>
      l.ms >= start && l.ms <= end && match(l) && l.severity_number >= severity &&
      (!p.get('service') || l.service === p.get('service')) && (!p.get('receiver') || l.receiver === p.get('receiver')) &&
      (!p.get('trace_id') || l.trace_id === p.get('trace_id')) &&
      (!p.get('log_group') || l.attributes['aws.log.group.name'] === p.get('log_group')),
  );
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 10800, 21600, 43200, 86400];
function buckets(p, rows, make) {
  const { start, end } = bounds(p);
  const step = STEPS.find((s) => (end - start) / 1000 / s <= 90) ?? 86400;
  const first = Math.floor(start / 1000 / step) * step * 1000;
  const list = Array.from({ length: Math.ceil((end - first) / 1000 / step) }, () => []);
  for (const row of rows) list[Math.floor((row.ms - first) / 1000 / step)]?.push(row);
  return { step_seconds: step, start_unix_nano: nano(first), buckets: list.map(make) };
}
const quantile = (values, q) => (values.length ? [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] : null);
const plainLog = ({ ms, source, ...rest }) => rest;
const occurrence = ({ ms, ...rest }) => ({ source: null, ...rest });
const plainSpan = ({ ms, ...rest }) => rest;

function page(rows, p, limit) {
  const from = Number(p.get('cursor') ?? 0);
  const n = Number(p.get('limit') ?? limit);
  return { rows: rows.slice(from, from + n), next: from + n < rows.length ? String(from + n) : null };
}

function errorItems(p, only) {
  const { start, end } = bounds(p);
  const match = matcher(p.get('q'), (l) => `${l.exception.type} ${l.exception.message}`, logField);
  const groups = new Map();
  for (const l of logs) {
    if (!l.exception || l.ms < start || l.ms > end || !match(l)) continue;
    if (only && l.error_group !== only) continue;
    if (p.get('service') && l.service !== p.get('service')) continue;
    if (p.get('receiver') && l.receiver !== p.get('receiver')) continue;
    groups.set(l.error_group, [...(groups.get(l.error_group) ?? []), l]);
  }
  const items = [...groups.entries()].map(([group, rows]) => {
    const b = buckets(p, rows, (list) => list.length);
    return {
      group, type: rows[0].exception.type, message: rows[0].exception.message, level: 'error', count: rows.length,
      first_seen_unix_nano: rows[rows.length - 1].time_unix_nano, last_seen_unix_nano: rows[0].time_unix_nano, services: [...new Set(rows.map((r) => r.service))],
      receivers: [...new Set(rows.map((r) => r.receiver))], environments: ['production'], people: new Set(rows.map((r) => r.attributes['enduser.id'])).size,
      traces: new Set(rows.map((r) => r.trace_id)).size, series: { step_seconds: b.step_seconds, start_unix_nano: b.start_unix_nano, counts: b.buckets }, rows,
    };
  });
  const key = { count: (e) => -e.count, first_seen: (e) => -Number(e.first_seen_unix_nano) }[p.get('sort')] ?? ((e) => -Number(e.last_seen_unix_nano));
  return items.sort((a, b) => key(a) - key(b));
}
const plainItem = ({ rows, ...rest }) => rest;

function traceOf(id) {
  const bare = id.replace(/^1-([0-9a-f]{8})-([0-9a-f]{24})$/, '$1$2');
  return traces.find((t) => t.summary.trace_id === bare || t.linked.some((l) => l.trace_id === bare));
}

const routes = {
  '/api/health': () => ({ status: 'ok', version: '0.1.0-mock', uptime_seconds: Math.round(process.uptime()), data_dir: './data' }),
  '/api/services': (p, t) => {
    const { start, end } = bounds(p);
    const inside = traces.filter((x) => x.ms >= start && x.ms <= end);
    const names = [...new Set(inside.flatMap((x) => x.summary.services.map((s) => s.name)))];
    const services = names.map((name) => {
      const entries = inside.flatMap((x) => {
        const s = x.spans.find((one) => one.service === name);
        return s ? [{ ms: x.ms, d: s.duration_ns, e: s.status_code === 'error', r: s.receiver, spans: x.spans.filter((one) => one.service === name).length }] : [];
      });
      const b = buckets(p, entries, (list) => ({ n: list.length, e: list.filter((x) => x.e).length, p95: quantile(list.map((x) => x.d), 0.95) }));
      const errors = entries.filter((x) => x.e).length;
      return {
        name, receivers: [...new Set(entries.map((x) => x.r))], spans: entries.reduce((a, x) => a + x.spans, 0), requests: entries.length, errors, error_rate: errors / entries.length,
        p50_ns: quantile(entries.map((x) => x.d), 0.5), p95_ns: quantile(entries.map((x) => x.d), 0.95), logs: name === 'backend-flask' ? logs.length : 0,
        exceptions: name === 'backend-flask' ? logs.filter((l) => l.exception).length : 0, last_seen_unix_nano: nano(entries[0].ms),
        series: { step_seconds: b.step_seconds, start_unix_nano: b.start_unix_nano, requests: b.buckets.map((x) => x.n), errors: b.buckets.map((x) => x.e), p95_ns: b.buckets.map((x) => x.p95) },
      };
    });
    return { services, stats: stats(inside.length * 5, t) };
  },
  '/api/routes': (p, t) => {
    const groups = new Map();
    for (const x of findTraces(p)) groups.set(x.summary.root_name, [...(groups.get(x.summary.root_name) ?? []), x]);
    const list = [...groups.values()].map((rows) => {
      const d = rows.map((x) => x.summary.duration_ns);
      const s = rows[0].summary;
      return { service: s.root_service, route: s.route, method: s.method, requests: rows.length, errors: rows.filter((x) => x.summary.error_count).length, p50_ns: quantile(d, 0.5), p95_ns: quantile(d, 0.95), p99_ns: quantile(d, 0.99) };
    });
    return { routes: list.sort((a, b) => b.p95_ns - a.p95_ns).slice(0, Number(p.get('limit') ?? 20)), stats: stats(traces.length, t) };
  },
  '/api/deploys': (p, t) => {
    const { start, end } = bounds(p);
    const list = [[52, '1.4.1'], [36, '1.4.2'], [24, '1.4.3']].map(([min, version]) => ({ time_unix_nano: nano(Date.now() - min * 60_000), service: 'backend-flask', version, environment: 'production', comment: version === '1.4.3' ? 'revert pool size' : '', user: 'andrewbrown' }));
    return { deploys: empty ? [] : list.filter((d) => Number(d.time_unix_nano) / 1e6 > start && Number(d.time_unix_nano) / 1e6 < end), stats: stats(3, t) };
  },
  '/api/traces': (p, t) => {
    const found = findTraces(p);
    if (p.get('sort') === 'slowest') found.sort((a, b) => b.summary.duration_ns - a.summary.duration_ns);
    const { rows, next } = page(found, p, 50);
    return { traces: rows.map((x) => x.summary), next_cursor: next, stats: stats(found.length * 5, t) };
  },
  '/api/traces/histogram': (p, t) => {
    const found = findTraces(p);
    return { ...buckets(p, found, (list) => ({ count: list.length, errors: list.filter((x) => x.summary.error_count).length, p50_ns: quantile(list.map((x) => x.summary.duration_ns), 0.5), p95_ns: quantile(list.map((x) => x.summary.duration_ns), 0.95) })), stats: stats(found.length, t) };
  },
  '/api/logs': (p, t) => {
    const found = findLogs(p);
    if (p.get('order') === 'oldest') found.reverse();
    const { rows, next } = page(found, p, 200);
    return { logs: rows.map(plainLog), next_cursor: next, stats: stats(found.length, t) };
  },
  '/api/logs/histogram': (p, t) => {
    const level = (n) => (n <= 0 ? 'unknown' : ['trace', 'debug', 'info', 'warn', 'error', 'fatal'][Math.floor((n - 1) / 4)]);
    const found = findLogs(p);
    return {
      ...buckets(p, found, (list) => {
        const out = { unknown: 0, trace: 0, debug: 0, info: 0, warn: 0, error: 0, fatal: 0 };
        for (const l of list) out[level(l.severity_number)] += 1;
        return out;
      }), stats: stats(found.length, t),
    };
  },
  '/api/logs/around': (p) => {
    const at = logs.findIndex((l) => l.id === p.get('id'));
    return { logs: logs.slice(Math.max(0, at - 20), at + 21).reverse().map(plainLog), anchor: p.get('id') };
  },
  '/api/errors': (p, t) => {
    const { rows, next } = page(errorItems(p), p, 50);
    return { errors: rows.map(plainItem), next_cursor: next, stats: stats(logs.length, t) };
  },
  '/api/attributes': (p) => {
    const keys = p.get('signal') === 'logs'
      ? ['service.name', 'receiver', 'severity_text', 'body', 'exception.type', 'exception.message', 'aws.log.group.name', 'aws.log.stream.name', 'enduser.id', 'logger.name', 'trace_id']
      : ['service.name', 'name', 'duration', 'http.route', 'http.request.method', 'http.response.status_code', 'url.path', 'app.user_handle', 'app.result_length', 'db.system.name', 'db.query.text', 'enduser.id', 'aws.xray.annotation.user_handle'];
    return { attributes: keys.map((key) => ({ key, signal: p.get('signal'), type: /status_code|length/.test(key) ? 'int64' : 'string', last_seen_unix_nano: nano(Date.now()) })) };
  },
  '/api/attributes/values': (p, t) => {
    const counts = new Map();
    const key = p.get('key');
    const rows = p.get('signal') === 'logs' ? findLogs(new URLSearchParams()).map((l) => logField(l, key)) : findTraces(new URLSearchParams()).map((x) => traceField(x, key));
    for (const v of rows) if (v !== undefined && v !== null && String(v).startsWith(p.get('prefix') ?? '')) counts.set(String(v), (counts.get(String(v)) ?? 0) + 1);
    return { values: [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count).slice(0, Number(p.get('limit') ?? 50)), stats: stats(rows.length, t) };
  },
  '/api/receivers': () => {
    const now = Date.now();
    const base = { requests: 0, spans: 0, logs: 0, metrics: 0, refused: 0, bytes: 0, last_received_unix_nano: null, last_service: null, last_rows: { spans: 0, logs: 0, metrics: 0 }, services: [], refusals: [] };
    const one = (name, more) => ({ ...base, name, ...(empty ? {} : more) });
    const on = nano(now - 1200);
    return {
      receivers: [
        one('otlp', { requests: 812, spans: 12_440, logs: 3_310, metrics: 940, bytes: 8_412_000, last_received_unix_nano: on, last_service: 'backend-flask', last_rows: { spans: 3, logs: 2, metrics: 0 }, services: [{ name: 'backend-flask', last_received_unix_nano: on, spans: 11_900, logs: 3_310, metrics: 940 }, { name: 'thumbs-worker', last_received_unix_nano: nano(now - 9000), spans: 540, logs: 0, metrics: 0 }] }),
        one('xray', { requests: 2_911, spans: 5_830, bytes: 3_120_000, last_received_unix_nano: on, last_service: 'cruddur-xray', last_rows: { spans: 2, logs: 0, metrics: 0 }, services: [{ name: 'cruddur-xray', last_received_unix_nano: on, spans: 5_830, logs: 0, metrics: 0 }], refused: 2, refusals: [{ time_unix_nano: nano(now - 340_000), signal: 'spans', count: 1, reason: 'cannot read trace id from "1-58406520-a006": expected 24 hex digits after the second dash', remote_addr: '127.0.0.1:51022' }, { time_unix_nano: nano(now - 900_000), signal: 'spans', count: 1, reason: 'segment has no start_time', remote_addr: '127.0.0.1:51022' }] }),
        one('cloudwatch', { requests: 96, logs: 4_180, bytes: 940_000, last_received_unix_nano: nano(now - 42_000), last_service: 'backend-flask', last_rows: { spans: 0, logs: 19, metrics: 0 }, services: [{ name: 'backend-flask', last_received_unix_nano: nano(now - 42_000), spans: 0, logs: 4_180, metrics: 0 }] }),
        one('rollbar', { requests: 61, logs: 61, bytes: 212_000, last_received_unix_nano: nano(now - 130_000), last_service: 'backend-flask', last_rows: { spans: 0, logs: 1, metrics: 0 }, services: [{ name: 'backend-flask', last_received_unix_nano: nano(now - 130_000), spans: 0, logs: 61, metrics: 0 }] }),
        one('honeycomb', {}),
      ],
      addresses: { http: 'http://127.0.0.1:8080', otlp_grpc: 'http://127.0.0.1:4317', otlp_http: 'http://127.0.0.1:4318', xray: '127.0.0.1:2000' }, region: 'us-east-1', account_id: '000000000000',
    };
  },
};

function answer(path, p, began) {
  if (routes[path]) return routes[path](p, began);
  let m = /^\/api\/traces\/([^/]+)(?:\/(logs|errors|raw))?$/.exec(path);
  if (m) {
    const t = traceOf(decodeURIComponent(m[1]));
    if (!t) return null;
    const mine = logs.filter((l) => l.trace_id === t.summary.trace_id).reverse();
    if (m[2] === 'logs') return { logs: mine.map(plainLog), stats: stats(mine.length, began) };
    if (m[2] === 'errors') return { errors: mine.filter((l) => l.exception).map(occurrence), stats: stats(mine.length, began) };
    if (m[2] === 'raw') {
      return {
        documents: t.spans.filter((s) => s.receiver !== 'xray' || s.parent_span_id === null).map((s) => ({
          trace_id: s.trace_id, span_id: s.span_id, receiver: s.receiver, format: s.receiver === 'xray' ? 'xray' : 'otlp-json',
          document: s.receiver === 'xray'
            ? { id: s.span_id, name: s.name, trace_id: `1-${s.trace_id.slice(0, 8)}-${s.trace_id.slice(8)}`, start_time: s.ms / 1000, end_time: s.ms / 1000 + s.duration_ns / 1e9, in_progress: false, http: { request: { url: s.attributes['url.full'], method: s.attributes['http.request.method'], client_ip: '127.0.0.1' }, response: { status: s.attributes['http.response.status_code'], content_length: 265 } }, aws: { xray: { sdk: 'X-Ray for Python', sdk_version: '2.15.0', sampling_rule_name: 'Default' } }, subsegments: t.spans.filter((x) => x.parent_span_id === s.span_id).map((x) => ({ id: x.span_id, name: x.name, namespace: 'local', annotations: { user_handle: 'andrewbrown' } })) }
            : { traceId: s.trace_id, spanId: s.span_id, parentSpanId: s.parent_span_id ?? '', name: s.name, kind: 2, startTimeUnixNano: s.start_time_unix_nano, attributes: Object.entries(s.attributes).map(([key, v]) => ({ key, value: typeof v === 'number' ? { intValue: String(v) } : { stringValue: String(v) } })), events: s.events, status: {} },
        })),
      };
    }
    const { ms, summary, linked, spans } = t;
    return { ...summary, linked, spans: spans.map(plainSpan), services: summary.services.map((s) => ({ ...s, receivers: [...new Set(spans.filter((x) => x.service === s.name).map((x) => x.receiver))] })), truncated: null, stats: stats(spans.length, began) };
  }
  m = /^\/api\/errors\/([^/]+)$/.exec(path);
  if (m) {
    const item = errorItems(p, m[1])[0];
    if (!item) return null;
    const breakdown = (key, of) => {
      const counts = new Map();
      for (const r of item.rows) counts.set(of(r) ?? 'none', (counts.get(of(r) ?? 'none') ?? 0) + 1);
      return { key, values: [...counts].map(([value, count]) => ({ value: String(value), count })).sort((a, b) => b.count - a.count) };
    };
    return {
      error: plainItem(item), latest: occurrence(item.rows.find((r) => r.source) ?? item.rows[0]), occurrences: item.rows.slice(0, 100).map(occurrence),
      breakdowns: [breakdown('service.name', (r) => r.service), breakdown('receiver', (r) => r.receiver), breakdown('enduser.id', (r) => r.attributes['enduser.id']), breakdown('rollbar.context', (r) => r.attributes['rollbar.context'])], stats: stats(logs.length, began),
    };
  }
  return undefined;
}

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

createServer((request, response) => {
  const url = new URL(request.url, 'http://mock');
  const began = performance.now();
  const json = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  if (url.pathname === '/api/logs/tail') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    let n = 0;
    const match = matcher(url.searchParams.get('q'), (l) => l.body, logField);
    const listener = (line) => {
      if (!match(line)) return;
      n += 1;
      response.write(`event: log\ndata: ${JSON.stringify(plainLog(line))}\n\n`);
    };
    listeners.add(listener);
    const timer = setInterval(() => {
      response.write(`event: rate\ndata: ${JSON.stringify({ per_second: n, skipped: 0 })}\n\n`);
      n = 0;
    }, 1000);
    response.on('close', () => (clearInterval(timer), listeners.delete(listener)));
    return;
  }
  if (url.pathname === '/api/sql') {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const { query } = JSON.parse(body || '{}');
      if (!/^\s*select/i.test(query ?? '')) return json(400, { error: { code: 'invalid_query', message: 'expected SELECT', position: 0 } });
      json(200, { columns: [{ name: 'service.name', type: 'Utf8' }, { name: 'n', type: 'Int64' }, { name: 'p95', type: 'Float64' }], rows: [['backend-flask', 1240, 312000000.5], ['cruddur-xray', 1100, 298000000], ['thumbs-worker', 90, null]], stats: stats(2430, began) });
    });
    return;
  }
  if (url.pathname.startsWith('/api/')) {
    try {
      const body = answer(url.pathname, url.searchParams, began);
      if (body) return json(200, body);
      return json(404, { error: { code: 'not_found', message: body === null ? 'no such record' : `no such path ${url.pathname}`, position: null } });
    } catch (error) {
      return json(error instanceof Bad ? 400 : 500, { error: { code: error instanceof Bad ? 'invalid_query' : 'internal', message: error.message, position: error.position ?? null } });
    }
  }
  let file = join(dist, normalize(url.pathname));
  if (!file.startsWith(dist) || !existsSync(file) || statSync(file).isDirectory()) file = join(dist, 'index.html');
  if (!existsSync(file)) return json(404, { error: { code: 'not_found', message: 'run `npm run build` first', position: null } });
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
  createReadStream(file).pipe(response);
}).listen(port, '127.0.0.1', () => console.log(`mock api on http://127.0.0.1:${port}`));
