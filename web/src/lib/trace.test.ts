import { describe, expect, test } from 'vitest';
import { compareTypical, timesTold, usualOf } from './compare';
import { boxesByTime, boxesMerged, byRow, fill, firstAfter, mergeSiblings } from './flame';
import { explainGap, longestGaps, selfTimes } from './gaps';
import { formatSql, sqlTokens } from './sqltext';
import { segmentOf, xrayWord } from './xray';
import { collapsedBy, foldsFromParam, paramFromFolds, paramFromStretch, place, stretchFromParam, tickLabels, visibleRows } from './waterfall';

const MS = 1_000_000;

/** A span a line: indentation is depth, then `service name start+length`, in ms, and flags. */
function trace(text: string) {
  const spans = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, i) => {
      const [service = '', name = '', times = '', ...flags] = line.trim().split(/\s+/);
      const [start, length] = times.split('+').map(Number);
      const flag = (key: string) => flags.find((one) => one.startsWith(`${key}=`))?.slice(key.length + 1);
      return {
        trace_id: 't', span_id: `000000000000000${i}`.slice(-16), depth: line.search(/\S/) / 2, service, name, receiver: 'otlp', attributes: {},
        start_time_unix_nano: String((start ?? 0) * MS), duration_ns: (length ?? 0) * MS,
        kind: flag('kind') ?? 'internal', in_progress: flags.includes('running'), clock_skew_ns: Number(flag('skew') ?? 0) * MS,
        linked_by: flags.includes('linked') ? 'links' : null, status_code: flags.includes('error') ? 'error' : 'unset',
      };
    });
  return { spans, placed: place(spans, '0') };
}

const ms = (ns: number) => ns / MS;
const gapsTold = (text: string) => {
  const { spans, placed } = trace(text);
  return [...selfTimes(spans, placed).gaps].map(([i, gaps]) => `${spans[i]?.name}: ${gaps.map((gap) => `${ms(gap.from)}-${ms(gap.to)} ${spans[gap.before]?.name ?? ''}|${spans[gap.after]?.name ?? ''}`).join(', ')}`);
};

describe('gaps', () => {
  test('are before, between and after children', () => {
    expect(gapsTold('a root 0+100\n  a x 10+20\n  a y 40+50')).toEqual(['root: 0-10 |x, 30-40 x|y, 90-100 y|']);
  });
  test('are none where children overlap, nest or outlast their parent', () => {
    expect(gapsTold('a root 0+100\n  a x 0+60\n  a y 50+90')).toEqual([]);
    expect(gapsTold('a root 0+100\n  a x 0+100\n  a y 50+10')).toEqual([]);
  });
  test('of a span without children are none: all of it is its own', () => {
    const { spans, placed } = trace('a root 0+100');
    const { gaps, self } = selfTimes(spans, placed);
    expect(gaps.size).toBe(0);
    expect(self[0]).toBe(100 * MS);
  });
  test('a child before its parent by its clock counts from the start', () => {
    expect(gapsTold('a root 10+100\n  a x 0+20')).toEqual(['root: 20-110 x|']);
  });
  test('a child wholly outside fills nothing', () => {
    expect(gapsTold('a root 10+10\n  a late 30+20')).toEqual(['root: 10-20 |late']);
  });
  test('the other tracer fills none, and running spans have none at their end', () => {
    expect(gapsTold('a root 0+100\n  a x 0+50\n  b other 0+100 linked')).toEqual(['root: 50-100 x|']);
    expect(gapsTold('a root 0+100 running\n  a x 0+50')).toEqual([]);
  });
  test('by the parent’s clock, where its children’s differs', () => {
    expect(gapsTold('a root 0+100\n  b x 60+80 skew=-50')).toEqual(['root: 0-10 |x, 90-100 x|']);
    expect(gapsTold('a root 0+100\n  b x 60+80 skew=-50\n    b y 60+70 skew=-50')).toEqual(['root: 0-10 |x, 90-100 x|', 'x: 130-140 y|']);
  });
  test('small ones are left out but counted as the span’s own time', () => {
    const { spans, placed } = trace('a root 0+1000\n  a x 1+999');
    const { gaps, self } = selfTimes(spans, placed);
    expect(gaps.size).toBe(0);
    expect(self[0]).toBe(MS);
  });
  test('children in any order', () => {
    expect(gapsTold('a root 0+100\n  a y 60+40\n  a x 0+50')).toEqual(['root: 50-60 x|y']);
  });
  test('the longest first, and only what matters to the trace', () => {
    const { spans, placed } = trace('a root 0+1000\n  a x 0+900\n    a z 5+890\n  a y 930+20');
    const { gaps } = selfTimes(spans, placed);
    expect(longestGaps(gaps, 1000 * MS, 9).map((gap) => ms(gap.to - gap.from))).toEqual([50, 30]);
    expect(longestGaps(gaps, 1_000_000 * MS, 1).map((gap) => ms(gap.to - gap.from))).toEqual([50]);
  });
  test.each([
    ['web call 0+100 kind=client\n  api answer 40+20 kind=server', 0, 'before answer', /on its way: .*worker of api/],
    ['web call 0+100 kind=client\n  api answer 40+20 kind=server', 1, 'after answer', /answer of api was on its way back/],
    ['web send 0+100 kind=producer\n  job take 40+60 kind=consumer', 0, 'before take', /waited to be taken by job/],
    ['web work 0+100\n  web a 0+10\n  web b 50+50', 0, 'between a and b', /No span tells what web did/],
    ['web call 0+100 kind=client\n  api answer 40+20 kind=server skew=7', 0, 'before answer', /differ by about 7\u00a0ms/],
  ])('explained: %s', (text, n, where, why) => {
    const { spans, placed } = trace(text);
    const gap = selfTimes(spans, placed).gaps.get(0)?.[n];
    const told = explainGap(spans, 0, gap!);
    expect(told.where).toBe(where);
    expect(told.why).toMatch(why);
  });
});

