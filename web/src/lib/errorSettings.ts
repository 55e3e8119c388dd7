// Grouping rules and notification rules in words, and the texts that they are written in.
import type { Condition, ErrorRule, NotificationFilter, NotificationRule } from '../api/errorSettings';
import { duration } from './units';

export const OPS: readonly { value: string; label: string; list?: boolean }[] = [
  { value: 'eq', label: 'is' },
  { value: 'neq', label: 'is not' },
  { value: 'in', label: 'is one of', list: true },
  { value: 'nin', label: 'is none of', list: true },
  { value: 'contains', label: 'contains' },
  { value: 'ncontains', label: 'does not contain' },
  { value: 'regex_match', label: 'matches' },
  { value: 'gt', label: 'is more than' },
  { value: 'gte', label: 'is at least' },
  { value: 'lt', label: 'is less than' },
  { value: 'lte', label: 'is at most' },
];

export interface Leaf {
  path: string;
  op: string;
  value: string;
}

export interface RuleDraft {
  name: string;
  join: 'all' | 'any' | 'none';
  leaves: Leaf[];
  fingerprint: string;
  title: string;
  /** A condition that has conditions within: kept as its text. */
  json: string | null;
}

const textOf = (value: unknown): string => (Array.isArray(value) ? value.map(textOf).join(', ') : typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value));
const isLeaf = (condition: Condition): condition is { path: string; op: string; value?: unknown } => 'path' in condition;

export function draftOf(rule: ErrorRule): RuleDraft {
  const { condition } = rule;
  const rest = { name: rule.name ?? '', fingerprint: rule.fingerprint ?? '', title: rule.title ?? '' };
  const leaf = (one: { path: string; op: string; value?: unknown }): Leaf => ({ path: one.path, op: one.op, value: textOf(one.value) });
  if (isLeaf(condition)) return { ...rest, join: 'all', leaves: [leaf(condition)], json: null };
  for (const join of ['all', 'any', 'none'] as const) {
    const inner = (condition as Record<string, Condition[] | undefined>)[join];
    if (inner && inner.every(isLeaf) && Object.keys(condition).length === 1) return { ...rest, join, leaves: inner.map(leaf), json: null };
  }
  return { ...rest, join: 'all', leaves: [], json: JSON.stringify(condition, null, 2) };
}

/** Throws where the text of a nested condition is no JSON. */
export function ruleOf(draft: RuleDraft): ErrorRule {
  const value = ({ op, value: text }: Leaf): unknown => {
    const list = OPS.find((one) => one.value === op)?.list;
    const one = (part: string): unknown => (part !== '' && /^(gte?|lte?)$/.test(op) && Number.isFinite(Number(part)) ? Number(part) : part);
    // Nothing is compared with nothing: whether the value is there.
    if (text === '' && (op === 'eq' || op === 'neq')) return null;
    return list ? text.split(',').map((part) => one(part.trim())) : one(text);
  };
  const leaves = draft.leaves.filter((leaf) => leaf.path.trim() !== '').map((leaf) => ({ path: leaf.path.trim(), op: leaf.op, value: value(leaf) }));
  const [first] = leaves;
  const condition: Condition = draft.json !== null ? (JSON.parse(draft.json) as Condition) : leaves.length === 1 && first && draft.join !== 'none' ? first : ({ [draft.join]: leaves } as Condition);
  return { ...(draft.name.trim() ? { name: draft.name.trim() } : {}), condition, ...(draft.fingerprint.trim() ? { fingerprint: draft.fingerprint.trim() } : {}), ...(draft.title.trim() ? { title: draft.title.trim() } : {}) };
}

export function conditionWords(condition: Condition): string {
  if (isLeaf(condition) && (condition.value === null || condition.value === undefined) && /^n?eq$/.test(condition.op)) return `${condition.path} ${condition.op === 'eq' ? 'is missing' : 'is there'}`;
  if (isLeaf(condition)) return `${condition.path} ${OPS.find((one) => one.value === condition.op)?.label ?? condition.op} ${textOf(condition.value)}`;
  const [[join, inner] = ['all', []]] = Object.entries(condition) as [string, Condition[]][];
  const words = inner.map(conditionWords);
  return join === 'none' ? `none of: ${words.join('; ')}` : words.join(join === 'any' ? ' or ' : ' and ');
}

