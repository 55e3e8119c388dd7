import { describe, expect, it } from 'vitest';
import { blankFilter, conditionWords, draftOf, filterOf, filterWords, isWhole, ruleOf, ruleWords } from './errorSettings';

describe('grouping rules', () => {
  it('are the same after they were a form', () => {
    for (const rule of [
      { condition: { path: 'custom.tenant', op: 'neq', value: null }, fingerprint: 'x' },
      { name: 'a', condition: { path: 'custom.tenant', op: 'eq', value: 'blue' }, fingerprint: '{{default_fingerprint}}' },
      { condition: { any: [{ path: 'context', op: 'contains', value: 'cart' }, { path: 'level', op: 'in', value: ['error', 'critical'] }] }, title: 'T' },
      { condition: { none: [{ path: 'context', op: 'eq', value: 'x' }] }, title: 'T' },
      { condition: { all: [{ path: 'body.lines', op: 'gte', value: 5 }, { any: [{ path: 'a', op: 'eq', value: 'b' }] }] }, title: 'T' },
    ]) {
      expect(ruleOf(draftOf(rule))).toEqual(rule);
    }
  });

  it('are told in words', () => {
    expect(conditionWords({ all: [{ path: 'context', op: 'eq', value: 'cart' }, { none: [{ path: 'a', op: 'in', value: ['b', 'c'] }] }] })).toBe('context is cart and none of: a is one of b, c');
    expect(ruleWords({ trigger: 'occurrence_rate', filters: [{ type: 'level', operation: 'gte', value: 'error' }, { type: 'rate', period: 300, count: 10 }] }).replace(/\u00a0/g, ' ')).toBe('An error occurs often: level is at least error, 10 times within 5 min');
  });
});

describe('filters of notifications', () => {
  it('are written as Rollbar has them, and told in words', () => {
    const cases = [
      [{}, 'level', { type: 'level', operation: 'gte', value: 'error' }, 'level is at least error'],
      [{ value: ' app/pay ' }, 'filename', { type: 'filename', operation: 'within', value: 'app/pay' }, 'file in the stack has app/pay'],
      [{ path: 'custom.tenant', value: 'blue' }, 'path', { type: 'path', path: 'custom.tenant', operation: 'eq', value: 'blue' }, 'custom.tenant is blue'],
      [{ path: 'custom.sum', operation: 'gte', value: '10' }, 'path', { type: 'path', path: 'custom.sum', operation: 'gte', value: 10 }, 'custom.sum is at least 10'],
      [{ path: 'custom.sum', operation: 'exists' }, 'path', { type: 'path', path: 'custom.sum', operation: 'exists' }, 'custom.sum is there'],
      [{ value: '5' }, 'unique_occurrences', { type: 'unique_occurrences', value: 5 }, '5 people or more'],
    ] as const;
    for (const [change, type, expected, words] of cases) {
      const draft = { ...blankFilter(type), ...change };
      expect(isWhole(draft)).toBe(true);
      expect(filterOf(draft)).toEqual(expected);
      expect(filterWords(filterOf(draft))).toBe(words);
    }
  });

  it('say when something is missing', () => {
    for (const draft of [blankFilter('title'), blankFilter('path'), { ...blankFilter('path'), path: 'a' }, { ...blankFilter('unique_occurrences'), value: 'some' }, { ...blankFilter('path'), path: 'a', operation: 'gt', value: 'x' }]) {
      expect(isWhole(draft)).toBe(false);
    }
  });
});
