// Small marks used in every list: a service in its colour, the receiver a row came by, a status, a level, a badge.
import type { ReactNode } from 'react';
import { serviceColour } from '../lib/colour';
import { receiverName } from '../lib/ids';
import { levelFromNumber } from '../lib/severity';
import styles from './Chip.module.css';
import { Icon } from './Icon';

export function ServiceDot({ name }: { name: string }) {
  return <span className={styles.dot} style={{ background: serviceColour(name) }} aria-hidden="true" />;
}

export function Service({ name, count }: { name: string; count?: number }) {
  return (
    <span className={styles.service} title={count === undefined ? name : `${name}: ${count} spans`}>
      <ServiceDot name={name} />
      <span className={styles.name}>{name}</span>
      {count !== undefined && <span className={styles.count}>{count}</span>}
    </span>
  );
}

export function Receiver({ name }: { name: string }) {
  return (
    <span className={styles.receiver} title={`received by way of ${receiverName(name)}`} data-testid={`receiver-badge-${name}`}>
      {name}
    </span>
  );
}

/** X-Ray's four: ok, error (client), throttle, fault (server). */
export function HttpStatus({ code }: { code: number }) {
  const kind = code === 429 ? 'throttle' : code >= 500 ? 'fault' : code >= 400 ? 'error' : 'ok';
  return (
    <span className={`${styles.status} ${styles[kind]}`} title={kind}>
      {code >= 400 && <Icon name="alert" size={11} />}
      {code}
    </span>
  );
}

export function Badge({ tone = 'fault', children, title, testId }: { tone?: 'fault' | 'note' | 'quiet' | 'new'; children: ReactNode; title?: string; testId?: string }) {
  return (
    <span className={`${styles.badge} ${tone === 'fault' ? '' : styles[tone]}`} title={title} data-testid={testId}>
      {children}
    </span>
  );
}

export function Level({ number, text }: { number: number; text?: string }) {
  const level = levelFromNumber(number);
  const tone = level === 'error' || level === 'fatal' ? styles.loud : level === 'warn' ? styles.warn : '';
  return (
    <span className={`${styles.level} ${tone}`} title={text ? `${text} (${number})` : `severity ${number}`}>
      <i style={{ background: `var(--level-${level})` }} />
      {level === 'unknown' ? '–' : level}
    </span>
  );
}
