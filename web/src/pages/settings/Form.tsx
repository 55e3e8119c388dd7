// Pieces of the forms of Settings.
import { useEffect, useState, type ReactNode } from 'react';
import { Button } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import styles from './Settings.module.css';

export function Field({ label, hint, problem, wide, children }: { label: string; hint?: string; problem?: string; wide?: boolean; children: ReactNode }) {
  return (
    <label className={styles.field} data-wide={wide} data-wrong={problem !== undefined}>
      <span>{label}</span>
      {children}
      <i>{problem ?? hint}</i>
    </label>
  );
}

const WAITS_MS = 4_000;

/** Asks once more where it was clicked. */
export function Confirm({ label, question, busy, onYes, testId }: { label: string; question: string; busy: boolean; onYes: () => void; testId: string }) {
  const [asked, setAsked] = useState(false);
  useEffect(() => {
    if (!asked) return undefined;
    const timer = setTimeout(() => setAsked(false), WAITS_MS);
    return () => clearTimeout(timer);
  }, [asked]);
  return (
    <Button className={`${styles.delete} ${asked ? styles.sure : ''}`} disabled={busy} data-testid={testId} onBlur={() => setAsked(false)} onClick={() => (asked ? onYes() : setAsked(true))}>
      {busy ? 'Deleting' : asked ? question : label}
    </Button>
  );
}

export function SaveError({ error }: { error: Error | null }) {
  if (!error) return null;
  return (
    <p className={styles.refused} role="alert">
      <Icon name="alert" size={12} /> {error.message}
    </p>
  );
}
