// Every value is a handle: a click opens what can be done with it. The page says what that is, through `ValueActions`.
import { createContext, useContext, useRef, useState, type ReactNode } from 'react';
import { inline } from '../lib/json';
import { copyText } from './Control';
import { Menu, type MenuItem } from './Menu';
import styles from './Value.module.css';

export type ActionsFor = (field: string, value: unknown) => MenuItem[];

const TAIL_FROM = 24;
const TAIL = 8;

const none: ActionsFor = () => [];
const Actions = createContext<ActionsFor>(none);

export const ValueActions = Actions.Provider;

/** A long id differs from its neighbours at its end, so the middle gives way. */
function Cut({ text }: { text: string }) {
  if (text.length <= TAIL_FROM || /\s/.test(text)) return text;
  return (
    <span className={styles.middle}>
      <span>{text.slice(0, -TAIL)}</span>
      <span>{text.slice(-TAIL)}</span>
    </span>
  );
}

export function Value({ field, value, children, cut, className, title }: { field: string; value: unknown; children?: ReactNode; cut?: boolean; className?: string; title?: string }) {
  const actions = useContext(Actions);
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const text = inline(value);
  const items = () => [...actions(field, value), { label: 'Copy value', testId: 'value-copy', onSelect: () => void copyText(text) }];
  return (
    <>
      <button
        ref={anchor}
        type="button"
        className={`${cut ? styles.cut : styles.value} ${className ?? ''}`}
        aria-haspopup="menu"
        aria-expanded={open}
        title={title ?? (cut ? text : undefined)}
        data-field={field}
        onClick={(event) => {
          event.stopPropagation();
          event.preventDefault();
          // A drag that selected text is no click.
          if (window.getSelection()?.isCollapsed !== false) setOpen((is) => !is);
        }}
      >
        {children ?? (cut ? <Cut text={text} /> : text)}
      </button>
      {open && <Menu anchor={anchor} head={`${field} = ${text.length > 160 ? `${text.slice(0, 160)}…` : text}`} items={items()} onClose={() => setOpen(false)} />}
    </>
  );
}
