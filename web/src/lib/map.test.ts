// What the map, the heatmap and the filter bar reckon with, each with its cases as data.
import { describe, expect, test } from 'vitest';
import { barRange, boxRange, cellAt, countWithin, heatOf, histogramBars, logShare, logTicks, logValue, strength } from './brush';
import { allOf, clauses, edgeFilter, filterCompletingAt, hasClause, languageOf, responseTimeFilter, serviceFilter, statusFilter, withClause, withoutClause } from './filter';
import { arcs, BOX, compact, distanceToPath, edgePath, fit, hitTest, isKnown, middleOf, nodeKeys, placeNew, quickLayout, RING, shares, stateOf, toWorld, zoomAt, type Link, type Point } from './graph';
import { everyMinute, problems, ruleFor, sentence, wildcardMatches, type RuleLike } from './sampling';

const outcomes = (ok: number, error = 0, throttle = 0, fault = 0) => ({ total: ok + error + throttle + fault, ok, error, throttle, fault });

describe('who a node is', () => {
  const named = (id: number, name: string, type = 'AWS::ECS::Container', synthetic: 'client' | 'inferred' | null = null) => ({ id, name, type, synthetic });
  test('numbers change from answer to answer, keys do not', () => {
    const before = nodeKeys([named(0, 'api'), named(1, 'orders', 'AWS::DynamoDB::Table')], []);
    const after = nodeKeys([named(7, 'orders', 'AWS::DynamoDB::Table'), named(9, 'api')], []);
    expect(after).toEqual([before[1], before[0]]);
  });
  test('a client is whoever calls a service; alike ones are counted', () => {
    const nodes = [named(0, 'x', 'client', 'client'), named(1, 'y', 'client', 'client'), named(2, 'api'), named(3, 'api', 'remote'), named(4, 'api')];
    const edges = [{ from: 0, to: 2, kind: 'sync' }, { from: 1, to: 2, kind: 'sync' }];
    expect(nodeKeys(nodes, edges)).toEqual(['client>api', 'client>api#2', 'AWS::ECS::Container>api', 'remote>api', 'AWS::ECS::Container>api#2']);
  });
});

describe('rings', () => {
  test('throttled requests are not counted twice', () => {
    expect(shares({ total: 100, ok: 80, error: 15, throttle: 5, fault: 5 })).toEqual({ ok: 0.8, error: 10 / 100, throttle: 0.05, fault: 0.05 });
    expect(shares({ total: 100, ok: 80, error: 10, throttle: 5, fault: 5 }).error).toBeCloseTo(0.1);
  });
  test('the pieces make a whole ring, the smallest of them can be seen', () => {
    for (const of of [outcomes(1), outcomes(0, 0, 0, 1), outcomes(999_999, 0, 0, 1), outcomes(5, 4, 3, 2), outcomes(1e6, 1, 1, 1)]) {
      const pieces = arcs(of);
      expect(pieces[0]?.from).toBeCloseTo(-Math.PI / 2);
      expect(pieces[pieces.length - 1]?.to).toBeCloseTo(1.5 * Math.PI);
      for (const piece of pieces) expect(piece.to - piece.from).toBeGreaterThan(0.15);
    }
    expect(arcs(outcomes(0))).toEqual([]);
  });
  test.each([[outcomes(100), 'ok'], [outcomes(99, 1), 'error'], [outcomes(990, 9, 0, 1), 'error'], [outcomes(90, 4, 4, 2), 'fault'], [outcomes(0), 'ok']] as const)('state %o is %s', (of, state) => {
    expect(stateOf(of, 0.005)).toBe(state);
  });
});

