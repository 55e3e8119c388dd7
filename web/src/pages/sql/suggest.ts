// Completion of SQL from what the store has seen: tables, columns of the tables named, values, functions.
import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import * as queries from '../../api/queries';
import { columnText, sqlAt, SQL_WORDS, tablesIn } from '../../lib/sqlcomplete';
import { count } from '../../lib/units';
import type { TokenSuggestions } from '../../ui/TokenField';

const SHOWN = 14;
const NOTHING: TokenSuggestions = { start: 0, end: 0, items: [] };
const TABLES = ['spans', 'logs', 'metrics'];
const METRICS = ['time', 'metric', 'type', 'unit', 'value', 'count', 'sum', 'min', 'max', 'service.name'];

export function useSqlSuggest(): (text: string, caret: number) => Promise<TokenSuggestions> {
  const client = useQueryClient();
  return useCallback(
    async (text, caret) => {
      const at = sqlAt(text, caret);
      if (at === null) return NOTHING;
      const { start, end } = at;
      const wanted = at.prefix.toLowerCase();
      const tables = tablesIn(text);
      if (at.what === 'value') {
        const signal = tables.includes('spans') ? 'spans' : 'logs';
        const answer = await client.fetchQuery(queries.attributeValues(at.column ?? '', signal, '24h', at.prefix, SHOWN));
        return { start, end, items: answer.values.map((one) => ({ text: one.value, hint: count(one.count), insert: `'${one.value.replace(/'/g, "''")}'` })) };
      }
      const told = await Promise.all(tables.filter((table) => table !== 'metrics').map((table) => client.fetchQuery(queries.attributes(table as 'spans' | 'logs'))));
      const columns = new Map([...told.flatMap((one) => one.attributes.map((attribute) => [attribute.key, attribute.type] as const)), ...(tables.includes('metrics') ? METRICS.map((name) => [name, 'metrics'] as const) : [])]);
      const found = [...columns]
        .filter(([name]) => name.toLowerCase().includes(wanted))
        .map(([name, type]) => ({ text: name, hint: type, insert: columnText(name), rank: name.toLowerCase().startsWith(wanted) ? 0 : 2 }));
      const words = at.what === 'word' ? [...TABLES.map((text) => ({ text, hint: 'table', insert: undefined })), ...SQL_WORDS].filter((one) => one.text.toLowerCase().startsWith(wanted)).map((one) => ({ ...one, rank: 1 })) : [];
      const items = [...found, ...words].sort((a, b) => a.rank - b.rank || a.text.length - b.text.length);
      // What is written to its end needs no completion.
      if (items.some((one) => one.text.toLowerCase() === wanted && one.insert === undefined)) return NOTHING;
      return { start, end, items: items.slice(0, SHOWN) };
    },
    [client],
  );
}
