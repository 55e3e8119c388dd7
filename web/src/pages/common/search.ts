// The address of the page as its state: read by the route, changed here.
import { useNavigate } from '@tanstack/react-router';
import { useCallback } from 'react';
import { term, withTerm } from '../../lib/search';
import { inline } from '../../lib/json';
import { traceIdFrom } from '../../lib/ids';
import type { Search } from '../../lib/url';
import type { MenuItem } from '../../ui/Menu';
import type { ActionsFor } from '../../ui/Value';

export type SetSearch = (patch: Search, replace?: boolean) => void;

/** Changes some parameters of this page and keeps the others. */
export function useSetSearch(): SetSearch {
  const navigate = useNavigate();
  return useCallback(
    (patch, replace = false) => {
      // Every page's parameters are optional strings, which the union of all pages' types cannot tell.
      const search = ((old: Search) => ({ ...old, ...patch })) as never;
      // A change in place moves nothing under the reader; the router would restore what it remembers.
      void navigate({ to: '.', search, replace, resetScroll: !replace });
    },
    [navigate],
  );
}

type Scalar = string | number | boolean;

/** What a value can be compared with in the search language; arrays are stored as their JSON. */
function scalar(value: unknown): Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : inline(value);
}

/** The log lines of the last day by the values of a field, as a question that can be changed. */
function linesBy(field: string): string {
  const name = `"${field.replaceAll('"', '""')}"`;
  return `SELECT ${name}, count(*) AS lines, max(time) AS newest\nFROM logs\nWHERE ${name} IS NOT NULL AND time > now() - INTERVAL '1 day'\nGROUP BY 1\nORDER BY 2 DESC\nLIMIT 100`;
}

/**
 * What can be done with a value on this page. Where the page has a search line, filtering changes it; elsewhere the
 * value leads to the traces and log lines that have it.
 */
export function useValueActions(here?: { signal: 'spans' | 'logs'; q: string; setQ: (q: string) => void }): ActionsFor {
  const navigate = useNavigate();
  return (field, raw) => {
    const items: MenuItem[] = [];
    if (raw === null || raw === undefined) return items;
    const value = scalar(raw);
    const toTraces = (negated: boolean) => () => void navigate({ to: '/traces', search: { q: term(field, value, negated) } });
    const toLogs = () => void navigate({ to: '/logs', search: { q: term(field, value) } });
    // Spans are grouped where traces are refined, lines where any question can be asked.
    const toGroups = () => void (here?.signal === 'logs' ? navigate({ to: '/sql', search: { query: linesBy(field) } }) : navigate({ to: '/traces', search: { by: field } }));
    if (here) {
      items.push(
        { label: 'Filter by this', testId: 'value-filter', onSelect: () => here.setQ(withTerm(here.q, field, value)) },
        { label: 'Exclude this', testId: 'value-exclude', onSelect: () => here.setQ(withTerm(here.q, field, value, true)) },
      );
    } else {
      items.push(
        { label: 'Filter traces by this', testId: 'value-filter', onSelect: toTraces(false) },
        { label: 'Exclude this from traces', testId: 'value-exclude', onSelect: toTraces(true) },
      );
    }
    if (here?.signal === 'logs') items.push({ label: 'Show traces with this', testId: 'value-traces', onSelect: toTraces(false) });
    else items.push({ label: 'Show log lines with this', testId: 'value-logs', onSelect: toLogs });
    items.push({ label: 'Group by this field', testId: 'value-group', onSelect: toGroups });
    const id = traceIdFrom(Array.isArray(raw) && typeof raw[0] === 'string' ? raw[0] : String(value));
    if (id) items.push({ label: 'Open this trace', testId: 'value-open-trace', onSelect: () => void navigate({ to: '/traces/$traceId', params: { traceId: id } }) });
    return items;
  };
}