export const TRIGGERS: readonly { value: string; label: string }[] = [
  { value: 'new_item', label: 'A new error appears' },
  { value: 'reactivated_item', label: 'A resolved error is back' },
  { value: 'reopened_item', label: 'An error is reopened' },
  { value: 'resolved_item', label: 'An error is resolved' },
  { value: 'exp_repeat_item', label: 'An error occurred 10, 100, 1,000 … times' },
  { value: 'occurrence_rate', label: 'An error occurs often' },
  { value: 'occurrence', label: 'Every occurrence' },
  { value: 'deploy', label: 'A deploy' },
];
export const LEVELS = ['debug', 'info', 'warning', 'error', 'critical'] as const;

/** What an operation is called. */
const OPERATIONS: Readonly<Record<string, string>> = {
  eq: 'is',
  neq: 'is not',
  gt: 'is more than',
  gte: 'is at least',
  lt: 'is less than',
  lte: 'is at most',
  within: 'has',
  nwithin: 'has not',
  contains: 'has',
  ncontains: 'has not',
  startswith: 'begins with',
  regex: 'matches',
  regex_match: 'matches',
  exists: 'is there',
};
export const operationWords = (operation: string): string => OPERATIONS[operation] ?? operation;

const TEXT = ['eq', 'neq', 'within', 'nwithin', 'startswith', 'regex'] as const;

/** What a rule may ask, the usual operation first; deploys have no error to ask of. */
export const FILTERS: readonly { type: string; label: string; operations: readonly string[]; hint: string; deploys?: boolean }[] = [
  { type: 'level', label: 'level', operations: ['gte', 'eq', 'neq'], hint: '' },
  { type: 'environment', label: 'environment', operations: TEXT, hint: 'production', deploys: true },
  { type: 'title', label: 'title', operations: ['within', 'nwithin', 'eq', 'neq', 'startswith', 'regex'], hint: 'words of the title' },
  { type: 'context', label: 'context', operations: TEXT, hint: 'GET /cart' },
  { type: 'filename', label: 'file in the stack', operations: ['within', 'nwithin', 'eq', 'neq', 'startswith', 'regex'], hint: 'app/payments' },
  { type: 'method', label: 'function in the stack', operations: TEXT, hint: 'charge' },
  { type: 'framework', label: 'framework', operations: ['eq', 'neq'], hint: 'flask' },
  { type: 'path', label: 'value of the payload', operations: [...TEXT, 'gt', 'gte', 'lt', 'lte', 'exists'], hint: 'blue', deploys: true },
  { type: 'unique_occurrences', label: 'people hit', operations: ['gte'], hint: '10' },
];

export interface FilterDraft {
  type: string;
  operation: string;
  value: string;
  path: string;
}

export const blankFilter = (type: string): FilterDraft => ({ type, operation: FILTERS.find((one) => one.type === type)?.operations[0] ?? 'eq', value: type === 'level' ? 'error' : '', path: '' });

const isNumber = (text: string) => text.trim() !== '' && Number.isFinite(Number(text));

/** Whether a filter says enough to be used. */
export function isWhole({ type, operation, value, path }: FilterDraft): boolean {
  if (type === 'unique_occurrences') return Number.isInteger(Number(value)) && Number(value) >= 1;
  if (type === 'path' && path.trim() === '') return false;
  return operation === 'exists' || (/^[gl]te?$/.test(operation) && type !== 'level' ? isNumber(value) : value.trim() !== '');
}

export function filterOf({ type, operation, value, path }: FilterDraft): NotificationFilter {
  if (type === 'unique_occurrences') return { type, value: Number(value) };
  const told = /^[gl]te?$/.test(operation) && type !== 'level' ? Number(value) : value.trim();
  return { type, ...(type === 'path' ? { path: path.trim() } : {}), operation, ...(operation === 'exists' ? {} : { value: told }) };
}

export function filterWords(filter: NotificationFilter): string {
  if (filter.type === 'rate') return `${filter.count} times within ${duration((filter.period ?? 300) * 1e9)}`;
  if (filter.type === 'unique_occurrences') return `${textOf(filter.value ?? filter.count)} people or more`;
  const named = filter.type === 'path' ? (filter.path ?? 'path') : (FILTERS.find((one) => one.type === filter.type)?.label ?? filter.type);
  return `${named} ${operationWords(filter.operation ?? 'eq')} ${textOf(filter.value)}`.trim();
}

export function ruleWords(rule: Pick<NotificationRule, 'trigger' | 'filters'>): string {
  const known = TRIGGERS.find((one) => one.value === rule.trigger)?.label ?? rule.trigger;
  return rule.filters.length === 0 ? known : `${known}: ${rule.filters.map(filterWords).join(', ')}`;
}