const link = (text: string): Link => {
  const [from = '', to = ''] = text.split('>');
  return { from, to };
};
const apart = (positions: Iterable<Point>) => {
  const list = [...positions];
  for (let i = 0; i < list.length; i += 1) {
    for (let j = i + 1; j < list.length; j += 1) {
      const [a, b] = [list[i] as Point, list[j] as Point];
      if (Math.abs(a.x - b.x) < BOX.width && Math.abs(a.y - b.y) < BOX.above + BOX.below) return `${JSON.stringify(a)} and ${JSON.stringify(b)} overlap`;
    }
  }
  return 'apart';
};

describe('places', () => {
  const before = new Map([['a', { x: 0, y: 0 }], ['b', { x: 240, y: -70 }], ['c', { x: 240, y: 70 }]]);
  test('a refresh moves nothing', () => {
    const links = ['a>b', 'a>c', 'b>new', 'new>newer', 'alone>alone'].map(link);
    const after = placeNew(['new', 'a', 'c', 'b', 'newer', 'alone', 'lost'], links, before);
    for (const [key, at] of before) expect(after.get(key)).toEqual(at);
    expect(after.size).toBe(7);
    expect(apart(after.values())).toBe('apart');
    expect(after.get('new')?.x).toBeGreaterThan(240);
    expect(after.get('newer')?.x).toBeGreaterThan(after.get('new')?.x ?? Infinity);
  });
  test('who is gone keeps the place and comes back to it', () => {
    const without = placeNew(['a', 'b', 'n'], [link('a>n')], before);
    expect(apart([...without.values(), { x: 240, y: 70 }])).toBe('apart');
  });
  test('many new ones beside one caller are set apart', () => {
    const keys = Array.from({ length: 40 }, (_, i) => `n${i}`);
    const after = placeNew(['a', ...keys], keys.map((key) => ({ from: 'a', to: key })), before);
    expect(apart(after.values())).toBe('apart');
  });
  test('a caller that is new stands left of what it calls', () => expect(placeNew(['x', 'a'], [link('x>a')], before).get('x')?.x).toBeLessThan(0));
  test.each([[['a', 'b'], true], [['a', 'x'], true], [['a', 'x', 'y'], false], [[], false]] as const)('%j is known: %s', (keys, known) => expect(isKnown(keys, before)).toBe(known));
  test('the quick layout has layers, survives circles, and is the same every time', () => {
    const keys = ['a', 'b', 'c', 'd', 'e'];
    const links = ['a>b', 'b>c', 'c>a', 'a>c', 'd>d', 'c>e'].map(link);
    const places = quickLayout(keys, links);
    const x = (key: string) => places.get(key)?.x ?? Number.NaN;
    expect(x('a')).toBeLessThan(x('b'));
    expect(x('b')).toBeLessThan(x('c'));
    expect(x('c')).toBeLessThan(x('e'));
    expect(apart(places.values())).toBe('apart');
    expect(quickLayout(keys, links)).toEqual(places);
  });
  test('ten thousand nodes are laid out and closed up to the shape of a screen', () => {
    const keys = Array.from({ length: 10_000 }, (_, i) => `n${i}`);
    const places = compact(quickLayout(keys, keys.slice(1).map((key, i) => ({ from: `n${Math.floor(i / 30)}`, to: key }))), 1.5);
    const xs = [...places.values()].map((at) => at.x);
    const ys = [...places.values()].map((at) => at.y);
    const shape = (Math.max(...xs) - Math.min(...xs)) / (Math.max(...ys) - Math.min(...ys));
    expect(shape).toBeGreaterThan(1);
    expect(shape).toBeLessThan(2.2);
    expect(new Set([...places.values()].map((at) => `${at.x} ${at.y}`)).size).toBe(10_000);
  });
  test('closing up keeps the order of layers and what stands above', () => {
    const places = compact(new Map([['root', { x: 0, y: 500 }], ...Array.from({ length: 60 }, (_, i) => [`n${String(i).padStart(2, '0')}`, { x: 300, y: i * 900 }] as const), ['last', { x: 600, y: 9 }]]), 1.5);
    const at = (key: string) => places.get(key) as Point;
    expect(at('root').x).toBeLessThan(at('n00').x);
    expect(at('n00').y).toBeLessThan(at('n59').y);
    expect(at('last').x).toBeGreaterThan(Math.max(...[...places].filter(([key]) => key.startsWith('n')).map(([, one]) => one.x)));
    expect(apart(places.values())).toBe('apart');
  });
});

