// Completion of a search line from what the store has seen.
import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import * as queries from '../../api/queries';
import type { Completing } from '../../lib/search';
import { count } from '../../lib/units';
import type { Suggestion } from '../../ui/SearchBar';

const KEYS_SHOWN = 12;

export function useSuggest(signal: 'spans' | 'logs', time: string | undefined): (wanted: Completing) => Promise<Suggestion[]> {
  const client = useQueryClient();
  return useCallback(
    async ({ key, prefix }) => {
      if (key !== null) {
        const answer = await client.fetchQuery(queries.attributeValues(key, signal, time, prefix, KEYS_SHOWN));
        return answer.values.map((value) => ({ text: value.value, hint: count(value.count) }));
      }
      const answer = await client.fetchQuery(queries.attributes(signal));
      const wanted = prefix.toLowerCase();
      if (wanted === '' && !document.activeElement?.matches('[data-search]')) return [];
      return answer.attributes
        .filter((attribute) => attribute.key.toLowerCase().includes(wanted))
        .sort((a, b) => Number(b.key.startsWith(prefix)) - Number(a.key.startsWith(prefix)) || a.key.length - b.key.length)
        .slice(0, KEYS_SHOWN)
        .map((attribute) => ({ text: attribute.key, hint: attribute.type }));
    },
    [client, signal, time],
  );
}
