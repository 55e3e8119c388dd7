// What changed since the period before, as data.
import { expect, test } from 'vitest';
import { changesOf, type Measured } from './changes';

const at = (service: string, requests: number, errors = 0, p95_ms = 50, route?: string): Measured => ({ service, requests, errors, p95_ns: p95_ms * 1e6, ...(route === undefined ? {} : { route }) });
const told = (now: Measured[], before: Measured[]) => changesOf(now, before).map((one) => `${one.kind} ${one.of.service}${one.of.route ?? ''}`);

test.each([
  ['usual wavering', [at('a', 100, 2, 55)], [at('a', 120, 2, 50)], []],
  ['more errors', [at('a', 100, 20)], [at('a', 100, 2)], ['errors a']],
  ['fewer errors', [at('a', 100, 0)], [at('a', 100, 9)], ['fewer-errors a']],
  ['slower', [at('a', 100, 0, 200)], [at('a', 100, 0, 50)], ['slower a']],
  ['slower, but of a handful', [at('a', 5, 0, 200)], [at('a', 5, 0, 50)], []],
  ['slower by next to nothing', [at('a', 100, 0, 2)], [at('a', 100, 0, 1)], []],
  ['quicker', [at('a', 100, 0, 50)], [at('a', 100, 0, 200)], ['quicker a']],
  ['new and gone', [at('a', 100)], [at('b', 100)], ['new a', 'gone b']],
  ['busier and quieter', [at('a', 300), at('b', 40)], [at('a', 100), at('b', 100)], ['busier a', 'quieter b']],
  ['a route that was not among the slowest is not new', [at('a', 100, 0, 50, '/x')], [], []],
  ['errors weigh more', [at('a', 100, 0, 200), at('b', 100, 30)], [at('a', 100, 0, 50), at('b', 100, 0)], ['errors b', 'slower a']],
])('%s', (_, now, before, expected) => expect(told(now, before)).toEqual(expected));
