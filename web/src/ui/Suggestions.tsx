// What is offered to complete a line: chosen by arrow keys or the pointer, taken by a press.
import { useEffect, type CSSProperties } from 'react';
import styles from './Suggestions.module.css';

interface Props<T> {
  /** Of the list; its options are `id-0`, `id-1` and so on. */
  id: string;
  items: T[];
  chosen: number;
  onChoose: (i: number) => void;
  onTake: (item: T) => void;
  /** Where the list hangs. */
  className?: string;
  style?: CSSProperties;
}

export function Suggestions<T extends { text: string; hint?: string }>({ id, items, chosen, onChoose, onTake, className = '', style }: Props<T>) {
  useEffect(() => {
    if (chosen >= 0) document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: 'nearest' });
  }, [chosen, id]);
  return (
    <ul className={`${styles.list} ${className}`} role="listbox" id={id} aria-label="Suggestions" style={style}>
      {items.map((item, i) => (
        <li
          key={`${item.text} ${i}`}
          id={`${id}-${i}`}
          role="option"
          aria-selected={i === chosen}
          onPointerEnter={() => onChoose(i)}
          onPointerDown={(event) => {
            // The field keeps the focus.
            event.preventDefault();
            onTake(item);
          }}
        >
          <span>{item.text}</span>
          {item.hint && <span>{item.hint}</span>}
        </li>
      ))}
    </ul>
  );
}
