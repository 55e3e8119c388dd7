// The address of Explore: a question, how it is drawn, what is selected in it.
import { cut, EMPTY, filterText, isEither, questionFrom, readFilter, searchFrom, type Filter, type Question, type QuestionSearch } from '../../../lib/question';
import { paramFromRange, rangeFromParam } from '../../../lib/time';
import type { Selection } from '../../../api/explore';

export const KEYS = ['calc', 'where', 'by', 'having', 'order', 'limit', 'step', 'compare', 'let', 'dataset'] as const;

export interface ExploreSearch extends QuestionSearch {
  time?: string;
  tab?: string;
  draw?: string;
  scale?: string;
  marks?: string;
  /** What is selected: a time, `column:low..high`, and filters. */
  sel?: string;
  selv?: string;
  selw?: string;
  row?: string;
  live?: string;
}

/** What the page opens with: how much there is, and how long it takes, service by service. */
export const OPENING: Question = { ...EMPTY, calculations: [{ op: 'COUNT' }, { op: 'HEATMAP', column: 'duration_ms' }], breakdowns: ['service.name'] };

export function questionIn(search: ExploreSearch): Question {
  const read = questionFrom(search);
  const said = KEYS.some((key) => search[key] !== undefined);
  return said ? { ...read, calculations: read.calculations.length > 0 ? read.calculations : [{ op: 'COUNT' }] } : OPENING;
}

/** A question as parameters; those that it does not have are taken away. */
export function paramsOf(question: Question): QuestionSearch {
  const found = searchFrom({ ...question, calculations: question.calculations.length > 0 ? question.calculations : [{ op: 'COUNT' }] });
  return Object.fromEntries(KEYS.map((key) => [key, found[key]])) as QuestionSearch;
}

export function selectionIn(search: ExploreSearch): Selection | null {
  const { sel, selv, selw } = search;
  if (sel === undefined && selv === undefined && selw === undefined) return null;
  const out: Selection = { filters: cut(selw ?? '', 'word').flatMap((text) => {
    const read = readFilter(text);
    return 'ok' in read ? [read.ok] : [];
  }) };
  if (sel?.includes('..')) Object.assign(out, rangeFromParam(sel, 0));
  const values = /^(.*):([^:]*)\.\.([^:]*)$/.exec(selv ?? '');
  if (values) {
    out.column = values[1];
    if (values[2] !== '') out.low = Number(values[2]);
    if (values[3] !== '') out.high = Number(values[3]);
  }
  return out;
}

export function selectionParams(selection: Selection | null): Pick<ExploreSearch, 'sel' | 'selv' | 'selw'> {
  if (!selection) return { sel: undefined, selv: undefined, selw: undefined };
  const { start, end, column, low, high, filters } = selection;
  return {
    sel: start !== undefined && end !== undefined ? paramFromRange({ start, end }) : undefined,
    selv: column !== undefined && (low !== undefined || high !== undefined) ? `${column}:${low ?? ''}..${high ?? ''}` : undefined,
    selw: filters.length > 0 ? filters.map(filterText).join(' AND ') : undefined,
  };
}

/** A question narrowed to what is selected; its time goes to the page's range. One of which any filter may hold has no room for more. */
export function narrowedTo(question: Question, selection: Selection): Question {
  if (isEither(question)) return question;
  const bounds: Filter[] = [];
  if (selection.column !== undefined && selection.low !== undefined) bounds.push({ column: selection.column, op: '>=', value: selection.low });
  if (selection.column !== undefined && selection.high !== undefined) bounds.push({ column: selection.column, op: '<', value: selection.high });
  const columns = new Set(bounds.map((one) => one.column));
  const rest = question.filters.filter((one) => !(columns.has(one.column) && /^[<>]=?$/.test(one.op)));
  const added = selection.filters.filter((one) => !rest.some((other) => filterText(other) === filterText(one)));
  return { ...question, filters: [...rest, ...bounds, ...added], combination: 'AND' };
}
