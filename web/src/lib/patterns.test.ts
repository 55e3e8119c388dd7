import { expect, it } from 'vitest';
import { longestWords } from './patterns';

it('turns a pattern into phrases that its lines have', () => {
  expect(longestWords('GET /api/<Any-1> took <Number-1> ms at last')).toBe('body:"GET" body:"took" body:"ms at last"');
  expect(longestWords('user=<Any-1> said "no"')).toBe('body:"said \\"no\\""');
  expect(longestWords('<Any-1>')).toBe('');
});
