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
    expect(requestOf({ attributes: {} })).toBeNull();
  });
});
