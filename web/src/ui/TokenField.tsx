// A clause as a row of chips that are written, completed, changed in place and taken away.
import { useId, useRef, useState, type ReactNode } from 'react';
import { stillFits } from '../lib/stale';
import { Icon } from './Icon';
import { Suggestions } from './Suggestions';
import styles from './TokenField.module.css';
import { useCaret } from './useCaret';

export interface TokenSuggestion {
  text: string;
  hint?: string;
  /** What is written instead of the text; `|` is where the caret then stands. */
  insert?: string;
  /** Whether the chip is whole with it. */
  whole?: boolean;
}

export interface TokenSuggestions {
  start: number;
  end: number;
  items: TokenSuggestion[];
  /** Whether Enter takes the first, although what is written could stand. */
  prefer?: boolean;
}

interface Props {
  label: string;
  items: string[];
  /** The chip's text as it is kept, or why it cannot be read. */
  read: (text: string) => { ok: string } | { error: string };
  onChange: (items: string[]) => void;
  suggest: (text: string, caret: number) => Promise<TokenSuggestions>;
  placeholder: string;
  testId: string;
  /** Ends a chip when written after one that can be read. */
  separators?: string;
  /** Stands between chips. */
  between?: ReactNode;
  /** How a chip is drawn. */
  draw?: (item: string) => ReactNode;
  main?: boolean;
}

const SUGGEST_AFTER_MS = 90;

export function TokenField({ label, items, read, onChange, suggest, placeholder, testId, separators = '', between, draw, main }: Props) {
  /** The chip that is written anew, or one past the last. */
  const [at, setAt] = useState<number | null>(null);
  const [text, setText] = useState('');
  const [error, setError] = useState<string | null>(null);
  /** The suggestions, and the text they are for. */
  const [found, setFound] = useState<(TokenSuggestions & { written: string }) | null>(null);
  const [wanted, setChosen] = useState(-1);
  // One who writes fast has written on before suggestions come.
  const list = found && stillFits<TokenSuggestion, TokenSuggestions & { written: string }>(found, found.written, text);
  const chosen = list ? Math.min(wanted, list.items.length - 1) : -1;
  const field = useRef<HTMLInputElement>(null);
  const caretTo = useCaret(field);
  const asked = useRef(0);
  const listId = useId();

  const look = () => {
    asked.current += 1;
    const mine = asked.current;
    setTimeout(() => {
      const input = field.current;
      if (mine !== asked.current || !input || document.activeElement !== input) return;
      const written = input.value;
      suggest(written, input.selectionStart ?? written.length).then(
        (found) => {
          if (mine !== asked.current) return;
          // What cannot stand yet is completed by Enter; what can is taken as it is.
          setChosen(found.items.length > 0 && written.trim() !== '' && (found.prefer || 'error' in read(written)) ? 0 : -1);
          setFound(found.items.length > 0 ? { ...found, written } : null);
        },
        // Completion is a help; without it the clause is written as before.
        () => setFound(null),
      );
    }, SUGGEST_AFTER_MS);
  };
  const shut = () => {
    asked.current += 1;
    setFound(null);
    setChosen(-1);
  };
  const place = at ?? items.length;
  const settle = (next: string) => {
    shut();
    setText(next);
    setError(null);
  };
  /** Keeps what is written; tells whether that could be done. */
  const keep = (written: string): boolean => {
    if (written.trim() === '') {
      if (at !== null) onChange(items.filter((_, i) => i !== at));
      setAt(null);
      settle('');
      return true;
    }
    const found = read(written);
    if ('error' in found) {
      setError(found.error);
      return false;
    }
    const rest = items.filter((_, i) => i !== at);
    rest.splice(place, 0, found.ok);
    onChange(rest.filter((item, i) => rest.indexOf(item) === i));
    setAt(null);
    settle('');
    return true;
  };
  const edit = (i: number) => {
    setAt(i);
    settle(items[i] ?? '');
    caretTo(null, look);
  };
  const remove = (i: number) => {
    setAt(null);
    onChange(items.filter((_, other) => other !== i));
  };
  const take = (item: TokenSuggestion) => {
    if (!list) return;
    const inserted = item.insert ?? item.text;
    const head = text.slice(0, list.start) + inserted;
    const next = head.replace('|', '') + text.slice(list.end).trimStart();
    if (item.whole && keep(next)) {
      caretTo(null);
      return;
    }
    const caret = head.includes('|') ? head.indexOf('|') : head.length;
    settle(next);
    caretTo(caret, look);
  };
  const key = (event: React.KeyboardEvent<HTMLInputElement>) => {
    const item = list?.items[chosen];
    if (event.key === 'Enter') {
      if (item) take(item);
      else keep(text);
    } else if (event.key === 'Tab' && list && !event.shiftKey) {
      take(list.items[Math.max(0, chosen)] as TokenSuggestion);
    } else if (event.key === 'ArrowDown' && list) {
      setChosen((chosen + 1) % list.items.length);
    } else if (event.key === 'ArrowUp' && list) {
      setChosen((chosen - 1 + list.items.length) % list.items.length);
    } else if (event.key === 'Escape') {
      if (list) shut();
      else {
        setAt(null);
        settle('');
        field.current?.blur();
      }
    } else if (event.key === 'Backspace' && text === '' && at === null && items.length > 0) {
      edit(items.length - 1);
    } else if (separators.includes(event.key) && 'ok' in read(text)) {
      keep(text);
    } else {
      return;
    }
    event.preventDefault();
  };
  const input = (
    <span className={styles.write} data-width={text === '' && items.length > 0 && at === null ? 'least' : 'text'} key="write">
      <span className={styles.measure} aria-hidden="true">
        {text || (items.length === 0 ? placeholder : '')}
      </span>
      <input
        ref={field}
        value={text}
        placeholder={items.length === 0 ? placeholder : ''}
        aria-label={label}
        aria-invalid={error !== null}
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
          setError(null);
          look();
        }}
        onFocus={look}
        onBlur={() => {
          shut();
          if (text.trim() !== '' || at !== null) keep(text);
        }}
        onKeyDown={key}
      />
    </span>
  );
  return (
    <div
      className={styles.field}
      data-invalid={error !== null}
      onPointerDown={(event) => {
        // A click beside the chips writes.
        if (event.target === event.currentTarget) {
          event.preventDefault();
          field.current?.focus();
        }
      }}
    >
      {items.map((item, i) =>
        at === i ? (
          input
        ) : (
          <span key={item} className={styles.piece}>
            {i > 0 && between}
            <span className={styles.chip} data-testid={`${testId}-chip`}>
              <button type="button" className={styles.text} title={`${item}\nclick to change`} onClick={() => edit(i)}>
                {draw ? draw(item) : item}
              </button>
              <button type="button" className={styles.gone} aria-label={`Take away ${item}`} onClick={() => remove(i)}>
                <Icon name="close" size={10} />
              </button>
            </span>
          </span>
        ),
      )}
      {at === null && input}
      {error !== null && (
        <span className={styles.error} role="alert">
          {error}
        </span>
      )}
      {list && (
        <Suggestions id={listId} items={list.items} chosen={chosen} onChoose={setChosen} onTake={take} className={styles.list} />
      )}
    </div>
  );
}
