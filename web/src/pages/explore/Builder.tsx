// The question, clause by clause. Whatever is changed is asked at once and stands in the address.
import { useQuery } from '@tanstack/react-query';
import { useMemo, type ReactNode } from 'react';
import * as kept from '../../api/kept';
import * as queries from '../../api/queries';
import {
  filterText, havingText, nameText, orderText, readFilter, readHaving, readName, readOrder, readShown, shownOf, shownText, withShown, type Filter, type Having, type Order, type Question, type Read, type Shown,
} from '../../lib/question';
import { Button, Input } from '../../ui/Control';
import { TokenField } from '../../ui/TokenField';
import styles from './Explore.module.css';
import { useClauseSuggest } from '../common/question/suggest';

interface Props {
  question: Question;
  time: string | undefined;
  onChange: (question: Question) => void;
  actions: ReactNode;
}

/** A reader of chips from a reader of clauses. */
function textOf<T>(read: (text: string) => Read<T>, write: (one: T) => string): (text: string) => { ok: string } | { error: string } {
  return (text) => {
    const one = read(text);
    return 'ok' in one ? { ok: write(one.ok) } : one;
  };
}
const READ = {
  calc: textOf(readShown, shownText),
  where: textOf(readFilter, filterText),
  by: textOf(readName, nameText),
  having: textOf(readHaving, havingText),
  order: textOf(readOrder, orderText),
};

function parsed<T>(items: string[], read: (text: string) => Read<T>): T[] {
  return items.flatMap((item) => {
    const one = read(item);
    return 'ok' in one ? [one.ok] : [];
  });
}

export function Builder({ question, time, onChange, actions }: Props) {
  const calc = useClauseSuggest('calc', question, time);
  const where = useClauseSuggest('where', question, time);
  const by = useClauseSuggest('by', question, time);
  const having = useClauseSuggest('having', question, time);
  const order = useClauseSuggest('order', question, time);
  const texts = useMemo(
    () => ({
      calc: shownOf(question).map(shownText),
      where: question.filters.map(filterText),
      by: question.breakdowns.map(nameText),
      having: question.havings.map(havingText),
      order: question.orders.map(orderText),
    }),
    [question],
  );
  const joined = (
    <button
      type="button"
      className={styles.joined}
      title={question.combination === 'AND' ? 'All of them hold; click for any of them' : 'Any of them holds; click for all of them'}
      onClick={() => onChange({ ...question, combination: question.combination === 'AND' ? 'OR' : 'AND' })}
    >
      {question.combination}
    </button>
  );
  return (
    <section className={styles.builder} aria-label="Question" data-testid="builder" data-shows={question.formulas.length > 0 || question.calculations.some((one) => one.filters) ? 'much' : 'little'}>
      <Clause name="Visualize">
        <TokenField main label="Visualize" testId="clause-calc" items={texts.calc} read={READ.calc} suggest={calc} separators="," placeholder="COUNT" onChange={(items) => onChange(withShown(question, parsed<Shown>(items, readShown)))} />
      </Clause>
      <Clause name="Where">
        <TokenField label="Where" testId="clause-where" items={texts.where} read={READ.where} suggest={where} between={joined} draw={drawn} placeholder="all events; field = value" onChange={(items) => onChange({ ...question, filters: parsed<Filter>(items, readFilter) })} />
      </Clause>
      <Clause name="Group by">
        <TokenField label="Group by" testId="clause-by" items={texts.by} read={READ.by} suggest={by} separators="," placeholder="nothing; a field" onChange={(items) => onChange({ ...question, breakdowns: parsed<string>(items, readName) })} />
      </Clause>
      <div className={styles.second}>
        <Dataset chosen={question.dataset} time={time} onChoose={(dataset) => onChange({ ...question, dataset })} />
        <Clause name="Having">
          <TokenField label="Having" testId="clause-having" items={texts.having} read={READ.having} suggest={having} placeholder="any group" onChange={(items) => onChange({ ...question, havings: parsed<Having>(items, readHaving) })} />
        </Clause>
        <Clause name="Order by">
          <TokenField label="Order by" testId="clause-order" items={texts.order} read={READ.order} suggest={order} separators="," placeholder="largest first" onChange={(items) => onChange({ ...question, orders: parsed<Order>(items, readOrder) })} />
        </Clause>
        <Clause name="Limit">
          <Limit limit={question.limit} onChange={(limit) => onChange({ ...question, limit })} />
        </Clause>
        <div className={styles.actions}>{actions}</div>
      </div>
    </section>
  );
}

function Clause({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={styles.clause}>
      <span className={styles.name}>{name}</span>
      {children}
    </div>
  );
}

/** A filter with its comparison stepping back. */
function drawn(text: string): ReactNode {
  const read = readFilter(text);
  if ('error' in read) return text;
  const { column, op, value } = read.ok;
  const shown = value === undefined ? '' : Array.isArray(value) ? value.join(', ') : value === '' ? '""' : String(value);
  return (
    <>
      {column} <i className={styles.op}>{op}</i> {shown}
    </>
  );
}

function Limit({ limit, onChange }: { limit: number | undefined; onChange: (limit: number | undefined) => void }) {
  return (
    <form
      key={limit}
      onSubmit={(event) => {
        event.preventDefault();
        const next = Number(new FormData(event.currentTarget).get('limit'));
        const kept = next > 0 ? Math.min(1000, Math.round(next)) : undefined;
        if (kept !== limit) onChange(kept);
      }}
      onBlur={(event) => event.currentTarget.requestSubmit()}
    >
      <Input name="limit" inputMode="numeric" className={styles.limit} placeholder="100" defaultValue={limit ?? ''} aria-label="Limit" title="Groups, at most 1,000" data-testid="clause-limit" />
    </form>
  );
}

function Dataset({ chosen, time, onChoose }: { chosen: string | undefined; time: string | undefined; onChoose: (dataset: string | undefined) => void }) {
  const services = useQuery(queries.services(time));
  const datasets = useQuery({ ...kept.datasets(), retry: false });
  const names = services.data?.services.map((one) => one.name) ?? [];
  const others = (datasets.data ?? []).map((one) => one.name).filter((name) => !names.includes(name));
  return (
    <Clause name="In">
      <select className={styles.select} value={chosen ?? ''} aria-label="Dataset" data-testid="dataset" onChange={(event) => onChoose(event.target.value === '' ? undefined : event.target.value)}>
        <option value="">all services</option>
        {chosen !== undefined && !names.includes(chosen) && !others.includes(chosen) && <option value={chosen}>{chosen}</option>}
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
        {others.length > 0 && (
          <optgroup label="Metrics and other datasets">
            {others.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </optgroup>
        )}
      </select>
    </Clause>
  );
}

export function ActionButton(props: React.ComponentProps<typeof Button>) {
  return <Button {...props} className={styles.action} />;
}
