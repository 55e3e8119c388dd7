// Log lines, newest or oldest first as given, one row each; a row opens to what the page draws for it. Only rows in sight
// are in the page.
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { pieces } from '../lib/search';
import { Level, Receiver, Service } from './Chip';
import { Icon } from './Icon';
import { useKeys } from './keys';
import styles from './LogList.module.css';
import { Time } from './Time';

export interface LogLine {
  id: string;
  time_unix_nano: string;
  service: string;
  receiver: string;
  severity_number: number;
  severity_text: string;
  event_name: string;
  body: string;
  trace_id?: string | null;
  exception?: { type: string; message: string } | null;
}

interface Props<L extends LogLine> {
  lines: L[];
  words?: string[];
  open: string | undefined;
  onOpen: (id: string | undefined) => void;
  detail: (line: L) => ReactNode;
  anchor?: string;
  /** Asked for when the end comes into sight. */
  onEnd?: () => void;
  more?: ReactNode;
  onScrolled?: (atTop: boolean) => void;
}

const ROW_PX = 24;
/** A minified stack can be one line of a megabyte; what does not fit a screen is not laid out. */
const BODY_SHOWN = 600;

export function LogList<L extends LogLine>({ lines, words = [], open, onOpen, detail, anchor, onEnd, more, onScrolled }: Props<L>) {
  const scroller = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState<number>(-1);
  const virtual = useVirtualizer({
    count: lines.length + (more ? 1 : 0),
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => lines[index]?.id ?? 'more',
    overscan: 20,
  });
  const items = virtual.getVirtualItems();
  const last = items[items.length - 1]?.index ?? 0;
  const nearEnd = lines.length > 0 && last >= lines.length - 20;
  useEffect(() => {
    if (nearEnd) onEnd?.();
  }, [nearEnd, onEnd, lines.length]);

  // A line named in the address is shown, once.
  const shown = useRef<string | undefined>(undefined);
  const wanted = open ?? anchor;
  const index = useMemo(() => (wanted === undefined ? -1 : lines.findIndex((line) => line.id === wanted)), [lines, wanted]);
  useEffect(() => {
    if (index < 0 || shown.current === wanted) return;
    shown.current = wanted;
    setCurrent(index);
    if (!items.some((item) => item.index === index)) virtual.scrollToIndex(index, { align: 'center' });
  }, [index, wanted, items, virtual]);

  const step = (by: number) => {
    const next = Math.max(0, Math.min(lines.length - 1, current + by));
    setCurrent(next);
    virtual.scrollToIndex(next, { align: 'auto' });
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    Enter: () => {
      const line = lines[current];
      if (line) onOpen(line.id === open ? undefined : line.id);
    },
    ...(open === undefined ? {} : { Escape: () => onOpen(undefined) }),
  });
  return (
    <div className={styles.scroll} ref={scroller} role="list" aria-label="Log lines" tabIndex={0} onScroll={onScrolled && ((event) => onScrolled(event.currentTarget.scrollTop < ROW_PX))} data-testid="log-list">
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map((item) => {
          const line = lines[item.index];
          if (!line) {
            return (
              <div key="more" className={`${styles.row} ${styles.more}`} style={{ transform: `translateY(${item.start}px)` }}>
                {more}
              </div>
            );
          }
          const isOpen = line.id === open;
          return (
            <div key={line.id} ref={virtual.measureElement} data-index={item.index} className={styles.row} style={{ transform: `translateY(${item.start}px)` }} role="listitem" data-open={isOpen} data-current={item.index === current} data-anchor={line.id === anchor} data-testid="log-row" data-log-id={line.id}>
              <div
                className={styles.line}
                onClick={() => {
                  setCurrent(item.index);
                  if (window.getSelection()?.isCollapsed !== false) onOpen(isOpen ? undefined : line.id);
                }}
              >
                <span className={styles.fold}>
                  <Icon name={isOpen ? 'down' : 'right'} size={12} />
                </span>
                <Time nano={line.time_unix_nano} />
                <Level number={line.severity_number} text={line.severity_text} />
                <span className={styles.service}>
                  <Service name={line.service} />
                </span>
                <span className={styles.body}>
                  <Marked text={(line.body || line.event_name || (line.exception ? `${line.exception.type}: ${line.exception.message}` : '')).slice(0, BODY_SHOWN)} words={words} />
                </span>
                <span className={styles.marks}>
                  {line.exception && (
                    <span style={{ color: 'var(--fault)' }} title={`${line.exception.type}: ${line.exception.message}`}>
                      <Icon name="alert" size={12} />
                    </span>
                  )}
                  {line.trace_id && (
                    <span title="belongs to a trace">
                      <Icon name="link" size={12} />
                    </span>
                  )}
                  <Receiver name={line.receiver} />
                </span>
              </div>
              {isOpen && detail(line)}
            </div>
          );
        })}
      </div>
    </div>
  );
}

export function Marked({ text, words }: { text: string; words: string[] }) {
  if (words.length === 0) return text;
  return pieces(text, words).map((piece, i) => (piece.hit ? <mark key={i}>{piece.text}</mark> : piece.text));
}
