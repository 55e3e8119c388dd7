// Facets beside a list: values with their counts; choosing one narrows the list, choosing it again widens it.
import { useState, type ReactNode } from 'react';
import { count as figure } from '../lib/units';
import { Input } from './Control';
import styles from './Facets.module.css';

export function Facets({ children }: { children: ReactNode }) {
  return (
    <aside className={styles.facets} aria-label="Filters">
      {children}
    </aside>
  );
}

export interface FacetOption {
  value: string;
  label?: ReactNode;
  count?: number;
}

const SHOWN = 8;

export function Facet({ title, options, chosen, onChoose, testId }: { title: string; options: FacetOption[] | undefined; chosen: string | undefined; onChoose: (value: string | undefined) => void; testId?: string }) {
  const [all, setAll] = useState(false);
  // What is chosen stays in sight also when nothing has it any more.
  const list = options && chosen && !options.some((option) => option.value === chosen) ? [{ value: chosen }, ...options] : options;
  const shown = all ? list : list?.slice(0, SHOWN);
  return (
    <section className={styles.facet} data-testid={testId}>
      <h3>{title}</h3>
      {shown?.map((option) => (
        <button key={option.value} type="button" className={styles.option} aria-pressed={option.value === chosen} title={option.value} onClick={() => onChoose(option.value === chosen ? undefined : option.value)}>
          <span className={styles.name}>{option.label ?? option.value}</span>
          {option.count !== undefined && <span className={styles.n}>{figure(option.count)}</span>}
        </button>
      ))}
      {list?.length === 0 && <div className={styles.none}>none in this range</div>}
      {list && list.length > SHOWN && (
        <button type="button" className={styles.more} onClick={() => setAll(!all)}>
          {all ? 'fewer' : `${list.length - SHOWN} more`}
        </button>
      )}
    </section>
  );
}

/** Two bounds in milliseconds; they hold when Enter is pressed or the field is left. */
export function RangeFacet({ title, min, max, onChange }: { title: string; min: string | undefined; max: string | undefined; onChange: (min: string | undefined, max: string | undefined) => void }) {
  const clean = (text: string) => (Number(text) > 0 ? String(Number(text)) : undefined);
  return (
    <section className={styles.facet}>
      <h3>{title}</h3>
      <form
        className={styles.range}
        key={`${min} ${max}`}
        onSubmit={(event) => {
          event.preventDefault();
          const data = new FormData(event.currentTarget);
          onChange(clean(String(data.get('min'))), clean(String(data.get('max'))));
        }}
        onBlur={(event) => event.currentTarget.requestSubmit()}
      >
        <Input name="min" inputMode="decimal" placeholder="min ms" aria-label={`${title}, least, in milliseconds`} defaultValue={min ?? ''} />
        <span className="muted">–</span>
        <Input name="max" inputMode="decimal" placeholder="max ms" aria-label={`${title}, most, in milliseconds`} defaultValue={max ?? ''} />
        <button type="submit" hidden />
      </form>
    </section>
  );
}

/** A facet in which several values may be chosen; each click takes one in or out. */
export function ManyFacet({ title, options, chosen, onChange, testId }: { title: string; options: FacetOption[] | undefined; chosen: string[]; onChange: (chosen: string[]) => void; testId?: string }) {
  const [all, setAll] = useState(false);
  const missing = chosen.filter((value) => options && !options.some((option) => option.value === value)).map((value): FacetOption => ({ value, count: 0 }));
  const list = options && [...missing, ...options];
  const shown = all ? list : list?.slice(0, SHOWN);
  return (
    <section className={styles.facet} data-testid={testId}>
      <h3>{title}</h3>
      {shown?.map((option) => {
        const pressed = chosen.includes(option.value);
        return (
          <button key={option.value} type="button" className={styles.option} aria-pressed={pressed} title={option.value} onClick={() => onChange(pressed ? chosen.filter((value) => value !== option.value) : [...chosen, option.value])}>
            <span className={styles.name}>{option.label ?? option.value}</span>
            {option.count !== undefined && <span className={styles.n}>{figure(option.count)}</span>}
          </button>
        );
      })}
      {list?.length === 0 && <div className={styles.none}>none in this range</div>}
      {list && list.length > SHOWN && (
        <button type="button" className={styles.more} onClick={() => setAll(!all)}>
          {all ? 'fewer' : `${list.length - SHOWN} more`}
        </button>
      )}
    </section>
  );
}
