// The pure functions, each with its cases as data.
import { describe, expect, test } from 'vitest';
import { hash, serviceColour } from './colour';
import { traceIdFrom, xrayForm } from './ids';
import { completingAt, hasTerm, pieces, tokens, withoutTerm, withTerm, words } from './search';
import { levelFromNumber, numberFromLevel } from './severity';
import { foldLibraries, parseStack } from './stack';
import { ago, msFromNano, nanoBetween, nanoFromMs, paramFromRange, rangeFromParam, utcFromNano } from './time';
import { bytes, count, duration, percent, rate } from './units';
import { parseSearch, searchOf, stringifySearch } from './url';
import { ancestors, collapsedAt, matches, place, ticks, totalNs, visibleRows } from './waterfall';

const plain = (text: string) => text.replace(/\u00a0/g, ' ');

describe('units', () => {
  test.each([
    [0, '0 ns'], [640, '640 ns'], [1_000, '1 µs'], [1_240, '1.2 µs'], [85_000, '85 µs'], [999_600, '1 ms'], [312_000_000, '312 ms'],
    [999_600_000, '1.00 s'], [1_240_000_000, '1.24 s'], [12_400_000_000, '12.4 s'], [60_000_000_000, '1 min'],
    [123_000_000_000, '2 min 3 s'], [3_840_000_000_000, '1 h 4 min'], [-85_000, '−85 µs'],
  ])('duration %d', (ns, text) => expect(plain(duration(ns))).toBe(text));
  test.each([[0, '0'], [9_999, '9,999'], [12_345, '12.3k'], [999_999, '1.00M'], [4_560_000, '4.56M']])('count %d', (n, text) =>
    expect(count(n)).toBe(text));
  test.each([[0, '0%'], [0.0001, '<0.1%'], [0.0123, '1.2%'], [0.5, '50%'], [0.9999, '>99.9%'], [1, '100%']])('percent %d', (n, text) =>
    expect(percent(n)).toBe(text));
  test('rate', () => {
    expect(rate(120, 60)).toBe('2.00/s');
    expect(rate(6, 3600)).toBe('0.10/min');
  });
  test('bytes', () => expect(plain(bytes(1_234_567))).toBe('1.23 MB'));
});

describe('time', () => {
  test('nanoseconds survive the way there and back to the microsecond', () => {
    expect(nanoFromMs(msFromNano('1795227326657302123'))).toBe('1795227326657302000');
    expect(nanoBetween('1795227326657302123', '1795227326657302124')).toBe(1);
    expect(utcFromNano('1795227326657302123')).toBe('2026-11-21 02:15:26.657302123 UTC');
  });
  test('ranges', () => {
    expect(rangeFromParam('15m', 1_000_000_000)).toEqual({ start: 999_100_000, end: 1_000_000_000 });
    const range = { start: 1_795_227_326_000, end: 1_795_227_386_000 };
    expect(rangeFromParam(paramFromRange(range), 0)).toEqual(range);
    for (const bad of ['x', '..', 'b..a', '0m', '2026-01-02..2026-01-01']) {
      expect(rangeFromParam(bad, 7_200_000)).toEqual({ start: 6_300_000, end: 7_200_000 });
    }
  });
  test('ago', () => expect([0, 3_000, 61_000, 7_300_000].map((back) => ago(1e9 - back, 1e9))).toEqual(['just now', '3 s ago', '1 min ago', '2 h ago']));
});

