// A text of several lines that is coloured as it is written and completed at the caret. The text stands in a plain field;
// the colours lie exactly beneath it.
import { useId, useLayoutEffect, useRef, useState, type ReactNode } from 'react';
import { stillFits } from '../lib/stale';
import styles from './CodeField.module.css';
import { Suggestions } from './Suggestions';
import type { TokenSuggestion, TokenSuggestions } from './TokenField';
import { useCaret } from './useCaret';

interface Props {
  value: string;
  label: string;
  onChange: (text: string) => void;
  onRun: () => void;
  /** The text in pieces, with colours. */
  draw: (text: string) => ReactNode;
  suggest: (text: string, caret: number) => Promise<TokenSuggestions>;
  /** Where an error points: a place in the text. */
  fault?: number | null;
  testId?: string;
}

const SUGGEST_AFTER_MS = 90;
const INDENT = '  ';

export function CodeField({ value, label, onChange, onRun, draw, suggest, fault, testId }: Props) {
  const field = useRef<HTMLTextAreaElement>(null);
  const below = useRef<HTMLPreElement>(null);
  const caretMark = useRef<HTMLSpanElement>(null);
  /** The suggestions, and the text they are for. */
  const [found, setFound] = useState<(TokenSuggestions & { written: string }) | null>(null);
  const [wanted, setChosen] = useState(0);
  // One who writes fast has written on before suggestions come.
  const list = found && stillFits<TokenSuggestion, TokenSuggestions & { written: string }>(found, found.written, value);
  const chosen = list ? Math.min(wanted, list.items.length - 1) : 0;
  const [place, setPlace] = useState<{ left: number; top: number } | null>(null);
  const asked = useRef(0);
  const caretTo = useCaret(field);
  const listId = useId();

  useLayoutEffect(() => {
    const mark = caretMark.current;
    if (list && mark) setPlace({ left: Math.min(mark.offsetLeft, (field.current?.clientWidth ?? 600) - 300), top: mark.offsetTop + mark.offsetHeight - (field.current?.scrollTop ?? 0) });
    // The list is another one at every stroke; where it hangs is said by its start.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [found, list?.start]);

  const shut = () => {
    asked.current += 1;
    setFound(null);
  };
  const look = (wait = SUGGEST_AFTER_MS) => {
    asked.current += 1;
    const mine = asked.current;
    setTimeout(() => {
      const area = field.current;
      if (mine !== asked.current || !area || document.activeElement !== area || area.selectionStart !== area.selectionEnd) return;
      const written = area.value;
      suggest(written, area.selectionStart).then(
        (found) => {
          if (mine !== asked.current) return;
          setChosen(0);
          setFound(found.items.length > 0 ? { ...found, written } : null);
        },
        () => setFound(null),
      );
    }, wait);
  };
  const put = (start: number, end: number, text: string) => {
    const caret = start + (text.includes('|') ? text.indexOf('|') : text.length);
    caretTo(caret);
    onChange(value.slice(0, start) + text.replace('|', '') + value.slice(end));
  };
  const take = (item: TokenSuggestion | undefined) => {
    if (!list || !item) return;
    put(list.start, list.end, item.insert ?? item.text);
    shut();
  };
  const key = (event: React.KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      shut();
      onRun();
    } else if (event.key === ' ' && event.ctrlKey) look(0);
    else if (list && (event.key === 'Enter' || event.key === 'Tab')) take(list.items[chosen]);
    else if (list && event.key === 'ArrowDown') setChosen((chosen + 1) % list.items.length);
    else if (list && event.key === 'ArrowUp') setChosen((chosen - 1 + list.items.length) % list.items.length);
    else if (event.key === 'Escape') {
      if (list) shut();
      else event.currentTarget.blur();
    } else if (event.key === 'Enter' && !event.shiftKey) {
      // A new line begins where the one above does.
      const { selectionStart: start, selectionEnd: end } = event.currentTarget;
      const indent = /^[ \t]*/.exec(value.slice(value.lastIndexOf('\n', start - 1) + 1, start))?.[0] ?? '';
      put(start, end, `\n${indent}`);
    } else if (event.key === 'Tab' && !event.shiftKey && event.currentTarget.value !== '' && event.altKey === false && event.currentTarget.selectionStart === event.currentTarget.selectionEnd && /\n[ \t]*$/.test(value.slice(0, event.currentTarget.selectionStart))) {
      put(event.currentTarget.selectionStart, event.currentTarget.selectionEnd, INDENT);
    } else return;
    event.preventDefault();
  };
  const at = list?.start ?? 0;
  return (
    <div className={styles.field} data-fault={typeof fault === 'number'}>
      <pre ref={below} className={styles.below} aria-hidden="true">
        {draw(value)}
        {'\n'}
      </pre>
      <pre className={`${styles.below} ${styles.ghost}`} aria-hidden="true">
        {value.slice(0, at)}
        <span ref={caretMark}>&#8203;</span>
        {value.slice(at)}
      </pre>
      {typeof fault === 'number' && (
        <pre className={`${styles.below} ${styles.ghost}`} aria-hidden="true">
          {value.slice(0, fault)}
          <span className={styles.here}>{/^\s/.test(value.slice(fault)) || fault >= value.length ? ' ' : (/^[\w.]+|^./.exec(value.slice(fault))?.[0] ?? ' ')}</span>
        </pre>
      )}
      <textarea
        ref={field}
        value={value}
        aria-label={label}
        aria-controls={listId}
        spellCheck={false}
        autoCapitalize="off"
        data-search=""
        data-testid={testId}
        onChange={(event) => {
          onChange(event.target.value);
          look();
        }}
        onKeyDown={key}
        onBlur={shut}
        onClick={shut}
        onScroll={(event) => {
          if (below.current) below.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
      {list && place && (
        <Suggestions id={listId} items={list.items} chosen={chosen} onChoose={setChosen} onTake={take} className={styles.list} style={place} />
      )}
    </div>
  );
}
