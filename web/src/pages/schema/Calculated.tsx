// Fields calculated from others for every question, in Honeycomb's expressions; tried before they are kept.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { fieldValues } from '../../api/explore';
import * as kept from '../../api/kept';
import { EMPTY, nameText } from '../../lib/question';
import { count } from '../../lib/units';
import { BareButton, Button, Input } from '../../ui/Control';
import { Empty, Failure, Loading } from '../../ui/State';
import styles from './Schema.module.css';

const here = getRouteApi('/schema');
const TRY_AFTER_MS = 500;
const EXAMPLES = [
  { name: 'speed', expression: 'IF(LT($duration_ms, 100), "quick", LT($duration_ms, 1000), "fair", "slow")' },
  { name: 'is_server_error', expression: 'GTE($http.response.status_code, 500)' },
  { name: 'route_root', expression: 'REG_VALUE($http.route, `^/([a-z]+)`)' },
];

export function Calculated() {
  const { time } = here.useSearch();
  const client = useQueryClient();
  const list = useQuery(kept.calculated());
  const [form, setForm] = useState<{ id?: string; name: string; expression: string; description: string }>({ name: '', expression: '', description: '' });
  const again = () => client.invalidateQueries({ queryKey: ['kept', 'calculated'] });
  const keep = useMutation({
    mutationFn: () => kept.keepCalculated({ name: form.name.trim(), expression: form.expression }, form.description, form.id),
    onSuccess: () => {
      setForm({ name: '', expression: '', description: '' });
      return again();
    },
  });
  const drop = useMutation({ mutationFn: kept.dropCalculated, onSuccess: again });
  const { name, expression } = form;
  const tried = useLater(expression.trim(), TRY_AFTER_MS);
  const values = useQuery({ ...fieldValues({ ...EMPTY, calculated: [{ name: 'tried', expression: tried }] }, 'tried', '', time), enabled: tried !== '', retry: false });
  if (list.error) return <Failure error={list.error} onRetry={() => void list.refetch()} />;
  return (
    <div className={styles.calculated}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          keep.mutate();
        }}
      >
        <h2>{form.id ? `Change ${form.name}` : 'A new field'}</h2>
        <label>
          Name
          <Input value={name} placeholder="speed" onChange={(event) => setForm({ ...form, name: event.target.value })} data-testid="calculated-name" />
        </label>
        <label>
          Expression
          <textarea rows={4} spellCheck={false} value={expression} placeholder={EXAMPLES[0]?.expression} data-testid="calculated-expression" onChange={(event) => setForm({ ...form, expression: event.target.value })} />
        </label>
        <label>
          What it means
          <Input value={form.description} onChange={(event) => setForm({ ...form, description: event.target.value })} />
        </label>
        {keep.error && <pre className={styles.fault}>{keep.error.message}</pre>}
        <div>
          <Button primary type="submit" disabled={name.trim() === '' || expression.trim() === '' || keep.isPending}>
            Keep
          </Button>
          {form.id && <Button onClick={() => setForm({ name: '', expression: '', description: '' })}>Cancel</Button>}
        </div>
        <section>
          <h3>{tried === '' ? 'For example' : 'What it gives'}</h3>
          {tried === '' ? (
            <ul className={styles.examples}>
              {EXAMPLES.map((one) => (
                <li key={one.name}>
                  <button type="button" onClick={() => setForm({ ...form, ...one })}>
                    <b>{one.name}</b>
                    <code>{one.expression}</code>
                  </button>
                </li>
              ))}
            </ul>
          ) : values.error ? (
            <pre className={styles.fault}>{values.error.message}</pre>
          ) : !values.data ? (
            <p className="muted">trying</p>
          ) : values.data.length === 0 ? (
            <p className="muted">nothing for any event of this range</p>
          ) : (
            <ul className={styles.tried} data-testid="calculated-tried">
              {values.data.slice(0, 8).map((one) => (
                <li key={String(one.value)}>
                  <code>{String(one.value)}</code>
                  <span>{count(one.count)}</span>
                </li>
              ))}
            </ul>
          )}
        </section>
      </form>
      <div className={styles.kept}>
        {!list.data ? (
          <Loading rows={5} />
        ) : list.data.length === 0 ? (
          <Empty title="No calculated fields yet">
            <p>A field that is kept here can be used by every question, as those that were told can. Those made through Honeycomb’s API are listed here too.</p>
          </Empty>
        ) : (
          <table className={styles.table}>
            <thead>
              <tr>
                <th>Field</th>
                <th>Expression</th>
                <th aria-label="Changes" />
              </tr>
            </thead>
            <tbody>
              {list.data.map((one) => (
                <tr key={one.id}>
                  <td className={styles.name}>
                    <Link to="/explore" search={{ calc: 'COUNT', by: nameText(one.alias), time }} className="mono">
                      {one.alias}
                    </Link>
                    {one.description && <span className="muted">{one.description}</span>}
                  </td>
                  <td className={styles.expression}>{one.expression}</td>
                  <td className={styles.hide}>
                    <Button className={styles.quiet} onClick={() => setForm({ id: one.id, name: one.alias, expression: one.expression, description: one.description ?? '' })}>
                      Change
                    </Button>
                    <BareButton icon="close" label={`Delete ${one.alias}`} onClick={() => drop.mutate(one.id)} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </div>
  );
}

/** A text once it has stood for a while. */
function useLater(text: string, ms: number): string {
  const [later, setLater] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setLater(text), ms);
    return () => clearTimeout(timer);
  }, [text, ms]);
  return later;
}
