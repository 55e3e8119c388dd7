// Suggestions that were asked for a moment ago, for a text that was written on meanwhile: those that still fit.
interface Suggested<T extends { text: string }> {
  start: number;
  end: number;
  items: T[];
}

/** What of `list`, which is for `written`, holds for `text`; nothing when the text was changed elsewhere. */
export function stillFits<T extends { text: string }, L extends Suggested<T>>(list: L, written: string, text: string): L | null {
  if (text === written) return list;
  const end = list.end + text.length - written.length;
  if (end < list.start || text.slice(0, list.start) !== written.slice(0, list.start) || text.slice(end) !== written.slice(list.end)) return null;
  const word = text.slice(list.start, end).replace(/^\s*"?/, '').toLowerCase();
  const items = list.items.filter((item) => item.text.toLowerCase().includes(word));
  return items.length > 0 ? { ...list, end, items } : null;
}
