import { describe, expect, it } from 'vitest';
import { foldFrames, requestOf, telemetryOf, tracesOf } from './payload';

describe('documents of errors', () => {
  it('tells frames with their code, the one that raised first', () => {
    const source = { data: { body: { trace: { exception: { class: 'E', message: 'no' }, frames: [{ filename: '/app/a.py', lineno: 3, method: 'outer' }, { filename: '/lib/site-packages/x.py', lineno: '9', method: 'inner', code: 'raise E', context: { pre: ['a', 'b'], post: null }, locals: { x: 1 } }] } } } };
    const [trace] = tracesOf(source) ?? [];
    expect(trace?.type).toBe('E');
    expect(trace?.frames.map((frame) => frame.function)).toEqual(['inner', 'outer']);
    expect(trace?.frames[0]).toMatchObject({ line: 9, code: 'raise E', before: ['a', 'b'], after: [], locals: { x: 1 }, library: true });
    expect(foldFrames(trace?.frames ?? []).map((group) => group.kind)).toEqual(['library', 'own']);
  });
  it('reads what clients of Sentry tell', () => {
    const frames = [{ filename: 'shop/a.py', abs_path: '/app/shop/a.py', lineno: 3, function: 'outer', context_line: 'inner()', pre_context: ['def outer():'] }, { filename: 'x.py', function: 'inner', in_app: false }];
    const source = {
      exception: { values: [{ type: 'KeyError', value: "'a'" }, { type: 'ValueError', value: 'no', stacktrace: { frames } }] },
      breadcrumbs: { values: [{ timestamp: 2, category: 'http', data: { method: 'GET', url: '/b', status_code: 500 } }, { timestamp: '1970-01-01T00:00:01Z', category: 'auth', message: 'in', level: 'info' }] },
    };
    const [trace] = tracesOf(source) ?? [];
    expect(trace).toMatchObject({ type: 'ValueError', message: 'no' });
    expect(trace?.frames).toMatchObject([{ function: 'inner', library: true }, { file: '/app/shop/a.py', line: 3, code: 'inner()', before: ['def outer():'], library: false }]);
    expect(telemetryOf(source)).toMatchObject([{ ms: 1000, kind: 'auth', text: 'in', failed: false }, { ms: 2000, text: 'GET /b', detail: '500', failed: true }]);
  });
  it('has no frames where the document has none', () => {
    for (const source of [undefined, null, 'x', {}, { data: 5 }, { data: { body: { message: { body: 'm' } } } }, { data: { body: { trace: { frames: 'no' } } } }]) expect(tracesOf(source)).toBeNull();
  });
  it('tells what happened before, oldest first', () => {
    const source = { data: { body: { telemetry: [{ type: 'network', level: 'info', timestamp_ms: 20, body: { method: 'POST', url: '/b', status_code: 503, start_time_ms: 5, end_time_ms: 20 } }, { type: 'dom', timestamp_ms: 10, body: { subtype: 'click', element: 'button' } }, 7] } } };
    expect(telemetryOf(source).map((event) => event.text)).toEqual(['{}', 'click button', 'POST /b']);
    expect(telemetryOf(source)[2]).toMatchObject({ detail: '503, 15 ms', failed: true });
  });
  it('tells the request of the document, or of the attributes', () => {
    const told = requestOf({ source: { data: { request: { url: 'http://a/b?c=1#d', method: 'POST', POST: { e: 2 }, headers: {} } } }, attributes: {} });
    expect(told).toMatchObject({ method: 'POST', url: 'http://a/b?c=1#d' });
    expect(told?.parts).toEqual([{ title: 'Query', fields: { c: '1' } }, { title: 'Form', fields: { e: 2 } }]);
    expect(requestOf({ attributes: { 'http.request.method': 'GET', 'url.path': '/x', 'http.request.header.accept': 'a' } })).toMatchObject({ url: '/x', parts: [{ title: 'Headers', fields: { accept: 'a' } }] });
    expect(requestOf({ source: { data: { request: { url: '/x', user_ip: '$remote_ip' } } }, attributes: { 'client.address': '10.0.0.7' } })?.from).toBe('10.0.0.7');
    expect(requestOf({ attributes: {} })).toBeNull();
  });
});
