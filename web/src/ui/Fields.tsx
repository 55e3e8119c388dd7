// Attributes as a list of keys and values, every value a handle.
import type { ReactNode } from 'react';
import { inline } from '../lib/json';
import styles from './Fields.module.css';
import { Value } from './Value';

const LONG = 400;

/** A key may break after its dots and underscores, so that words stay whole. */
function breakable(key: string): ReactNode[] {
  return key.split(/(?<=[._/-])/).flatMap((part, i) => (i === 0 ? [part] : [<wbr key={i} />, part]));
}

/** `label` is another word for a key; the key itself stands in its tooltip. */
export function Fields({ fields, filter, label }: { fields: Record<string, unknown>; filter?: string; label?: (key: string) => string }) {
  const wanted = filter?.toLowerCase() ?? '';
  const entries = Object.entries(fields)
    .filter(([key, value]) => wanted === '' || key.toLowerCase().includes(wanted) || label?.(key).toLowerCase().includes(wanted) || inline(value).toLowerCase().includes(wanted))
    .sort(([a], [b]) => ((label?.(a) ?? a) < (label?.(b) ?? b) ? -1 : 1));
  if (entries.length === 0) return <p className="muted">{wanted === '' ? 'none' : 'nothing matches'}</p>;
  return (
    <dl className={styles.fields}>
      {entries.map(([key, value]) => {
        const text = inline(value);
        return [
          <dt key={`${key} key`} title={label && label(key) !== key ? key : undefined}>
            {breakable(label?.(key) ?? key)}
          </dt>,
          <dd key={`${key} value`}>
            <Value field={key} value={value}>
              <span className={text.length > LONG ? styles.long : undefined}>{text === '' ? '""' : text}</span>
            </Value>
          </dd>,
        ];
      })}
    </dl>
  );
}
