import { expect, test } from 'vitest';
import { stillFits } from './stale';

const list = { start: 0, end: 4, items: [{ text: 'service.name' }, { text: 'service.version' }] };

test('what was written meanwhile is part of the word that is completed', () => {
  expect(stillFits(list, 'serv', 'serv')).toBe(list);
  expect(stillFits(list, 'serv', 'service.na')).toEqual({ start: 0, end: 10, items: [{ text: 'service.name' }] });
  expect(stillFits(list, 'serv', 'ser')).toEqual({ ...list, end: 3 });
});

test('suggestions for another place, and those that do not fit any more, are none', () => {
  expect(stillFits(list, 'serv', 'serv = 5')).toBeNull();
  expect(stillFits({ ...list, start: 2, end: 4 }, 'a serv', 'b serv')).toBeNull();
  const values = { start: 7, end: 8, items: [{ text: 'cruddur' }] };
  expect(stillFits(values, 'name = "', 'name = "cru')).toEqual({ start: 7, end: 11, items: [{ text: 'cruddur' }] });
  expect(stillFits(values, 'name = "', 'name = "x')).toBeNull();
});
