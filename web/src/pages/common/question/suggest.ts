// Completion of the clauses: operations, fields with their types, comparisons, and values from the store.
import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { fieldValues } from '../../../api/explore';
import * as kept from '../../../api/kept';
import { label, nameText, OPERATIONS, OPERATORS, orderText, valueText, wantedAt, type Calculation, type Clause, type Question, type Scalar } from '../../../lib/question';
import { count } from '../../../lib/units';
import type { TokenSuggestion, TokenSuggestions } from '../../../ui/TokenField';

const SHOWN = 40;
/** Offered before anything is written. */
const USUAL = ['service.name', 'name', 'duration_ms', 'http.route', 'http.request.method', 'http.response.status_code', 'error', 'exception.type', 'span.kind', 'trace.trace_id', 'severity', 'body'];
const RELATIONS = ['root.', 'parent.', 'child.', 'any.', 'any2.', 'any3.', 'none.'];

const numeric = (type: string) => /int|float|number/i.test(type);

export interface FieldTold {
  name: string;
  type: string;
}

export function useFields() {
  const client = useQueryClient();
  return useCallback(
    async (question: Question): Promise<FieldTold[]> => {
      const [columns, calculated] = await Promise.all([client.fetchQuery(kept.fields(question.dataset)), client.fetchQuery(kept.calculated()).catch(() => [])]);
      const own = [...question.calculated.map((one) => one.name), ...calculated.map((one) => one.alias)].map((name) => ({ name, type: 'calculated' }));
      const names = new Set(own.map((one) => one.name));
      return [...own, ...columns.filter((one) => !one.hidden && !names.has(one.key_name)).map((one) => ({ name: one.key_name, type: one.type }))];
    },
    [client],
  );
}

/** The best first: those that begin with what was written, then those in which a word does, then any; usual ones before others. */
export function ranked(fields: readonly FieldTold[], prefix: string): FieldTold[] {
  const wanted = prefix.toLowerCase();
  const usual = (name: string) => (USUAL.includes(name) ? USUAL.indexOf(name) : USUAL.length);
  const rank = (name: string) => {
    const low = name.toLowerCase();
    return low === wanted ? 0 : low.startsWith(wanted) ? 1 : low.split(/[._]/).some((part) => part.startsWith(wanted)) ? 2 : 3;
  };
  return fields
    .filter((one) => one.name.toLowerCase().includes(wanted))
    .map((one) => ({ one, rank: rank(one.name) }))
    .sort((a, b) => a.rank - b.rank || usual(a.one.name) - usual(b.one.name) || a.one.name.length - b.one.name.length || (a.one.name < b.one.name ? -1 : 1))
    .map(({ one }) => one);
}

