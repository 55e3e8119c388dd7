// A JSON document as a tree that folds. Long lists show their beginning first.
import { useState } from 'react';
import { plural } from '../lib/units';
import { Icon } from './Icon';
import styles from './Json.module.css';

const OPEN_DEPTH = 3;
const SHOWN = 100;
const SMALL = 6;
const PREVIEW_MAX = 140;

/** A few plain values are quicker read than unfolded. */
function isSmall(value: unknown): boolean {
  const children = value !== null && typeof value === 'object' ? Object.values(value) : [];
  return children.length <= SMALL && children.every((child) => child === null || typeof child !== 'object');
}

/** What is folded, as text without its brackets, where it fits a line. */
function preview(value: object): string | null {
  const text = JSON.stringify(value).slice(1, -1);
  return text.length <= PREVIEW_MAX ? text.replace(/"([\w.-]+)":/g, '$1: ').replace(/,(?=\w+: )/g, ', ') : null;
}

export function Json({ value }: { value: unknown }) {
  return (
    <div className={styles.json} data-testid="json">
      <Node name={null} value={value} depth={0} />
    </div>
  );
}

function Node({ name, value, depth }: { name: string | null; value: unknown; depth: number }) {
  const [open, setOpen] = useState(depth < OPEN_DEPTH || isSmall(value));
  const [all, setAll] = useState(false);
  const key = name !== null && <span className={styles.key}>{name}: </span>;
  if (value === null || typeof value !== 'object') {
    return (
      <div className={styles.line}>
        {key}
        <Scalar value={value} />
      </div>
    );
  }
  const list = Array.isArray(value);
  const entries = Object.entries(value as Record<string, unknown>);
  const [before, after] = list ? '[]' : '{}';
  if (entries.length === 0) {
    return (
      <div className={styles.line}>
        {key}
        {before}
        {after}
      </div>
    );
  }
  return (
    <div>
      <div className={styles.line}>
        <button type="button" className={styles.fold} aria-expanded={open} aria-label={`${open ? 'Fold' : 'Unfold'} ${name ?? 'document'}`} onClick={() => setOpen(!open)}>
          <Icon name={open ? 'down' : 'right'} size={12} />
        </button>
        {key}
        {before}
        {!open && (
          <button type="button" className={styles.sum} onClick={() => setOpen(true)}>
            {preview(value) ?? (list ? plural(entries.length, 'value') : plural(entries.length, 'key'))}
          </button>
        )}
        {!open && after}
      </div>
      {open && (
        <>
          <div className={styles.node}>
            {(all ? entries : entries.slice(0, SHOWN)).map(([childName, child]) => (
              <Node key={childName} name={list ? null : childName} value={child} depth={depth + 1} />
            ))}
            {!all && entries.length > SHOWN && (
              <button type="button" className={styles.sum} onClick={() => setAll(true)}>
                {entries.length - SHOWN} more
              </button>
            )}
          </div>
          <div className={styles.line}>{after}</div>
        </>
      )}
    </div>
  );
}

function Scalar({ value }: { value: unknown }) {
  if (typeof value === 'string') return <span className={styles.string}>{JSON.stringify(value)}</span>;
  if (typeof value === 'number') return <span className={styles.number}>{value}</span>;
  return <span className={styles.other}>{String(value)}</span>;
}
