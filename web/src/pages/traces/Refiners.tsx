// What the traces are made of: values with how many traces have them and how those fared. A click keeps only these.
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import * as queries from '../../api/queries';
import type { RefineRow } from '../../api/types';
import * as xray from '../../api/xray';
import { isUnreadable } from '../../api/client';
import { hasClause } from '../../lib/filter';
import { count, duration, exact, percent } from '../../lib/units';
import { Icon } from '../../ui/Icon';
import { Loading } from '../../ui/State';
import styles from './Refiners.module.css';

const SHOWN = 8;
/** The share of failed traces from which on it is told in colour. */
const LOUD = 0.05;
const KINDS = [
  { by: 'node', title: 'Node', open: true },
  { by: 'url', title: 'URL', open: true },
  { by: 'status', title: 'HTTP status', open: true },
  { by: 'method', title: 'Method', open: false },
  { by: 'user', title: 'User', open: false },
] as const;
const ANNOTATION = 'aws.xray.annotation.';

export interface Refining {
  time: string | undefined;
  filters: queries.TraceFilters;
  /** Adds a clause to the filter expression, or takes it away. */
  onRefine: (clause: string, add: boolean) => void;
}

export function Refiners({ by, onBy, ...refining }: Refining & { by: string | undefined; onBy: (by: string | undefined) => void }) {
  return (
    <>
      {KINDS.map((kind) => (
        <Refiner key={kind.by} {...refining} by={kind.by} title={kind.title} opened={kind.open} />
      ))}
      <ByAttribute {...refining} by={by} onBy={onBy} />
    </>
  );
}

function remembered(by: string, otherwise: boolean): boolean {
  try {
    const said = localStorage.getItem(`cupola.refiner.${by}`);
    return said === null ? otherwise : said === '1';
  } catch {
    return otherwise;
  }
}

function Refiner({ by, title, opened, time, filters, onRefine }: Refining & { by: string; title: string; opened: boolean }) {
  const [open, setOpen] = useState(() => remembered(by, opened));
  const fold = () => {
    setOpen(!open);
    try {
      localStorage.setItem(`cupola.refiner.${by}`, open ? '0' : '1');
    } catch {
      // Not remembered then.
    }
  };
  return (
    <section className={styles.refiner} data-testid={`refiner-${by}`}>
      <h3>
        <button type="button" aria-expanded={open} onClick={fold}>
          {title}
          <Icon name={open ? 'down' : 'right'} size={11} />
        </button>
      </h3>
      {open && <Rows by={by} time={time} filters={filters} onRefine={onRefine} />}
    </section>
  );
}

function Rows({ by, time, filters, onRefine }: Refining & { by: string }) {
  const [all, setAll] = useState(false);
  const answer = useQuery(xray.refine(by, time, filters, true));
  const filter = filters.filter ?? '';
  // The list says what cannot be read in the question itself.
  if (isUnreadable(answer.error)) return <p className={styles.none}>–</p>;
  if (answer.error) return <p className={styles.none}>could not be counted: {answer.error.message}</p>;
  if (!answer.data) return <Loading rows={3} label="Counting" />;
  const { rows, values_left_out: leftOut } = answer.data;
  if (rows.length === 0) return <p className={styles.none}>none in these traces</p>;
  const most = Math.max(1, ...rows.map((row) => row.count));
  return (
    <>
      {(all ? rows : rows.slice(0, SHOWN)).map((row) => (
        <Row key={row.value} row={row} most={most} chosen={filter !== '' && hasClause(filter, row.filter)} onRefine={onRefine} />
      ))}
      {rows.length > SHOWN && (
        <button type="button" className={styles.more} onClick={() => setAll(!all)}>
          {all ? 'fewer' : `${rows.length - SHOWN} more`}
        </button>
      )}
      {leftOut > 0 && (all || rows.length <= SHOWN) && <p className={styles.none}>and {count(leftOut)} rarer values</p>}
    </>
  );
}

function Row({ row, most, chosen, onRefine }: { row: RefineRow; most: number; chosen: boolean; onRefine: Refining['onRefine'] }) {
  const failed = Math.min(row.count, row.errors + row.faults);
  const told = [`${exact(row.count)} traces`, failed > 0 ? `${exact(row.faults)} faults, ${exact(row.errors)} errors` : 'none failed', row.p95_ns === null || row.p95_ns === undefined ? '' : `p50 ${duration(row.p50_ns ?? 0)}, p95 ${duration(row.p95_ns)}`];
  return (
    <button type="button" className={styles.row} aria-pressed={chosen} data-testid="refine-row" data-value={row.value} title={`${row.value}\n${told.filter(Boolean).join('\n')}\n${chosen ? 'click to take away' : 'click to add'}: ${row.filter}`} onClick={() => onRefine(row.filter, !chosen)}>
      <span className={styles.value}>{row.value === '' ? <i>empty</i> : row.value}</span>
      {failed > 0 && <span className={styles.failed} data-loud={failed / row.count >= LOUD}>{percent(failed / row.count)}</span>}
      <span className={styles.count}>{count(row.count)}</span>
      <span className={styles.bar}>
        <b style={{ width: `${(row.count / most) * 100}%` }} />
        <b className={styles.bad} style={{ width: `${(failed / most) * 100}%` }} />
      </span>
    </button>
  );
}

/** Annotations, and any other attribute: chosen, then counted. */
function ByAttribute({ by, onBy, ...refining }: Refining & { by: string | undefined; onBy: (by: string | undefined) => void }) {
  const attributes = useQuery(queries.attributes('spans'));
  const keys = attributes.data?.attributes.map((one) => one.key) ?? [];
  const annotations = keys.filter((key) => key.startsWith(ANNOTATION));
  const others = keys.filter((key) => !key.startsWith(ANNOTATION));
  return (
    <section className={styles.refiner} data-testid="refiner-attribute">
      <h3>
        <label htmlFor="refine-by">{annotations.length > 0 ? 'Annotation' : 'Attribute'}</label>
      </h3>
      <div className={styles.choose}>
        <select id="refine-by" value={by ?? ''} onChange={(event) => onBy(event.target.value === '' ? undefined : event.target.value)} data-testid="refine-by">
          <option value="">choose one to count</option>
          {by !== undefined && !keys.includes(by) && <option value={by}>{by}</option>}
          {annotations.length > 0 && (
            <optgroup label="Annotations">
              {annotations.map((key) => (
                <option key={key} value={key}>
                  {key.slice(ANNOTATION.length)}
                </option>
              ))}
            </optgroup>
          )}
          <optgroup label="Attributes">
            {others.map((key) => (
              <option key={key} value={key}>
                {key}
              </option>
            ))}
          </optgroup>
        </select>
      </div>
      {by !== undefined && <Rows by={by} {...refining} />}
    </section>
  );
}