describe('below the pointer', () => {
  const nodes = [{ x: 0, y: 0 }, { x: 300, y: 0 }, { x: 300, y: 400 }];
  const paths = [edgePath(nodes[0] as Point, nodes[1] as Point, undefined), edgePath(nodes[1] as Point, nodes[0] as Point, undefined)];
  test.each([
    [{ x: 5, y: 5 }, 1, { kind: 'node', index: 0 }],
    [{ x: 300, y: 50 }, 1, { kind: 'node', index: 1 }],
    [{ x: 150, y: 3 }, 1, { kind: 'edge', index: 0 }],
    [{ x: 150, y: BOX.below + 14 }, 1, { kind: 'edge', index: 1 }],
    [{ x: 150, y: 40 }, 1, null],
    [{ x: 330, y: 445 }, 0.1, { kind: 'node', index: 2 }],
  ] as const)('%o at scale %d', (at, scale, hit) => expect(hitTest(at, scale, nodes, paths)).toEqual(hit));
  test('an edge runs from ring to ring, and its middle is on it', () => {
    const path = paths[0] as Point[];
    expect(path[0]?.x).toBeGreaterThan(RING);
    expect(path[path.length - 1]?.x).toBeLessThan(300 - RING);
    expect(distanceToPath(path, middleOf(path))).toBeCloseTo(0);
  });
  test('all is in sight after fitting, and what is below the pointer stays there when zooming', () => {
    const view = fit(nodes, 800, 600);
    for (const at of nodes) {
      expect(at.x * view.scale + view.x).toBeGreaterThan(0);
      expect(at.y * view.scale + view.y).toBeLessThan(600);
    }
    const near = zoomAt(view, 123, 234, 1.7);
    expect(toWorld(near, 123, 234).x).toBeCloseTo(toWorld(view, 123, 234).x);
    expect(toWorld(near, 123, 234).y).toBeCloseTo(toWorld(view, 123, 234).y);
    expect(fit([], 100, 100).scale).toBe(1);
  });
});