export function useClauseSuggest(clause: Clause, question: Question, time: string | undefined): (text: string, caret: number) => Promise<TokenSuggestions> {
  const client = useQueryClient();
  const fieldsOf = useFields();
  return useCallback(
    async (text, caret) => {
      const wanted = wantedAt(clause, text, caret);
      const items = await offered();
      // A name that nobody told is most likely one that is not written to its end.
      const named = /field|operation|order|calculation/.test(wanted.what) && wanted.prefix !== '';
      return { start: wanted.start, end: wanted.end, items, prefer: named && !items.some((one) => one.text.toLowerCase() === wanted.prefix.toLowerCase()) };

      async function offered(): Promise<TokenSuggestion[]> {
        const prefix = wanted.prefix.toLowerCase();
        // Behind `where` a calculation is a filter.
        const isFiltered = clause === 'calc' && /\swhere\s/i.test(text.slice(0, wanted.start));
        const matching = <T,>(list: readonly T[], name: (one: T) => string) => list.filter((one) => name(one).toLowerCase().startsWith(prefix));
        if (wanted.what === 'operation') {
          const found = matching(OPERATIONS, (one) => one.name).slice(0, prefix === '' ? 14 : SHOWN);
          return found.map((one) => ({ text: one.takes ? `${one.name}(…)` : one.name, hint: one.help, insert: one.takes ? `${one.name}(|)` : one.name, whole: !one.takes }));
        }
        if (wanted.what === 'field' || wanted.what === 'number-field') {
          const relation = RELATIONS.find((one) => prefix.startsWith(one)) ?? '';
          const all = await fieldsOf(question);
          const fit = wanted.what === 'number-field' ? all.filter((one) => numeric(one.type) || one.type === 'calculated') : all;
          const found = ranked(fit, wanted.prefix.slice(relation.length)).slice(0, SHOWN);
          const head = relation;
          const told = found.map(({ name, type }) => {
            const written = nameText(head + name);
            if (clause === 'calc' && !isFiltered) return { text: head + name, hint: type, insert: text.slice(wanted.end).startsWith(')') ? written : `${written})`, whole: true };
            return { text: head + name, hint: type, insert: clause === 'by' ? written : `${written} `, whole: clause === 'by' };
          });
          const relations = (clause === 'where' || clause === 'by') && relation === '' && prefix !== '' ? RELATIONS.filter((one) => one.startsWith(prefix) && (clause === 'where' || one !== 'none.')) : [];
          return [...told, ...relations.map((one) => ({ text: `${one}…`, hint: RELATION_HELP[one], insert: one }))];
        }
        if (wanted.what === 'operator') {
          return OPERATORS.filter((one) => one.name.startsWith(prefix)).map((one) => ({ text: one.name, hint: one.values === 'list' ? 'several values' : undefined, insert: one.values === 'none' ? one.name : one.values === 'list' ? `${one.name} (|)` : `${one.name} `, whole: one.values === 'none' && clause === 'where' }));
        }
        if (wanted.what === 'value') {
          const field = wanted.field ?? '';
          const types = await fieldsOf(question);
          const isNumber = numeric(types.find((one) => one.name === field)?.type ?? '');
          const values = await client.fetchQuery(fieldValues(question, field, isNumber ? '' : wanted.prefix, time));
          const list = wanted.operator === 'in' || wanted.operator === 'not-in';
          return values
            .filter((one) => String(one.value).toLowerCase().includes(prefix))
            .map((one) => {
              const written = valueText(one.value as Scalar);
              const apart = /[\s("]$/.test(text.slice(0, wanted.start)) ? '' : ' ';
              return { text: String(one.value), hint: count(one.count), insert: apart + (list ? `${written}|` : written), whole: !list && clause === 'where' };
            });
        }
        if (wanted.what === 'more') {
          const apart = /\s$/.test(text.slice(0, wanted.start)) ? '' : ' ';
          const words = isFiltered ? [{ text: 'and' }, { text: 'or' }] : [{ text: 'where', hint: 'of these events alone' }];
          return matching([...words, { text: 'as', hint: 'a name, for formulas: share = $bad / $all' }], (one) => one.text).map((one) => ({ ...one, insert: `${apart}${one.text} ` }));
        }
        if (wanted.what === 'named') return matching(question.calculations.flatMap((one) => (one.name === undefined ? [] : [`$${one.name}`])), (one) => one).map((one) => ({ text: one, insert: `${one} ` }));
        if (wanted.what === 'calculation') return matching(question.calculations.filter((one) => one.op !== 'HEATMAP' && one.filters === undefined), bare).map((one) => ({ text: bare(one), insert: `${bare(one)} ` }));
        if (wanted.what === 'comparison') return matching(['>', '>=', '<', '<=', '=', '!='], (one) => one).map((one) => ({ text: one, insert: `${one} ` }));
        if (wanted.what === 'order') {
          const figures = question.formulas.length > 0 ? question.formulas.map((one) => one.name) : question.calculations.filter((one) => one.op !== 'HEATMAP').map((one) => (label(one) === bare(one) ? one : label(one)));
          const calculations = figures.flatMap((by) => [true, false].map((descending) => orderText({ by, descending })));
          const names = question.breakdowns.flatMap((by) => [false, true].map((descending) => orderText({ by, descending })));
          return matching([...calculations, ...names], (one) => one).map((one) => ({ text: one, whole: true }));
        }
        if (wanted.what === 'direction') return matching(['desc', 'asc'], (one) => one).map((one) => ({ text: one, hint: one === 'desc' ? 'largest first' : 'smallest first', whole: true }));
        return [];
      }
    },
    [clause, client, fieldsOf, question, time],
  );
}

/** Without its name and its filters, as a having has it. */
const bare = ({ op, column }: Calculation) => label(column === undefined ? { op } : { op, column });

const RELATION_HELP: Record<string, string> = {
  'root.': 'of the trace’s first span',
  'parent.': 'of the span’s parent',
  'child.': 'of a child of the span',
  'any.': 'of any span of the trace',
  'any2.': 'of any span, another one than of any.',
  'any3.': 'of any span, a third one',
  'none.': 'of no span of the trace',
};
