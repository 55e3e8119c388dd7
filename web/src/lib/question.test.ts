// The clauses of a question, read and written; each case is data.
import { describe, expect, test } from 'vitest';
import { cut, EMPTY, filterText, filtersOfGroup, havingText, orderText, questionFrom, questionOf, readCalculation, readFilter, readHaving, readOrder, readShown, searchFrom, shownText, specificationOf, timeOf, titleOf, wantedAt, withBounds, withFilter, type Question } from './question';

const okOf = <T>(read: { ok: T } | { error: string }) => ('ok' in read ? read.ok : read.error);

describe('clauses', () => {
  test.each([
    ['count', { op: 'COUNT' }],
    ['P95(duration_ms)', { op: 'P95', column: 'duration_ms' }],
    ['p95(duration_ms', { op: 'P95', column: 'duration_ms' }],
    ['COUNT_DISTINCT("a b")', { op: 'COUNT_DISTINCT', column: 'a b' }],
    ['P95', 'P95 needs a field: P95(duration_ms)'],
    ['COUNT(x)', 'COUNT takes no field'],
    ['MEDIAN(x)', 'MEDIAN is no calculation; try COUNT, AVG, P95 or HEATMAP'],
    ['COUNT COUNT', 'where or as is expected after COUNT'],
    ['count_datapoints', { op: 'COUNT_DATAPOINTS' }],
    ['COUNT as all', { op: 'COUNT', name: 'all' }],
    ['COUNT where error = true', { op: 'COUNT', filters: [{ column: 'error', op: '=', value: true }] }],
    ['P95(duration_ms) where a in (1, 2) or b exists as "slow one"', { op: 'P95', column: 'duration_ms', name: 'slow one', filters: [{ column: 'a', op: 'in', value: [1, 2] }, { column: 'b', op: 'exists' }], combination: 'OR' }],
    ['COUNT where', 'a filter is expected after where'],
    ['COUNT where a', 'a comparison is expected after a: = != > < contains starts-with exists in'],
    ['COUNT where a in (1', 'a closing parenthesis is expected'],
  ])('%s', (text, expected) => expect(okOf(readCalculation(text))).toEqual(expected));

  test.each([
    ['a = 1', { column: 'a', op: '=', value: 1 }, 'a = 1'],
    ['a="1"', { column: 'a', op: '=', value: '1' }, 'a = "1"'],
    ['http.route = /cart', { column: 'http.route', op: '=', value: '/cart' }, 'http.route = "/cart"'],
    ['duration_ms >= 1.5s', { column: 'duration_ms', op: '>=', value: 1500 }, 'duration_ms >= 1500'],
    ['error = true', { column: 'error', op: '=', value: true }, 'error = true'],
    ['name contains two words', { column: 'name', op: 'contains', value: 'two words' }, 'name contains "two words"'],
    ['name EXISTS', { column: 'name', op: 'exists' }, 'name exists'],
    ['a in (1, "b", c)', { column: 'a', op: 'in', value: [1, 'b', 'c'] }, 'a in (1, "b", "c")'],
    ['"and" = "say \\"hi\\""', { column: 'and', op: '=', value: 'say "hi"' }, '"and" = "say \\"hi\\""'],
  ])('%s', (text, expected, written) => {
    expect(okOf(readFilter(text))).toEqual(expected);
    expect(filterText(expected)).toBe(written);
    expect(okOf(readFilter(written))).toEqual(expected);
  });
  test.each([
    ['', 'a field is expected'],
    ['a', 'a comparison is expected after a: = != > < contains starts-with exists in'],
    ['a =', 'a value is expected'],
    ['a ~ b', '~ is no comparison; there are = != > >= < <= contains starts-with ends-with exists in'],
    ['a exists 1', 'exists takes no value'],
    ['a in ()', 'in needs values: in (a, b)'],
  ])('%s cannot be read', (text, error) => expect(okOf(readFilter(text))).toBe(error));

  test.each([
    ['COUNT where error = true as bad', 'COUNT where error = true as bad'],
    ['share=$bad / $all * 100', 'share = $bad / $all * 100'],
    ['"a share" = IF($bad, 1)', '"a share" = IF($bad, 1)'],
    ['share =', 'an expression is expected: share = $bad / $all * 100'],
    ['share = IF($bad', 'a closing parenthesis is expected'],
  ])('shown: %s', (text, expected) => {
    const read = readShown(text);
    expect('ok' in read ? shownText(read.ok) : read.error).toBe(expected);
  });

  test('having and order', () => {
    const having = okOf(readHaving('P95(duration_ms) > 100'));
    expect(having).toEqual({ calculation: { op: 'P95', column: 'duration_ms' }, op: '>', value: 100 });
    expect(havingText(having as never)).toBe('P95(duration_ms) > 100');
    expect(okOf(readHaving('COUNT > x'))).toBe('a number is expected');
    expect(okOf(readOrder('count'))).toEqual({ by: { op: 'COUNT' }, descending: true });
    expect(okOf(readOrder('COUNT asc'))).toEqual({ by: { op: 'COUNT' }, descending: false });
    expect(okOf(readOrder('service.name desc'))).toEqual({ by: 'service.name', descending: true });
    expect(orderText({ by: 'service.name', descending: false })).toBe('service.name asc');
  });

  test('lists are cut outside of quotes and parentheses', () => {
    expect(cut('COUNT, P95(duration_ms)', 'comma')).toEqual(['COUNT', 'P95(duration_ms)']);
    expect(cut('a = "x AND y" AND b in (1, 2) and c exists', 'word')).toEqual(['a = "x AND y"', 'b in (1, 2)', 'c exists']);
  });
});