describe('search', () => {
  test('tokens keep their places', () => {
    expect(tokens('http.route="/a b" duration>=250ms').map((t) => t.text)).toEqual(['http.route', '=', '"/a b"', 'duration', '>=', '250ms']);
  });
  test('a term is added once, its opposite goes', () => {
    expect(withTerm('', 'user.id', 'a"b')).toBe('user.id = "a\\"b"');
    expect(withTerm('timeout', 'http.status_code', 500)).toBe('timeout http.status_code = 500');
    expect(withTerm('timeout user.id = "x"', 'user.id', 'x')).toBe('timeout user.id = "x"');
    expect(withTerm('timeout AND user.id = "x" AND a = 1', 'user.id', 'x', true)).toBe('timeout a = 1 user.id != "x"');
    expect(withTerm('a OR b', 'k', 'v')).toBe('(a OR b) k = "v"');
    expect(hasTerm('k = "v"', 'k', 'v')).toBe(true);
    expect(withoutTerm('k = "v"', 'k', 'v')).toBe('');
  });
  test('words for highlighting', () => {
    expect(words('timeout "connection refused" user.id = "x" -debug NOT noise body:flask k exists')).toEqual(['timeout', 'connection refused', 'flask']);
  });
  test('pieces', () => {
    expect(pieces('GET /Api api', ['api'])).toEqual([
      { text: 'GET /', hit: false }, { text: 'Api', hit: true }, { text: ' ', hit: false }, { text: 'api', hit: true },
    ]);
  });
  test('completing', () => {
    expect(completingAt('http.ro', 7)).toMatchObject({ key: null, prefix: 'http.ro', start: 0, end: 7 });
    expect(completingAt('http.route = "/a', 16)).toMatchObject({ key: 'http.route', prefix: '/a', start: 13 });
    expect(completingAt('http.route = ', 13)).toMatchObject({ key: 'http.route', prefix: '', start: 13 });
    expect(completingAt('a = 1 ', 6)).toMatchObject({ key: null, prefix: '' });
  });
});

test('addresses are plain strings', () => {
  expect(parseSearch('?q=a%20%3D%201&n=5')).toEqual({ q: 'a = 1', n: '5' });
  expect(stringifySearch({ q: 'a', empty: '', none: undefined, time: '2026-01-01T00:00:00.000Z..2026-01-02T00:00:00.000Z' })).toBe(
    '?q=a&time=2026-01-01T00:00:00.000Z..2026-01-02T00:00:00.000Z',
  );
  expect(searchOf('q', 'tab')({ q: 'x', tab: '', other: '1' })).toEqual({ q: 'x' });
});

test('severity', () => {
  expect([0, 1, 5, 9, 13, 17, 21, 24, 99].map(levelFromNumber)).toEqual(['unknown', 'trace', 'debug', 'info', 'warn', 'error', 'fatal', 'fatal', 'unknown']);
  expect(numberFromLevel('warn')).toBe(13);
  expect(numberFromLevel('unknown')).toBeUndefined();
});

test('ids', () => {
  expect(xrayForm('58406520a006649127e371903a2de979')).toBe('1-58406520-a006649127e371903a2de979');
  expect(traceIdFrom('Root=1-58406520-a006649127e371903a2de979;Parent=53995c3f42cd8ad8')).toBe('58406520a006649127e371903a2de979');
  expect(traceIdFrom('hello')).toBeNull();
});

test('colours are stable', () => {
  expect(hash('backend-flask')).toBe(hash('backend-flask'));
  expect(serviceColour('backend-flask')).not.toBe(serviceColour('cruddur-xray'));
});

describe('stack', () => {
  const python = `Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/flask/app.py", line 1511, in wsgi_app
    response = self.full_dispatch_request()
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/flask/app.py", line 919, in full_dispatch_request
    rv = self.handle_user_exception(e)
  File "/backend-flask/app.py", line 197, in data_show_activity
NameError: name 'ShowActivity' is not defined`;
  test('python', () => {
    const lines = parseStack(python);
    expect(lines.map((line) => line.kind)).toEqual(['note', 'frame', 'frame', 'frame', 'note']);
    expect(lines[1]).toMatchObject({ function: 'wsgi_app', line: 1511, library: true, source: ['response = self.full_dispatch_request()'] });
    expect(lines[3]).toMatchObject({ file: '/backend-flask/app.py', line: 197, library: false });
    expect(foldLibraries(lines).map((group) => (group.kind === 'library' ? group.frames.length : 'line'))).toEqual(['line', 2, 'line', 'line']);
  });
  test.each([
    ['    at handler (/app/src/server.js:12:9)', '/app/src/server.js', 12, 'handler', false],
    ['    at node:internal/process/task_queues:95:5', 'node:internal/process/task_queues', 95, '', true],
    ['\tat com.example.Orders.load(Orders.java:42)', 'Orders.java', 42, 'com.example.Orders.load', false],
    ['\tat java.base/java.lang.Thread.run(Thread.java:840)', 'Thread.java', 840, 'java.base/java.lang.Thread.run', true],
    ['   at Shop.Orders.Load(Int32 id) in /src/Orders.cs:line 17', '/src/Orders.cs', 17, 'Shop.Orders.Load(Int32 id)', false],
    ["app/models/user.rb:10:in `find'", 'app/models/user.rb', 10, 'find', false],
  ])('%s', (text, file, line, name, library) => {
    expect(parseStack(text)[0]).toMatchObject({ kind: 'frame', file, line, function: name, library });
  });
  test('go', () => {
    const lines = parseStack('goroutine 1 [running]:\nmain.handler(0x1)\n\t/src/main.go:20 +0x1d\n');
    expect(lines).toMatchObject([{ kind: 'note' }, { kind: 'frame', function: 'main.handler(0x1)', file: '/src/main.go', line: 20 }]);
  });
});