describe('filter expressions', () => {
  const all = [{ name: 'api', type: 'AWS::ECS::Container' }, { name: 'db', type: 'Database::SQL' }, { name: 'db', type: 'remote' }, { name: 'a"b\\', type: '' }];
  const [api, db, , odd] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0], (typeof all)[0]];
  test('handles', () => {
    expect(serviceFilter(api, all)).toBe('service("api")');
    expect(serviceFilter(db, all)).toBe('service(id(name: "db", type: "Database::SQL"))');
    expect(serviceFilter(odd, all)).toBe('service("a\\"b\\\\")');
    expect(edgeFilter(api, db, all, 'fault')).toBe('edge("api", id(name: "db", type: "Database::SQL")) { fault }');
    expect(serviceFilter(api, all, allOf(statusFilter(['fault', 'error', 'nonsense']), responseTimeFilter(0.215443, 1)))).toBe('service("api") { (fault OR error) AND responsetime >= 0.215443 AND responsetime <= 1 }');
  });
  test.each([[null, null, ''], [0, 2, 'responsetime <= 2'], [0.0000004, null, 'responsetime >= 0'], [1.5, Infinity, 'responsetime >= 1.5']])('response time %o to %o', (from, to, text) => expect(responseTimeFilter(from, to)).toBe(text));
  test.each([
    ['', []],
    ['fault', ['fault']],
    ['fault AND responsetime > 2', ['fault', 'responsetime > 2']],
    ['service("a AND b") { ok AND fault } and http.status = 500', ['service("a AND b") { ok AND fault }', 'http.status = 500']],
    ['fault OR error AND ok', ['fault OR error AND ok']],
    ['(fault OR error) AND ok', ['(fault OR error)', 'ok']],
  ])('clauses of %s', (text, list) => expect(clauses(text)).toEqual(list));
  test('a clause is added once and taken away again', () => {
    const one = 'http.status = 500';
    expect(withClause('', one)).toBe(one);
    expect(withClause('fault', one)).toBe('fault AND http.status = 500');
    expect(withClause('fault AND http.status=500', one)).toBe('fault AND http.status=500');
    expect(withClause('fault OR error', one)).toBe('(fault OR error) AND http.status = 500');
    expect(withClause('fault', 'ok OR error')).toBe('fault AND (ok OR error)');
    expect(withoutClause('fault AND http.status=500 AND ok', one)).toBe('fault AND ok');
    expect(hasClause('fault AND http.status = 500', one)).toBe(true);
    expect(hasClause('http.status = 5001', one)).toBe(false);
  });
  test.each([
    ['service("api") { fault }', 'filter'], ['annotation.user = "ann"', 'filter'], ['annotation[a.b] = 1', 'filter'], ['responsetime > 5', 'filter'], ['http.url CONTAINS "x"', 'filter'],
    ['!partial', 'filter'], ['fault OR throttle', 'filter'], ['rootcause.fault.service { name = "x" }', 'filter'], ['group.name = "g"', 'filter'], ['http.status = 500', 'filter'],
    ['http.route = "/api/x"', 'search'], ['duration > 250ms', 'search'], ['body:timeout', 'search'], ['http.route exists', 'search'],
    ['timeout', null], ['fault', null], ['', null], ['service', null],
  ])('%s is %s', (text, language) => expect(languageOf(text)).toBe(language));
  test.each([
    ['ser|', { what: 'keyword', key: null, prefix: 'ser' }], ['service("ap|', { what: 'service', prefix: 'ap' }], ['edge("a", "b|', { what: 'service', prefix: 'b' }],
    ['service(id(name: "x|', { what: 'service', prefix: 'x' }], ['annotation.us|', { what: 'annotation', prefix: 'us' }], ['annotation[us|', { what: 'annotation', prefix: 'us' }],
    ['fault AND http.method = "G|', { what: 'value', key: 'http.method', prefix: 'G' }], ['group.name = |', { what: 'group', key: 'group.name', prefix: '' }],
    ['annotation[a.b] = "x|', { what: 'value', key: 'a.b', prefix: 'x' }], ['fault AND |', { what: 'keyword', prefix: '' }], ['!par|', { what: 'keyword', prefix: 'par', inBlock: false }],
    ['service("a") { f|', { what: 'keyword', prefix: 'f', inBlock: true }], ['service("a") { ok } AND f|', { inBlock: false }],
  ])('at the caret of %s', (text, wanted) => expect(filterCompletingAt(text.replace('|', ''), text.indexOf('|'))).toMatchObject(wanted));
});