const question: Question = {
  ...EMPTY,
  calculations: [{ op: 'COUNT' }, { op: 'P95', column: 'duration_ms' }],
  filters: [{ column: 'service.name', op: '=', value: 'api' }, { column: 'error', op: 'exists' }],
  combination: 'OR',
  breakdowns: ['http.route', 'odd name'],
  havings: [{ calculation: { op: 'COUNT' }, op: '>', value: 5 }],
  orders: [{ by: { op: 'P95', column: 'duration_ms' }, descending: true }],
  limit: 10,
  granularity: 60,
  compare: 86_400,
  calculated: [{ name: 'slow', expression: 'GT($duration_ms, 100)' }],
  dataset: 'api',
};

test('a question survives its address and its specification', () => {
  expect(questionFrom(searchFrom(question))).toEqual(question);
  expect(searchFrom(question).where).toBe('service.name = "api" OR error exists');
  const specification = { ...specificationOf(question), compare_time_offset_seconds: 86_400 };
  expect(questionOf(specification, 'api')).toEqual(question);
});

test('formulas, names and filters of calculations survive too', () => {
  const bad = { op: 'COUNT', name: 'bad', filters: [{ column: 'error', op: '=', value: true }, { column: 'http.status', op: '>=', value: 500 }], combination: 'OR' as const };
  const slow = { op: 'COUNT', filters: [{ column: 'duration_ms', op: '>', value: 100 }] };
  const asked: Question = { ...EMPTY, calculations: [bad, slow, { op: 'COUNT', name: 'all' }], formulas: [{ name: 'share', expression: '$bad / $all' }], breakdowns: ['name'], orders: [{ by: 'share', descending: true }] };
  expect(questionFrom(searchFrom(asked))).toEqual(asked);
  expect(questionOf(specificationOf(asked))).toEqual(asked);
  expect(specificationOf(asked)).toMatchObject({
    calculations: [{ name: 'bad', filter_combination: 'OR' }, { name: 'COUNT where duration_ms > 100' }, { name: 'all' }],
    formulas: [{ name: 'share', expression: '$bad / $all' }],
    orders: [{ column: 'share', order: 'descending' }],
  });
  expect(titleOf(asked)).toBe('share by name');
});

test('what is calculated no more orders nothing', () => {
  expect(specificationOf({ ...question, calculations: [] })).toMatchObject({ calculations: [{ op: 'COUNT' }] });
  expect(specificationOf({ ...question, calculations: [] }).orders).toBeUndefined();
});

test('kept times', () => {
  expect([{ time_range: 7200 }, { time_range: 90 }, {}, { start_time: 0, end_time: 60 }, { start_time: 60, end_time: 120 }].map(timeOf)).toEqual(['2h', '90s', undefined, undefined, '1970-01-01T00:01:00.000Z..1970-01-01T00:02:00.000Z']);
});

test('changes', () => {
  const one = withFilter(EMPTY, { column: 'a', op: '=', value: 1 });
  expect(withFilter(one, { column: 'a', op: '!=', value: 1 }).filters).toEqual([{ column: 'a', op: '!=', value: 1 }]);
  expect(withFilter(one, { column: 'a', op: '=', value: 1 }).filters).toHaveLength(1);
  const bounded = withBounds(withBounds(one, 'd', 1, 5), 'd', 2, null);
  expect(bounded.filters.map(filterText)).toEqual(['a = 1', 'd >= 2']);
  expect(filtersOfGroup(['a', 'b'], { a: 'x', b: null }).map(filterText)).toEqual(['a = "x"', 'b does-not-exist']);
  expect(titleOf(question)).toBe('COUNT, P95(duration_ms) by http.route, odd name where service.name = "api" or error exists');
});

describe('completion', () => {
  test.each([
    ['calc', 'P9', { what: 'operation', prefix: 'P9', start: 0, end: 2 }],
    ['calc', 'P95(dur', { what: 'number-field', prefix: 'dur', start: 4, end: 7 }],
    ['calc', 'P95(', { what: 'number-field', prefix: '', start: 4 }],
    ['calc', 'COUNT ', { what: 'more', prefix: '' }],
    ['calc', 'P95(x) wh', { what: 'more', prefix: 'wh', start: 7 }],
    ['calc', 'COUNT where ', { what: 'field' }],
    ['calc', 'COUNT where a = 1 and http.ro', { what: 'field', prefix: 'http.ro', start: 22, end: 29 }],
    ['calc', 'COUNT where http.route =', { what: 'value', field: 'http.route', start: 24 }],
    ['calc', 'COUNT where a = 1 ', { what: 'more' }],
    ['calc', 'COUNT as ', { what: 'nothing' }],
    ['calc', 'share = $b', { what: 'named', prefix: '$b', start: 8 }],
    ['where', 'http.ro', { what: 'field', prefix: 'http.ro' }],
    ['where', 'http.route ', { what: 'operator', field: 'http.route' }],
    ['where', 'http.route =', { what: 'value', field: 'http.route', operator: '=', prefix: '', start: 12 }],
    ['where', 'http.route = "/c', { what: 'value', field: 'http.route', prefix: '/c', start: 13 }],
    ['where', 'http.route in ("/a", ', { what: 'value', field: 'http.route', operator: 'in' }],
    ['where', 'http.route exists ', { what: 'nothing' }],
    ['by', 'ser', { what: 'field', prefix: 'ser' }],
    ['having', '', { what: 'calculation' }],
    ['having', 'COUNT ', { what: 'comparison' }],
    ['having', 'P95(duration_ms) ', { what: 'comparison' }],
    ['order', 'CO', { what: 'order', prefix: 'CO' }],
    ['order', 'COUNT ', { what: 'direction' }],
  ] as const)('%s: %s', (clause, text, expected) => expect(wantedAt(clause, text, text.length)).toMatchObject(expected));
});
