// What a click on a value does in Explore: the question changes.
import { useNavigate } from '@tanstack/react-router';
import { traceIdFrom } from '../../../lib/ids';
import { inline } from '../../../lib/json';
import { term } from '../../../lib/search';
import { withBreakdown, withFilter, type Filter, type Question, type Scalar } from '../../../lib/question';
import type { MenuItem } from '../../../ui/Menu';
import type { ActionsFor } from '../../../ui/Value';

const scalar = (value: unknown): Scalar => (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : inline(value));

export function useQuestionActions(question: Question, onChange: (question: Question) => void): ActionsFor {
  const navigate = useNavigate();
  return (field, raw) => {
    const none = raw === null || raw === undefined;
    const value = none ? undefined : scalar(raw);
    const kept: Filter = none ? { column: field, op: 'does-not-exist' } : { column: field, op: '=', value };
    const left: Filter = none ? { column: field, op: 'exists' } : { column: field, op: '!=', value };
    const calculate = (op: string) => onChange({ ...question, calculations: [...question.calculations.filter((one) => one.op !== op || one.column !== field || one.name !== undefined), { op, column: field }] });
    const items: MenuItem[] = [
      { label: none ? 'Only events without it' : 'Filter by this', testId: 'value-filter', onSelect: () => onChange(withFilter(question, kept)) },
      { label: none ? 'Only events with it' : 'Exclude this', testId: 'value-exclude', onSelect: () => onChange(withFilter(question, left)) },
      { label: 'Group by this field', testId: 'value-group', onSelect: () => onChange(withBreakdown(question, field)) },
    ];
    if (typeof value === 'number') {
      items.push({ label: 'Show as a heatmap', onSelect: () => calculate('HEATMAP') }, { label: 'Show the 95th percentile', onSelect: () => calculate('P95') });
    } else if (!none) {
      items.push({ label: 'Count its different values', onSelect: () => calculate('COUNT_DISTINCT') });
    }
    if (value !== undefined) {
      const id = traceIdFrom(String(value));
      if (id) items.push({ label: 'Open this trace', testId: 'value-open-trace', onSelect: () => void navigate({ to: '/traces/$traceId', params: { traceId: id } }) });
      items.push({ label: 'Show log lines with this', testId: 'value-logs', onSelect: () => void navigate({ to: '/logs', search: { q: term(field, value) } }) });
    }
    return items;
  };
}