describe('rust stacks', () => {
  test('two lines are one frame, and libraries fold', () => {
    const lines = parseStack(
      'Rejected: too long\nstack backtrace:\n   0: core::panicking::panic_fmt\n             at /rustc/9fc6b43126469e3858e2fe86cafb4f0fd5068869/library/core/src/panicking.rs:75:14\n   1: cruddur::insert\n             at ./src/app/cruddur.rs:219:17\n   2: tokio::runtime::park\n   3: __libc_start_main\n',
    );
    expect(lines).toMatchObject([
      { kind: 'note' },
      { kind: 'note' },
      { function: 'core::panicking::panic_fmt', line: 75, library: true },
      { function: 'cruddur::insert', file: './src/app/cruddur.rs', line: 219, library: false },
      { function: 'tokio::runtime::park', file: '', line: null, library: true },
      { function: '__libc_start_main', library: true },
    ]);
    expect(foldLibraries(lines).map((group) => (group.kind === 'library' ? group.frames.length : 'line'))).toEqual(['line', 'line', 1, 'line', 2]);
  });
  test.each([
    ['    at cruddur::insert_activity (src/app/cruddur.rs:219)', 'src/app/cruddur.rs', 219, 'cruddur::insert_activity', false],
    ['    at tokio::runtime::task (cruddur.rs:9)', 'cruddur.rs', 9, 'tokio::runtime::task', true],
  ])('%s', (text, file, line, name, library) => {
    expect(parseStack(text)[0]).toMatchObject({ kind: 'frame', file, line, function: name, library });
  });
});

describe('waterfall', () => {
  const span = (depth: number, start: number, length: number, name = 'x') => ({
    trace_id: 't', span_id: `${depth}${start}`, depth, service: 's', name, receiver: 'otlp',
    start_time_unix_nano: String(start), duration_ns: length, attributes: { 'http.route': '/a' },
  });
  const spans = [span(0, 100, 50, 'root'), span(1, 110, 10), span(2, 111, 5), span(1, 130, 40, 'late'), span(0, 120, 10, 'other')];
  const placed = place(spans, '100');
  test('subtrees are runs', () => {
    expect(placed.map((p) => p.next)).toEqual([4, 3, 3, 4, 5]);
    expect(placed.map((p) => p.parent)).toEqual([-1, 0, 1, 0, -1]);
    expect(totalNs(placed, 50)).toBe(70);
  });
  test('collapsing', () => {
    expect(visibleRows(placed, new Set([1]))).toEqual([0, 1, 3, 4]);
    expect([...collapsedAt(spans, placed, 1)]).toEqual([1]);
    expect(ancestors(placed, 2)).toEqual([1, 0]);
  });
  test('finding', () => {
    expect(matches(spans, 'LATE')).toEqual([3]);
    expect(matches(spans, '/a')).toHaveLength(5);
    expect(matches(spans, ' ')).toEqual([]);
  });
  test('ticks', () => expect(ticks(0, 1000, 5)).toEqual([0, 200, 400, 600, 800, 1000]));
});