describe('flame by time', () => {
  const rows = (text: string) => {
    const { spans, placed } = trace(text);
    return boxesByTime(placed).map((box) => `${spans[box.index]?.name} ${box.row}`);
  };
  test('children stand below their parent, one after the other in one row', () => {
    expect(rows('a root 0+100\n  a x 0+40\n    a xx 10+10\n  a y 50+40')).toEqual(['root 0', 'x 1', 'xx 2', 'y 1']);
  });
  test('what ran side by side is side by side', () => {
    expect(rows('a root 0+100\n  a x 0+60\n  a y 30+60\n  a z 65+10')).toEqual(['root 0', 'x 1', 'y 2', 'z 1']);
  });
  test('a child ahead of its parent by its clock is still below it', () => {
    expect(rows('a root 0+100\n  a p 50+40\n    a early 10+20')).toEqual(['root 0', 'p 1', 'early 2']);
  });
  test('what has no parent here is not below what it did not come from', () => {
    expect(rows('a root 0+100\n  a x 0+40\n    a xx 10+10\nb orphan 45+10\n  b y 46+2')).toEqual(['root 0', 'x 1', 'xx 2', 'orphan 4', 'y 5']);
  });
  test('20,000 side by side are laid out in time', () => {
    const { placed } = trace('a root 0+100\n  a x 0+100');
    const many = [{ ...placed[0]!, next: 20_000 }, ...Array.from({ length: 19_999 }, () => ({ ...placed[1]!, next: 20_000 }))];
    const began = performance.now();
    expect(Math.max(...boxesByTime(many).map((box) => box.row))).toBe(19_999);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
  test('pointing finds the box', () => {
    const { placed } = trace('a root 0+100\n  a x 0+40\n  a y 50+40');
    const row = byRow(boxesByTime(placed))[1]!;
    expect([0, 45, 60, 95].map((at) => firstAfter(row, at * MS))).toEqual([0, 1, 1, 2]);
  });
});

describe('flame of merged siblings', () => {
  const { spans, placed } = trace('a root 0+100\n  a q 0+10\n    db row 0+5\n  a q 10+30 error\n    db row 10+5\n    db other 20+5\n  b q 40+20\n  a r 60+10');
  const { self } = selfTimes(spans, placed);
  const { nodes, nodeOf } = mergeSiblings(spans, placed, self);
  test('one node for each service and name below one parent', () => {
    expect(nodes.map((node) => `${node.depth} ${node.service} ${node.name} ×${node.count} ${ms(node.total)} self ${ms(node.self)}`)).toEqual([
      '0 a root ×1 100 self 30', '1 a q ×2 40 self 25', '2 db row ×2 10 self 10', '2 db other ×1 5 self 5', '1 b q ×1 20 self 20', '1 a r ×1 10 self 10',
    ]);
    expect([...nodeOf]).toEqual([0, 1, 2, 1, 2, 3, 4, 5]);
    expect(nodes[1]).toMatchObject({ errors: 1, longest: 3, first: 1, children: [2, 3] });
  });
  test('widths are shares of the parent', () => {
    expect(boxesMerged(nodes, null).map((box) => `${nodes[box.index]?.name} ${box.row} ${box.from.toFixed(2)}-${box.to.toFixed(2)}`)).toEqual([
      'root 0 0.00-1.00', 'q 1 0.00-0.40', 'q 1 0.40-0.60', 'r 1 0.60-0.70', 'row 2 0.00-0.10', 'other 2 0.10-0.15',
    ]);
  });
  test('a node looked at fills the width, its ancestors above', () => {
    expect(boxesMerged(nodes, 1).map((box) => `${nodes[box.index]?.name} ${box.row} ${box.from.toFixed(2)}-${box.to.toFixed(2)}`)).toEqual(['root 0 0.00-1.00', 'q 1 0.00-1.00', 'row 2 0.00-0.25', 'other 2 0.25-0.38']);
  });
  test('children that ran side by side share the width of their parent', () => {
    const side = trace('a root 0+100\n  a x 0+100\n  a y 0+100');
    const merged = mergeSiblings(side.spans, side.placed, selfTimes(side.spans, side.placed).self).nodes;
    expect(boxesMerged(merged, null).map((box) => [box.from, box.to])).toEqual([[0, 1], [0, 0.5], [0.5, 1]]);
    expect(fill(merged, 0)).toBe(2);
  });
  test('a chain of 20,000 is no problem', () => {
    const deep = Array.from({ length: 20_000 }, (_, i) => ({ offset: 0, duration: 10, next: 20_000, parent: i - 1 }));
    const names = deep.map(() => ({ service: 'a', name: 'x', status_code: 'unset' }));
    const merged = mergeSiblings(names, deep, new Float64Array(20_000)).nodes;
    expect(boxesMerged(merged, null)).toHaveLength(20_000);
  });
});

describe('comparing with a typical trace', () => {
  const span = (name: string, typical: number, here: number, typical_count = 1, this_count = 1) => ({ service: 's', name, typical_ns: typical, typical_count, this_ns: here, this_count });
  test('the biggest difference first, whichever way', () => {
    const told = compareTypical([span('same', 100, 105), span('faster', 500, 100), span('slower', 100, 900), span('new', 0, 50, 0, 1), span('gone', 300, 0, 2, 0)]);
    expect(told.map((one) => `${one.name} ${one.verdict} ${one.diff} ${one.times === null ? '-' : timesTold(one.times)}`)).toEqual(['slower slower 800 9×', 'faster faster -400 0.2×', 'gone not here -300 -', 'new only here 50 -', 'same alike 5 1.1×']);
  });
  test('equal differences stand in one order', () => {
    expect(compareTypical([span('b', 0, 5), span('a', 5, 0)]).map((one) => one.name)).toEqual(['a', 'b']);
  });
  test('rows are marked by the usual length of one span', () => {
    const rows = [
      { service: 's', name: 'slow', duration_ns: 400 },
      { service: 's', name: 'many', duration_ns: 10 },
      { service: 's', name: 'new', duration_ns: 10 },
      { service: 's', name: 'unknown', duration_ns: 10 },
    ];
    const marks = usualOf(rows, [span('slow', 100, 400), span('many', 100, 100, 10, 10), span('new', 0, 10, 0, 1)], 500);
    expect([...marks]).toEqual([[0, { ns: 100, times: 4 }], [1, { ns: 10, times: null }], [2, { ns: null, times: null }]]);
  });
});

describe('state in the address', () => {
  const { spans, placed } = trace('a root 0+100\n  a x 0+40\n    a xx 10+10\n  a y 50+40\n    a yy 50+10');
  const shown = (param: string | undefined) => visibleRows(placed, collapsedBy(spans, placed, foldsFromParam(param))).map((i) => spans[i]?.name);
  test.each([
    [undefined, 'root x xx y yy'],
    ['1', 'root x y'],
    ['1,0000000000000003', 'root x y yy'],
    ['0000000000000001', 'root x y yy'],
    ['0000000000000002', 'root x xx y yy'],
    ['0', 'root'],
  ])('folds %s', (param, rows) => {
    expect(shown(param).join(' ')).toBe(rows);
    expect(paramFromFolds(foldsFromParam(param))).toBe(param);
  });
  test.each([['100-200', [100, 200]], ['100-9999', [100, 1000]], ['200-100', null], ['x', null], [undefined, null]])('stretch %s', (param, stretch) => {
    expect(stretchFromParam(param, 1000)).toEqual(stretch);
  });
  test('a stretch is told in whole nanoseconds', () => expect(paramFromStretch([1.5, 2.5])).toBe('1-3'));
  test.each([
    [[0, 100 * MS, 200 * MS], '0, 100 ms, 200 ms'],
    [[30_014.2 * MS, 30_014.3 * MS, 30_014.4 * MS], '30.0 s, +100 µs, +200 µs'],
    [[], ''],
  ])('ruler %s', (marks, labels) => expect(tickLabels(marks).join(', ').replace(/\u00a0/g, ' ')).toBe(labels));
  test('clocks brought in line', () => {
    const skewed = trace('a root 0+100\n  b x 0+40 skew=30').spans;
    expect(place(skewed, '0', true).map((one) => ms(one.offset))).toEqual([0, 30]);
  });
});

describe('SQL as people read it', () => {
  test.each([
    [
      'select a, b from t left outer join u on t.id = u.id where a = $1 and b between 1 and 2 order by a desc limit 10',
      'select a, b\nfrom t\nleft outer join u on t.id = u.id\nwhere a = $1\n  and b between 1 and 2\norder by a desc\nlimit 10',
    ],
    ["INSERT INTO t (a, b) VALUES ('x, y', 2) RETURNING id", "INSERT INTO t(a, b)\nVALUES ('x, y', 2)\nRETURNING id"],
    ['SELECT * FROM (SELECT count(*) FROM t WHERE x IN (1, 2)) q', 'SELECT *\nFROM (\n  SELECT count(*)\n  FROM t\n  WHERE x IN (1, 2)\n) q'],
    ['SELECT 1 WHERE a AND EXISTS (SELECT 1 FROM s WHERE s.n > 0) AND b ORDER BY 1', 'SELECT 1\nWHERE a\n  AND EXISTS (\n    SELECT 1\n    FROM s\n    WHERE s.n > 0\n  )\n  AND b\nORDER BY 1'],
    ["UPDATE t SET a = 'it''s' WHERE id = ?", "UPDATE t\nSET a = 'it''s'\nWHERE id = ?"],
    ['DELETE FROM t WHERE a::text = b', 'DELETE FROM t\nWHERE a::text = b'],
    ['BEGIN', 'BEGIN'],
    ['GET key', 'GET key'],
    ['', ''],
  ])('%s', (text, formatted) => expect(formatSql(text)).toBe(formatted));
  test('nothing is lost', () => {
    const text = `with x as (select "a""b", \`c\`, 'open from t -- end\nwhere é = 1`;
    expect(sqlTokens(text).map((token) => token.text).join('').replace(/\s/g, '')).toBe(text.replace(/\s/g, ''));
  });
  test('kinds', () => expect(sqlTokens("SELECT a, 1, 'x'").map((token) => token.kind)).toEqual(['keyword', 'word', 'mark', 'number', 'mark', 'string']));
});

describe('a segment in X-Ray’s words', () => {
  test('annotations, metadata and members apart', () => {
    expect(segmentOf({ 'aws.xray.annotations': '["user_handle"]', user_handle: 'a', 'aws.xray.metadata.default': '{"x": 1}', 'aws.xray.metadata.other': { y: 2 }, 'url.full': '/a', 'aws.xray.fault': true })).toEqual({
      annotations: { user_handle: 'a' },
      metadata: [['default', { x: 1 }], ['other', { y: 2 }]],
      members: { 'url.full': '/a', 'aws.xray.fault': true },
    });
  });
  test('nothing of it', () => expect(segmentOf({ 'aws.xray.annotations': 'no list' })).toEqual({ annotations: {}, metadata: [], members: {} }));
  test.each([['url.full', 'http.request.url'], ['aws.xray.origin', 'origin'], ['thread.id', 'thread.id']])('%s', (key, word) => expect(xrayWord(key)).toBe(word));
});
