// Completion of X-Ray filter expressions: the server's keywords, the names of services, annotations and groups, values.
import { useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import * as queries from '../../api/queries';
import type { FilterKeyword } from '../../api/types';
import * as xray from '../../api/xray';
import { KEYWORD_ATTRIBUTE, quotedString, type FilterCompleting } from '../../lib/filter';
import type { Completing } from '../../lib/search';
import { count } from '../../lib/units';
import type { Suggestion } from '../../ui/SearchBar';

const SHOWN = 12;
/** Keywords are few enough to be shown all; these, which most expressions begin with, come first. */
const KEYWORDS_SHOWN = 60;
const FIRST = ['service', 'edge', 'annotation', 'fault', 'error', 'throttle', 'ok', 'responsetime', 'duration', 'http.status', 'http.url', 'http.method', 'user', 'group.name'];
/** What is about the whole trace. */
const OUTSIDE = /^(service|edge|annotation|group\.|rootcause\.)/;
const rank = (name: string) => (FIRST.indexOf(name) + FIRST.length + 1) % (FIRST.length + 1);
const ANNOTATION = 'aws.xray.annotation.';

export function useFilterSuggest(time: string | undefined): (wanted: Completing) => Promise<Suggestion[]> {
  const client = useQueryClient();
  return useCallback((wanted) => suggestionsFor(client, time, wanted as FilterCompleting), [client, time]);
}

async function suggestionsFor(client: QueryClient, time: string | undefined, wanted: FilterCompleting): Promise<Suggestion[]> {
  const { what, prefix, key } = wanted;
  if (what === 'service' || (what === 'value' && key !== null)) {
    const attribute = what === 'service' ? 'service.name' : await attributeOf(client, key ?? '');
    const answer = await client.fetchQuery(queries.attributeValues(attribute, 'spans', time, prefix, SHOWN));
    return answer.values.map((value) => ({ text: value.value, hint: count(value.count), insert: `${what === 'value' && /^\d+$/.test(value.value) ? value.value : quotedString(value.value)}${what === 'value' ? ' ' : ''}|` }));
  }
  if (what === 'group') {
    const groups = await client.fetchQuery(xray.groups());
    return matching(groups, prefix, (group) => group.name).map((group) => ({ text: group.name, hint: group.filter_expression, insert: `${quotedString(group.name)} |` }));
  }
  if (what === 'annotation') return annotations(client, prefix, key !== null);
  const keywords = await client.fetchQuery(xray.filterKeywords());
  const ranked = keywords.filter((keyword) => !(wanted.inBlock && OUTSIDE.test(keyword.name))).sort((a, b) => rank(a.name) - rank(b.name));
  const own = matching(ranked, prefix, (keyword) => keyword.name, KEYWORDS_SHOWN).map((keyword) => ({ text: keyword.name, hint: keyword.help, insert: written(keyword) }));
  if (own.length >= SHOWN || prefix === '') return own;
  return [...own, ...(await annotations(client, prefix, false))].slice(0, SHOWN);
}

/** Annotations first; any other attribute is found by the same words. */
async function annotations(client: QueryClient, prefix: string, bracketed: boolean): Promise<Suggestion[]> {
  const answer = await client.fetchQuery(queries.attributes('spans'));
  const named = answer.attributes.map(({ key, type }) => ({ name: key.startsWith(ANNOTATION) ? key.slice(ANNOTATION.length) : key, own: key.startsWith(ANNOTATION), type }));
  return matching(named, prefix, (one) => one.name)
    .sort((a, b) => Number(b.own) - Number(a.own))
    .map(({ name, own, type }) => ({
      text: name,
      hint: own ? 'annotation' : type,
      insert: bracketed ? `${name}|` : /^\w+$/.test(name) ? `annotation.${name} = |` : `annotation[${name}] = |`,
    }));
}

async function attributeOf(client: QueryClient, key: string): Promise<string> {
  const plain = KEYWORD_ATTRIBUTE[key.toLowerCase()];
  if (plain !== undefined) return plain;
  const name = key.replace(/^annotation\./i, '');
  const answer = await client.fetchQuery(queries.attributes('spans'));
  const annotation = `${ANNOTATION}${name}`;
  return answer.attributes.some((one) => one.key === annotation) ? annotation : name;
}

function matching<T>(list: readonly T[], prefix: string, text: (one: T) => string, most = SHOWN): T[] {
  const wanted = prefix.toLowerCase();
  return list
    .filter((one) => text(one).toLowerCase().includes(wanted))
    .sort((a, b) => Number(text(b).toLowerCase().startsWith(wanted)) - Number(text(a).toLowerCase().startsWith(wanted)))
    .slice(0, most);
}

/** A keyword as one goes on writing after it. */
function written({ name, kind }: FilterKeyword): string {
  const bare = name.replace(/\(.*$/, '').replace(/[.[]\W*(x|key|<.*>)?\W*$/i, '');
  if (bare === 'service') return 'service("|")';
  if (bare === 'edge') return 'edge("|", "")';
  if (bare === 'annotation') return 'annotation.|';
  if (bare === 'id') return 'id(name: "|", type: "")';
  if (/^group\./.test(bare)) return `${bare} = |`;
  if (bare === 'rootcause.json') return 'rootcause.json = #[|]';
  if (/^rootcause\..*(entity|service|exception)$/.test(bare)) return `${bare} { | }`;
  if (/^num/i.test(kind)) return /status|index/.test(bare) ? `${bare} = |` : `${bare} >= |`;
  if (/^str/i.test(kind)) return /method/.test(bare) ? `${bare} = |` : `${bare} CONTAINS |`;
  return `${bare} |`;
}
