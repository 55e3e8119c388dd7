import { describe, expect, it } from 'vitest';
import { conditionWords, draftOf, ruleOf, ruleWords } from './errorSettings';

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
