// Panels on their grid, and the marks of notes.
import { expect, test } from 'vitest';
import { moved, overlap, placed, within } from './grid';
import { blocksOf, inlineOf } from './markdown';

const at = (x: number, y: number, w = 6, h = 4) => ({ x, y, w, h });

test('what has no place goes below, side by side', () => {
  expect(placed([at(0, 0), undefined, undefined, undefined])).toEqual([at(0, 0), at(0, 4, 6, 6), at(6, 4, 6, 6), at(0, 10, 6, 6)]);
  expect(within({ x: 20, y: -3, w: 1, h: 0.4 })).toEqual({ x: 10, y: 0, w: 2, h: 2 });
});

test('a panel that is moved makes the others give way, and gaps close', () => {
  expect(moved([at(0, 0), at(6, 0), at(0, 4)], 2, at(0, 0))).toEqual([at(0, 4), at(6, 0), at(0, 0)]);
  expect(moved([at(0, 0), at(6, 0)], 0, at(0, 9))).toEqual([at(0, 0), at(6, 0)]);
  const wide = moved([at(0, 0), at(6, 0)], 0, at(0, 0, 12, 4));
  expect(overlap(wide[0] as never, wide[1] as never)).toBe(false);
});

test('notes', () => {
  expect(inlineOf('a **b** `c` [d](https://e.f) [x](javascript:y)')).toEqual([
    { kind: 'text', text: 'a ' }, { kind: 'bold', text: 'b' }, { kind: 'text', text: ' ' }, { kind: 'code', text: 'c' }, { kind: 'text', text: ' ' },
    { kind: 'link', text: 'd', href: 'https://e.f' }, { kind: 'text', text: ' ' }, { kind: 'text', text: '[x](javascript:y)' },
  ]);
  expect(blocksOf('# Title\none\ntwo\n\n- a\n- b\n```\nx\n```').map((block) => block.kind)).toEqual(['heading', 'paragraph', 'list', 'code']);
});
