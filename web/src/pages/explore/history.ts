// Questions asked before, kept in this browser: the newest first, one entry for each question, starred ones for ever.
import { useSyncExternalStore } from 'react';

export interface Asked {
  /** The address behind `/explore?`, which is the question. */
  search: string;
  title: string;
  at: number;
  starred?: boolean;
}

const KEY = 'cupola.explore.history';
const CHANGED = 'cupola-explore-history';
/** Beyond these the oldest go; starred ones stay. */
const KEPT_MAX = 120;

let read: { text: string; list: Asked[] } = { text: '', list: [] };

function list(): Asked[] {
  let text = '[]';
  try {
    text = localStorage.getItem(KEY) ?? '[]';
    if (text !== read.text) read = { text, list: JSON.parse(text) as Asked[] };
  } catch {
    read = { text, list: [] };
  }
  return read.list;
}

function keep(next: Asked[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // Storage may be switched off; nothing is remembered then.
  }
  window.dispatchEvent(new Event(CHANGED));
}

export function remember(search: string, title: string, at: number): void {
  const before = list();
  const known = before.find((one) => one.search === search);
  const rest = before.filter((one) => one.search !== search);
  const kept = [{ search, title, at, starred: known?.starred }, ...rest];
  keep(kept.filter((one, i) => one.starred || i < KEPT_MAX));
}

export function star(search: string): void {
  keep(list().map((one) => (one.search === search ? { ...one, starred: !one.starred } : one)));
}

export function forget(): void {
  keep(list().filter((one) => one.starred));
}

function subscribe(changed: () => void): () => void {
  window.addEventListener(CHANGED, changed);
  window.addEventListener('storage', changed);
  return () => {
    window.removeEventListener(CHANGED, changed);
    window.removeEventListener('storage', changed);
  };
}

export const useHistory = (): Asked[] => useSyncExternalStore(subscribe, list);