describe('brushes', () => {
  test('a logarithmic axis there and back', () => {
    for (const value of [1, 3, 50, 1000]) expect(logValue(logShare(value, 1, 1000), 1, 1000)).toBeCloseTo(value);
    expect(logShare(0.1, 1, 1000)).toBe(0);
    expect(logShare(5, 5, 5)).toBe(0);
  });
  const bars = histogramBars([{ value_s: 0.011, count: 3 }, { value_s: 0.1, count: 5 }, { value_s: 2, count: 1.5 }, { value_s: 9, count: 0 }]);
  test('bars hold all there is', () => {
    expect(bars.reduce((sum, bar) => sum + bar.count, 0)).toBeCloseTo(9.5);
    expect(bars[0]?.count).toBe(3);
    expect(bars[bars.length - 1]?.count).toBe(1.5);
    for (const bar of bars) expect(bar.to / bar.from).toBeCloseTo(10 ** (1 / 12));
    expect(histogramBars([])).toEqual([]);
    expect(histogramBars([{ value_s: 0.2, count: 1 }])).toHaveLength(12);
  });
  test('a range is of whole bars, in either direction, and counts what it holds', () => {
    const whole = barRange(599, 0, 600, bars);
    expect(whole).toEqual({ from: bars[0]?.from, to: bars[bars.length - 1]?.to });
    expect(whole && countWithin(bars, whole)).toBeCloseTo(9.5);
    expect(barRange(0, 1, 600, bars)).toEqual({ from: bars[0]?.from, to: bars[0]?.to });
    expect(barRange(0, 1, 0, bars)).toBeNull();
    // The ends come back from the address rounded to the microsecond.
    const range = barRange(0, 1, 600, bars) ?? { from: 0, to: 0 };
    expect(countWithin(bars, { from: Number(range.from.toFixed(6)), to: Number(range.to.toFixed(6)) })).toBe(3);
  });
  const axes = { start: 1000, step: 500, steps: 10, bounds: [1, 10, 100, 1000, 10_000] };
  test.each([
    [{ x0: 0, y0: 0, x1: 99, y1: 99 }, { start: 1000, end: 6000, min_ns: null, max_ns: null }],
    [{ x0: 35, y0: 30, x1: 21, y1: 45 }, { start: 2000, end: 3000, min_ns: 100, max_ns: 1000 }],
    [{ x0: 50, y0: 10, x1: 50, y1: 10 }, { start: 3500, end: 4000, min_ns: 1000, max_ns: null }],
    [{ x0: 95, y0: 90, x1: 300, y1: 300 }, { start: 5500, end: 6000, min_ns: null, max_ns: 10 }],
  ])('box %o', (box, range) => expect(boxRange(box, 100, 100, axes)).toEqual(range));
  test('cells', () => {
    expect(cellAt(0, 0, 100, 100, axes)).toEqual({ step: 0, bucket: 3 });
    expect(cellAt(99, 99, 100, 100, axes)).toEqual({ step: 9, bucket: 0 });
    expect(cellAt(100, 5, 100, 100, axes)).toBeNull();
  });
  test('an answer becomes axes: empty rows go, an open row gets an end', () => {
    const bounds = Array.from({ length: 30 }, (_, i) => 1000 * 2 ** i);
    const heat = heatOf({ start_ms: 0, step_seconds: 10, steps: 6, bucket_bounds_ns: bounds, cells: [{ step: 3, bucket: 12, count: 2, errors: 0 }, { step: 4, bucket: 20, count: 1, errors: 1 }] });
    expect(heat.axes).toMatchObject({ steps: 6, start: 0, step: 10_000 });
    expect(heat.axes.bounds[heat.cells[0]?.bucket ?? -1]).toBe(bounds[12]);
    expect(heat.axes.bounds.length).toBe(12);
    const open = heatOf({ start_ms: 0, step_seconds: 1, steps: 1, bucket_bounds_ns: [0, 10, 20, 40], cells: [{ step: 0, bucket: 3, count: 1, errors: 0 }, { step: 0, bucket: 0, count: 1, errors: 0 }] });
    expect(open.axes.bounds).toEqual([5, 10, 20, 40, 80]);
    expect(heatOf({ start_ms: 0, step_seconds: 1, steps: 1, bucket_bounds_ns: [1, 2, 4], cells: [] }).axes.bounds).toEqual([1, 2, 4]);
  });
  test('one among ten thousand shows', () => {
    expect(strength(1, 10_000)).toBeGreaterThan(0.15);
    expect(strength(10_000, 10_000)).toBe(1);
    expect(strength(0, 5)).toBe(0);
  });
  test.each([[1, 1000, 4, [1, 10, 100, 1000]], [1, 10, 9, [1, 2, 5, 10]], [1, 1e9, 5, [1, 100, 1e4, 1e6, 1e8]], [0, 10, 5, []]])('ticks %d to %d', (low, high, wanted, ticks) => expect(logTicks(low, high, wanted)).toEqual(ticks));
});

