// Errors: what is asked of items, and what people change of them.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { rangeFromParam } from '../lib/time';
import { answerOf, api } from './client';
import type { Time } from './queries';
import type { components } from './schema';

type Schemas = components['schemas'];

export type ErrorRow = Schemas['ErrorRow'];
export type ErrorItemTold = Schemas['ErrorItemTold'];
export type ErrorPageAnswer = Schemas['ErrorAnswer'];
export type ErrorFacets = Schemas['ErrorFacets'];
export type ErrorChange = Partial<Schemas['ErrorChange']>;
export type ErrorEvent = Schemas['EventTold'];
export type ErrorComment = Schemas['CommentTold'];
export type ErrorVersion = Schemas['VersionTold'];

export interface ErrorFilters {
  q?: string;
  service?: string;
  receiver?: string;
  status?: string;
  level?: string;
  environment?: string;
  framework?: string;
  assigned?: string;
}

const LIVE_MS = 5_000;
const within = (time: Time) => {
  const { start, end } = rangeFromParam(time, Date.now());
  return { start: String(Math.floor(start)), end: String(Math.ceil(end)) };
};

interface Page {
  cursor?: string;
  start: string;
  end: string;
}
const firstPage = undefined as Page | undefined;

export const errorsPaged = (time: Time, filters: ErrorFilters, sort: string, live = false) =>
  infiniteQueryOptions({
    queryKey: ['errors', 'paged', time, filters, sort],
    queryFn: async ({ pageParam, signal }) => {
      const asked: Page = pageParam ?? within(time);
      const answer = await answerOf(api.GET('/api/errors', { params: { query: { ...asked, ...filters, sort, limit: 50 } }, signal }));
      return { ...answer, asked };
    },
    initialPageParam: firstPage,
    getNextPageParam: (last): Page | undefined => (last.next_cursor ? { start: last.asked.start, end: last.asked.end, cursor: last.next_cursor } : undefined),
    refetchInterval: live ? LIVE_MS : false,
    placeholderData: keepPreviousData,
  });

export const error = (group: string, time: Time, q: string | undefined) =>
  queryOptions({
    queryKey: ['errors', 'item', group, time, q],
    queryFn: ({ signal }) => answerOf(api.GET('/api/errors/{group}', { params: { path: { group }, query: { ...within(time), q } }, signal })),
    placeholderData: keepPreviousData,
  });

export const occurrences = (group: string, time: Time, q: string | undefined, enabled: boolean) =>
  infiniteQueryOptions({
    queryKey: ['errors', 'occurrences', group, time, q],
    queryFn: async ({ pageParam, signal }) => {
      const asked: Page = pageParam ?? within(time);
      const answer = await answerOf(api.GET('/api/errors/{group}/occurrences', { params: { path: { group }, query: { ...asked, q, limit: 100 } }, signal }));
      return { ...answer, asked };
    },
    initialPageParam: firstPage,
    getNextPageParam: (last): Page | undefined => (last.next_cursor ? { start: last.asked.start, end: last.asked.end, cursor: last.next_cursor } : undefined),
    placeholderData: keepPreviousData,
    enabled,
  });

/** One occurrence with the document it came as. It never changes. */
export const occurrence = (group: string, id: string | undefined) =>
  queryOptions({
    queryKey: ['errors', 'occurrence', group, id],
    queryFn: ({ signal }) => answerOf(api.GET('/api/errors/{group}/occurrences/{id}', { params: { path: { group, id: id ?? '' } }, signal })),
    enabled: id !== undefined,
    staleTime: Infinity,
    placeholderData: keepPreviousData,
  });

export const people = () =>
  queryOptions({
    queryKey: ['people'],
    queryFn: ({ signal }) => answerOf(api.GET('/api/people', { signal })),
    staleTime: 60_000,
  });

export const changeErrors = (counters: number[], change: ErrorChange) => answerOf(api.POST('/api/errors/change', { body: { counters, change } }));

export const mergeErrors = (into: number, counters: number[]) => answerOf(api.POST('/api/errors/merge', { body: { into, counters } }));

/** The issue in which it is worked on; an empty address takes the link away. */
export const linkIssue = (group: string, url: string) => answerOf(api.PUT('/api/errors/{group}/issue', { params: { path: { group } }, body: { url: url || null } }));

export const addComment = (group: string, author: string, body: string) => answerOf(api.POST('/api/errors/{group}/comments', { params: { path: { group } }, body: { author, body } }));
