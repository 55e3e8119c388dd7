// SQL at the caret, and answers as pictures.
import { describe, expect, test } from 'vitest';
import { pictureOf } from './sqlchart';
import { columnText, sqlAt, tablesIn } from './sqlcomplete';

describe('at the caret', () => {
  test.each([
    ['SEL', { what: 'word', prefix: 'SEL', start: 0, end: 3 }],
    ['SELECT http.ro', { what: 'word', prefix: 'http.ro', start: 7 }],
    ['SELECT "http.ro', { what: 'column', prefix: 'http.ro', start: 7 }],
    ['SELECT "a", "b', { what: 'column', prefix: 'b', start: 12 }],
    [`WHERE "http.route" = '/ca`, { what: 'value', column: 'http.route', prefix: '/ca', start: 21 }],
    [`WHERE kind IN ('server', 'cl`, { what: 'value', column: 'kind', prefix: 'cl' }],
    [`WHERE name = 'it''s`, { what: 'value', column: 'name' }],
    [`SELECT 'x`, null],
    ['-- SEL', null],
    ['SELECT 1 + ', null],
  ])('%s', (text, expected) => (expected === null ? expect(sqlAt(text, text.length)).toBeNull() : expect(sqlAt(text, text.length)).toMatchObject(expected)));
  test('the quote that closes goes with what it closes', () => expect(sqlAt('SELECT "ab" FROM', 10)).toMatchObject({ what: 'column', prefix: 'ab', start: 7, end: 11 }));
  test('tables and names', () => {
    expect(tablesIn('SELECT 1 FROM logs JOIN spans')).toEqual(['spans', 'logs']);
    expect(tablesIn('SELECT ')).toEqual(['spans', 'logs', 'metrics']);
    expect(['name', 'http.route', 'a"b'].map(columnText)).toEqual(['name', '"http.route"', '"a""b"']);
  });
});

describe('pictures', () => {
  const columns = [{ name: 'minute', type: 'timestamp' }, { name: 'service', type: 'string' }, { name: 'n', type: 'int64' }];
  test('numbers over time, a line a group', () => {
    const rows = [['2026-01-01T00:02:00Z', 'a', 3], ['2026-01-01T00:00:00Z', 'a', 1], ['2026-01-01T00:01:00Z', 'b', 2]];
    expect(pictureOf(columns, rows)).toEqual({
      kind: 'time', start: Date.parse('2026-01-01T00:00:00Z'), step: 60_000, groupsLeft: 0,
      charts: [{ name: 'n', series: [{ label: 'a', values: [1, null, 3] }, { label: 'b', values: [null, 2, null] }] }],
    });
  });
  test('names and numbers are bars; others are none', () => {
    expect(pictureOf(columns.slice(1), [['a', 3]])).toEqual({ kind: 'bars', charts: [{ name: 'n', bars: [{ label: 'a', value: 3 }] }] });
    expect(pictureOf(columns.slice(2), [[3]])).toBeNull();
    expect(pictureOf(columns, [['2026-01-01T00:02:00Z', 'a', 3]])).toBeNull();
  });
});
