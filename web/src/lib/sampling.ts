// A sampling rule in plain words.
import { percent } from './units';

export interface RuleLike {
  name: string;
  priority: number;
  fixed_rate: number;
  reservoir_size: number;
  service_name: string;
  service_type: string;
  host: string;
  http_method: string;
  url_path: string;
  resource_arn: string;
  attributes: Record<string, string>;
}

/** The rule that is always there, asked last. */
export const DEFAULT_RULE = 'Default';
export const PRIORITY = { least: 1, most: 9999, last: 10_000 } as const;

const any = (pattern: string) => pattern === '' || pattern === '*';

/** Which requests a rule is for: `GET requests to /api/* of backend-*`. */
export function matchedWords(rule: RuleLike): string {
  const parts = [any(rule.http_method) ? 'requests' : `${rule.http_method} requests`];
  if (!any(rule.url_path)) parts.push(`to ${rule.url_path}`);
  if (!any(rule.service_name)) parts.push(`of ${rule.service_name}`);
  if (!any(rule.service_type)) parts.push(`on ${rule.service_type}`);
  if (!any(rule.host)) parts.push(`at host ${rule.host}`);
  if (!any(rule.resource_arn)) parts.push(`of resource ${rule.resource_arn}`);
  const with_ = Object.entries(rule.attributes).map(([key, value]) => `${key} = ${value}`);
  if (with_.length > 0) parts.push(`with ${with_.join(' and ')}`);
  return parts.join(' ');
}

/** What the rule does with them, as one sentence. */
export function sentence(rule: RuleLike): string {
  const matched = matchedWords(rule);
  const which = rule.name === DEFAULT_RULE && matched === 'requests' ? 'requests no other rule is for' : matched;
  const { reservoir_size: reservoir, fixed_rate: rate } = rule;
  if (rate >= 1) return `Keeps all ${which}.`;
  if (rate <= 0 && reservoir <= 0) return `Keeps none of the ${which}.`;
  if (reservoir <= 0) return `Keeps ${percent(rate)} of ${which}.`;
  const first = reservoir === 1 ? 'the first' : `the first ${reservoir}`;
  if (rate <= 0) return `Of ${which}, keeps ${first} of each second and no more.`;
  return `Of ${which}, keeps ${first} of each second and ${percent(rate)} of the rest.`;
}

export interface Problem {
  field: string;
  message: string;
}

const NAME_CHARACTERS_MAX = 32;
const ATTRIBUTES_MAX = 5;

/** What the server would refuse, told before it is asked. */
export function problems(rule: RuleLike, others: readonly string[]): Problem[] {
  const out: Problem[] = [];
  const say = (field: string, message: string) => out.push({ field, message });
  if (rule.name.trim() === '') say('name', 'a rule has a name');
  else if (rule.name.length > NAME_CHARACTERS_MAX) say('name', `at most ${NAME_CHARACTERS_MAX} characters`);
  else if (others.includes(rule.name)) say('name', 'another rule has this name');
  if (rule.name !== DEFAULT_RULE && !(Number.isInteger(rule.priority) && rule.priority >= PRIORITY.least && rule.priority <= PRIORITY.most)) {
    say('priority', `a whole number from ${PRIORITY.least} to ${PRIORITY.most}`);
  }
  if (!(rule.fixed_rate >= 0 && rule.fixed_rate <= 1)) say('fixed_rate', 'from 0% to 100%');
  if (!(Number.isInteger(rule.reservoir_size) && rule.reservoir_size >= 0)) say('reservoir_size', 'a whole number, 0 or more');
  if (Object.keys(rule.attributes).length > ATTRIBUTES_MAX) say('attributes', `at most ${ATTRIBUTES_MAX}`);
  return out;
}

/** X-Ray's own matching: `*` any run, `?` one character, without regard to case. */
export function wildcardMatches(pattern: string, text: string): boolean {
  const [p, t] = [pattern.toLowerCase(), text.toLowerCase()];
  let [i, j, star, mark] = [0, 0, -1, 0];
  while (j < t.length) {
    if (i < p.length && p[i] === '*') {
      star = i;
      mark = j;
      i += 1;
    } else if (i < p.length && (p[i] === '?' || p[i] === t[j])) {
      i += 1;
      j += 1;
    } else if (star >= 0) {
      i = star + 1;
      mark += 1;
      j = mark;
    } else {
      return false;
    }
  }
  while (p[i] === '*') i += 1;
  return i === p.length;
}

interface Minute {
  minute_unix: number;
  requests: number;
  sampled: number;
}

/** Every minute up to now: those nobody reported in are left out of the answer and had no requests. */
export function everyMinute(effect: readonly Minute[], nowUnix: number, minutes = 60): Minute[] {
  const told = new Map(effect.map((minute) => [minute.minute_unix, minute]));
  const last = Math.max(Math.floor(nowUnix / 60) * 60, ...effect.map((minute) => minute.minute_unix));
  return Array.from({ length: minutes }, (_, i) => {
    const minute_unix = last - (minutes - 1 - i) * 60;
    return told.get(minute_unix) ?? { minute_unix, requests: 0, sampled: 0 };
  });
}

export interface Tried {
  service_name: string;
  http_method: string;
  url_path: string;
  host: string;
}

/** The first rule by priority whose patterns match; one that asks for more than a request's address is passed over. */
export function ruleFor<R extends RuleLike>(rules: readonly R[], tried: Tried): R | undefined {
  return [...rules]
    .sort((a, b) => a.priority - b.priority || (a.name < b.name ? -1 : 1))
    .find(
      (rule) =>
        (Object.keys(tried) as (keyof Tried)[]).every((field) => wildcardMatches(rule[field] === '' ? '*' : rule[field], tried[field])) &&
        any(rule.service_type) && any(rule.resource_arn) && Object.keys(rule.attributes).length === 0,
    );
}