describe('sampling', () => {
  const rule = (over: Partial<RuleLike> = {}): RuleLike => ({ name: 'r', priority: 100, fixed_rate: 0.05, reservoir_size: 1, service_name: '*', service_type: '*', host: '*', http_method: '*', url_path: '*', resource_arn: '*', attributes: {}, ...over });
  test.each([
    [{}, 'Of requests, keeps the first of each second and 5% of the rest.'],
    [{ name: 'Default' }, 'Of requests no other rule is for, keeps the first of each second and 5% of the rest.'],
    [{ fixed_rate: 1, http_method: 'POST', url_path: '/api/*', service_name: 'shop-*' }, 'Keeps all POST requests to /api/* of shop-*.'],
    [{ fixed_rate: 0, reservoir_size: 0, url_path: '/health' }, 'Keeps none of the requests to /health.'],
    [{ fixed_rate: 0, reservoir_size: 5 }, 'Of requests, keeps the first 5 of each second and no more.'],
    [{ reservoir_size: 0, attributes: { customer: 'acme' } }, 'Keeps 5% of requests with customer = acme.'],
  ])('%o in words', (over, words) => expect(sentence(rule(over))).toBe(words));
  test.each([['*', '', true], ['/api/*', '/api/x/y', true], ['/API/?', '/api/1', true], ['/api/?', '/api/', false], ['a*b*c', 'aXXbYYc', true], ['a*b*c', 'aXXbYY', false], ['', '', true], ['', 'x', false]])('%s matches %s: %s', (pattern, text, matches) =>
    expect(wildcardMatches(pattern, text)).toBe(matches));
  test('the first rule by priority decides', () => {
    const rules = [rule({ name: 'Default', priority: 10_000 }), rule({ name: 'posts', priority: 20, http_method: 'POST' }), rule({ name: 'health', priority: 10, url_path: '/health*' }), rule({ name: 'acme', priority: 1, attributes: { customer: 'acme' } })];
    const tried = { service_name: 'api', host: '', http_method: 'POST', url_path: '/x' };
    expect(ruleFor(rules, tried)?.name).toBe('posts');
    expect(ruleFor(rules, { ...tried, url_path: '/healthz' })?.name).toBe('health');
    expect(ruleFor(rules, { ...tried, http_method: 'GET' })?.name).toBe('Default');
  });
  test('minutes without a report are there, as such', () => {
    const minutes = everyMinute([{ minute_unix: 6000, requests: 5, sampled: 1 }], 6130, 4);
    expect(minutes.map((one) => [one.minute_unix, one.requests])).toEqual([[5940, 0], [6000, 5], [6060, 0], [6120, 0]]);
    // A reporter's clock may run ahead of ours.
    expect(everyMinute([{ minute_unix: 6180, requests: 2, sampled: 1 }], 6130, 2).map((one) => one.requests)).toEqual([0, 2]);
  });
  test('what the server would refuse is told first', () => {
    const fields = (over: Partial<RuleLike>, others: string[] = []) => problems(rule(over), others).map((one) => one.field);
    expect(fields({})).toEqual([]);
    expect(fields({ name: '', priority: 0, fixed_rate: 1.2, reservoir_size: -1 })).toEqual(['name', 'priority', 'fixed_rate', 'reservoir_size']);
    expect(fields({ name: 'r' }, ['r'])).toEqual(['name']);
    expect(fields({ priority: Number.NaN, fixed_rate: Number.NaN, reservoir_size: 1.5 })).toEqual(['priority', 'fixed_rate', 'reservoir_size']);
    expect(fields({ name: 'Default', priority: 10_000 })).toEqual([]);
  });
});
