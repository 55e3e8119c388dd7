// A pattern of log lines as a search that finds its lines, near enough: the longest texts between what changes.

const TEXTS = 3;
const LEAST = 3;

/** Phrases of a pattern, quoted for the search; nothing when all of it changes. */
export function longestWords(pattern: string): string {
  const texts = pattern
    .split(/<[A-Za-z]+-\d+>/)
    // What changes may be part of a word: a phrase ends with whole words.
    .map((text, i, all) => (i < all.length - 1 ? text.replace(/[^\s]*$/, '') : text))
    .map((text, i) => (i > 0 ? text.replace(/^[^\s]*/, '') : text))
    .map((text) => text.trim())
    .filter((text) => /[\p{L}\d]/u.test(text) && text.length >= LEAST);
  const longest = [...new Set(texts)].sort((a, b) => b.length - a.length).slice(0, TEXTS);
  return texts
    .filter((text, i) => longest.includes(text) && texts.indexOf(text) === i)
    .map((text) => `body:"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`)
    .join(' ');
}
