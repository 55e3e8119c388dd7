// The search line: written, completed with keys and values, sent with Enter.
import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import { completingAt, quoted, type Completing } from '../lib/search';
import { BareButton, Input } from './Control';
import { Icon } from './Icon';
import styles from './SearchBar.module.css';
import { Suggestions } from './Suggestions';
import { useCaret } from './useCaret';

export interface Suggestion {
  text: string;
  hint?: string;
  /** What is written instead of the text, where that is another; `|` is where the caret then stands. */
  insert?: string;
}

interface Props {
  value: string;
  onSearch: (q: string) => void;
  placeholder: string;
  invalid?: boolean;
  /** Keys when `key` is null, otherwise values of that key. */
  suggest?: (wanted: Completing) => Promise<Suggestion[]>;
  /** How another language than that of the search is cut at the caret. */
  completing?: (text: string, caret: number) => Completing;
  /** Hears every change, before anything is sent. */
  onText?: (text: string) => void;
  /** Stands at the left end of the line. */
  lead?: ReactNode;
  label?: string;
  testId?: string;
  /** Whether `/` leads here. */
  main?: boolean;
}

const SUGGEST_AFTER_MS = 120;

export function SearchBar({ value, onSearch, placeholder, invalid, suggest, completing = completingAt, onText, lead, label = 'Search', testId = 'search', main = true }: Props) {
  const [text, setText] = useState(value);
  const [list, setList] = useState<{ at: Completing; items: Suggestion[] } | null>(null);
  const [chosen, setChosen] = useState(-1);
  const field = useRef<HTMLInputElement>(null);
  const caretTo = useCaret(field);
  const asked = useRef(0);
  const listId = useId();
  useEffect(() => setText(value), [value]);

  const look = () => {
    if (!suggest) return;
    asked.current += 1;
    const mine = asked.current;
    setTimeout(() => {
      const input = field.current;
      if (mine !== asked.current || !input || document.activeElement !== input) return;
      const at = completing(input.value, input.selectionStart ?? input.value.length);
      suggest(at).then(
        (items) => {
          if (mine !== asked.current) return;
          setChosen(-1);
          setList(items.length > 0 ? { at, items } : null);
        },
        // Completion is a help; without it the line works as before.
        () => setList(null),
      );
    }, SUGGEST_AFTER_MS);
  };
  const shut = () => {
    asked.current += 1;
    setList(null);
  };
  const send = (q: string) => {
    shut();
    setText(q);
    onText?.(q);
    onSearch(q.trim());
  };
  const take = (item: Suggestion) => {
    if (!list) return;
    const written = item.insert ?? (list.at.key === null ? `${item.text} |` : `${quoted(item.text)} |`);
    const inserted = written.replace('|', '');
    const next = text.slice(0, list.at.start) + inserted + text.slice(list.at.end).trimStart();
    const caret = list.at.start + (written.includes('|') ? written.indexOf('|') : inserted.length);
    setText(next);
    onText?.(next);
    shut();
    caretTo(caret, item.insert ? look : undefined);
  };
  const key = (event: React.KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'Enter') {
      const item = list?.items[chosen];
      if (item) take(item);
      else send(text);
    } else if (event.key === 'Tab' && list) {
      const item = list.items[Math.max(0, chosen)];
      if (item) take(item);
    } else if (event.key === 'ArrowDown' && list) {
      setChosen((chosen + 1) % list.items.length);
    } else if (event.key === 'ArrowUp' && list) {
      setChosen((chosen - 1 + list.items.length) % list.items.length);
    } else if (event.key === 'Escape') {
      if (list) shut();
      else field.current?.blur();
    } else {
      return;
    }
    event.preventDefault();
  };
  return (
    <div className={styles.bar} role="search" data-lead={lead !== undefined}>
      {lead ?? (
        <span className={styles.glass}>
          <Icon name="search" />
        </span>
      )}
      <Input
        ref={field}
        value={text}
        placeholder={placeholder}
        aria-label={label}
        aria-invalid={invalid}
        role="combobox"
        aria-expanded={list !== null}
        aria-controls={listId}
        aria-activedescendant={list && chosen >= 0 ? `${listId}-${chosen}` : undefined}
        spellCheck={false}
        autoComplete="off"
        data-search={main ? '' : undefined}
        data-testid={testId}
        onChange={(event) => {
          setText(event.target.value);
          onText?.(event.target.value);
          look();
        }}
        onFocus={look}
        onBlur={shut}
        onKeyDown={key}
      />
      <span className={styles.end}>{text === '' ? main && <kbd>/</kbd> : <BareButton icon="close" label="Clear search" onClick={() => send('')} />}</span>
      {list && (
        <Suggestions id={listId} items={list.items} chosen={chosen} onChoose={setChosen} onTake={take} className={styles.list} />
      )}
    </div>
  );
}
