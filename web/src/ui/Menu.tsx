// A panel that hangs below what opened it, and the menu made of it. Esc and a click elsewhere close it.
import { useEffect, useLayoutEffect, useRef, useState, type ReactNode, type RefObject } from 'react';
import { createPortal } from 'react-dom';
import styles from './Menu.module.css';

export interface MenuItem {
  label: string;
  hint?: string;
  testId?: string;
  onSelect: () => void;
}

export function Panel({ anchor, onClose, children, role, label }: { anchor: RefObject<HTMLElement | null>; onClose: () => void; children: ReactNode; role?: string; label?: string }) {
  const panel = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState<{ left: number; top: number } | null>(null);
  useLayoutEffect(() => {
    const from = anchor.current?.getBoundingClientRect();
    const own = panel.current?.getBoundingClientRect();
    if (!from || !own) return;
    const below = from.bottom + 4 + own.height <= window.innerHeight || from.top < own.height;
    setPlace({
      left: Math.max(8, Math.min(from.left, window.innerWidth - own.width - 8)),
      top: below ? Math.min(from.bottom + 4, Math.max(8, window.innerHeight - own.height - 8)) : from.top - own.height - 4,
    });
  }, [anchor]);
  useEffect(() => {
    const opener = anchor.current;
    const outside = (event: PointerEvent) => {
      const target = event.target as Node;
      if (!panel.current?.contains(target) && !opener?.contains(target)) onClose();
    };
    const key = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      event.preventDefault();
      onClose();
      opener?.focus();
    };
    document.addEventListener('pointerdown', outside, true);
    document.addEventListener('keydown', key, true);
    return () => {
      document.removeEventListener('pointerdown', outside, true);
      document.removeEventListener('keydown', key, true);
    };
  }, [anchor, onClose]);
  return createPortal(
    <div ref={panel} className={styles.panel} role={role} aria-label={label} style={place ? place : { visibility: 'hidden', left: 0, top: 0 }} onClick={(event) => event.stopPropagation()}>
      {children}
    </div>,
    document.body,
  );
}

export function Menu({ anchor, head, items, onClose }: { anchor: RefObject<HTMLElement | null>; head?: string; items: MenuItem[]; onClose: () => void }) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus();
  }, []);
  const move = (event: React.KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...(list.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    all[(at + step + all.length) % all.length]?.focus();
  };
  return (
    <Panel anchor={anchor} onClose={onClose} role="menu" label={head}>
      {head && <div className={styles.head}>{head}</div>}
      <div ref={list} onKeyDown={move}>
        {items.map((item) => (
          <button
            key={item.label}
            type="button"
            role="menuitem"
            className={styles.item}
            data-testid={item.testId}
            onClick={() => {
              onClose();
              item.onSelect();
            }}
          >
            {item.label}
            {item.hint && <span className={styles.hint}>{item.hint}</span>}
          </button>
        ))}
      </div>
    </Panel>
  );
}
