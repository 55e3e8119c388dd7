// The few marks of Markdown that notes use, as pieces to draw: nothing of a note is ever taken for HTML.

export type Inline = { kind: 'text' | 'bold' | 'italic' | 'code'; text: string } | { kind: 'link'; text: string; href: string };
export type Block = { kind: 'heading'; level: number; inline: Inline[] } | { kind: 'paragraph'; inline: Inline[] } | { kind: 'list'; items: Inline[][] } | { kind: 'code'; text: string };

const INLINE = /\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)/g;
/** Addresses that may be followed; a note must not run anything. */
const SAFE = /^(https?:\/\/|\/(?!\/)|mailto:)/i;

export function inlineOf(text: string): Inline[] {
  const out: Inline[] = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > last) out.push({ kind: 'text', text: text.slice(last, match.index) });
    const [whole, bold, italic, code, label, href] = match;
    if (bold !== undefined) out.push({ kind: 'bold', text: bold });
    else if (italic !== undefined) out.push({ kind: 'italic', text: italic });
    else if (code !== undefined) out.push({ kind: 'code', text: code });
    else if (label !== undefined && href !== undefined && SAFE.test(href)) out.push({ kind: 'link', text: label, href });
    else out.push({ kind: 'text', text: whole });
    last = match.index + whole.length;
  }
  if (last < text.length) out.push({ kind: 'text', text: text.slice(last) });
  return out;
}

export function blocksOf(text: string): Block[] {
  const out: Block[] = [];
  const lines = text.split(/\r?\n/);
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i] as string;
    const heading = /^(#{1,4})\s+(.*)$/.exec(line);
    const item = /^\s*[-*]\s+(.*)$/.exec(line);
    const last = out[out.length - 1];
    if (line.startsWith('```')) {
      const end = lines.findIndex((other, at) => at > i && other.startsWith('```'));
      const stop = end < 0 ? lines.length : end;
      out.push({ kind: 'code', text: lines.slice(i + 1, stop).join('\n') });
      i = stop;
    } else if (heading) out.push({ kind: 'heading', level: heading[1]?.length ?? 1, inline: inlineOf(heading[2] ?? '') });
    else if (item) {
      const own = inlineOf(item[1] ?? '');
      if (last?.kind === 'list' && (lines[i - 1] ?? '').trim() !== '') last.items.push(own);
      else out.push({ kind: 'list', items: [own] });
    } else if (line.trim() !== '') {
      if (last?.kind === 'paragraph' && (lines[i - 1] ?? '').trim() !== '') last.inline.push({ kind: 'text', text: ' ' }, ...inlineOf(line));
      else out.push({ kind: 'paragraph', inline: inlineOf(line) });
    }
  }
  return out;
}
