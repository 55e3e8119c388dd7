// A new objective: when an event is good, how many shall be, and for which services; tried over real rows before it is kept.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { fieldValues } from '../../../api/explore';
import * as kept from '../../../api/kept';
import * as api from '../../../api/slos';
import { EMPTY } from '../../../lib/question';
import { count } from '../../../lib/units';
import { Button, Input } from '../../../ui/Control';
import { share } from './parts';
import styles from './Slo.module.css';

const EXAMPLES = [
  { name: 'Requests succeed', expression: 'IF(EQUALS($span.kind, "server"), LT($http.response.status_code, 500))' },
  { name: 'Requests are fast', expression: 'IF(EQUALS($span.kind, "server"), LT($duration_ms, 500))' },
  { name: 'Nothing fails', expression: 'IF(EXISTS($duration_ms), NOT(EXISTS($error)))' },
];
const TRY_AFTER_MS = 500;
/** Datasets of one objective: the server's bound. */
const DATASETS_MAX = 10;

export function NewSlo() {
  const navigate = useNavigate();
  const client = useQueryClient();
  const [form, setForm] = useState({ name: '', expression: '', target: '99.9', period: '30', dataset: '' });
  const datasets = useQuery(kept.datasets());
  const expression = form.expression.trim();
  const [tried, setTried] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setTried(expression), TRY_AFTER_MS);
    return () => clearTimeout(timer);
  }, [expression]);
  const known = datasets.data ?? [];
  const chosen = known.find((one) => one.slug === form.dataset);
  const values = useQuery({ ...fieldValues({ ...EMPTY, ...(chosen ? { dataset: chosen.name } : {}), calculated: [{ name: 'tried', expression: tried }] }, 'tried', '', '24h'), enabled: tried !== '', retry: false });
  const keep = useMutation({
    mutationFn: () => api.keepSlo({ name: form.name.trim(), description: '', expression, target: Number(form.target) / 100, period_days: Number(form.period), datasets: form.dataset === '' ? known.slice(0, DATASETS_MAX).map((one) => one.slug) : [form.dataset] }),
    onSuccess: async ({ id }) => {
      await client.invalidateQueries({ queryKey: ['alerts', 'slos'] });
      void navigate({ to: '/alerts/slos/$slo', params: { slo: id } });
    },
  });
  const [good, bad] = [true, false].map((wanted) => values.data?.find((one) => one.value === wanted || one.value === String(wanted))?.count ?? 0) as [number, number];
  const isTruth = values.data?.every((one) => typeof one.value === 'boolean' || one.value === 'true' || one.value === 'false');
  const target = Number(form.target);
  const ready = form.name.trim() !== '' && expression !== '' && target >= 0 && target < 100 && Number(form.period) >= 1;
  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        keep.mutate();
      }}
    >
      <div className={styles.fields}>
        <label>
          Name
          <Input value={form.name} placeholder={EXAMPLES[0]?.name} onChange={(event) => setForm({ ...form, name: event.target.value })} data-testid="slo-name" />
        </label>
        <label>
          Service
          <select value={form.dataset} onChange={(event) => setForm({ ...form, dataset: event.target.value })} data-testid="slo-dataset">
            <option value="">all{known.length > DATASETS_MAX ? `, the first ${DATASETS_MAX}` : ''}</option>
            {known.map((one) => (
              <option key={one.slug} value={one.slug}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Target, %
          <Input value={form.target} inputMode="decimal" onChange={(event) => setForm({ ...form, target: event.target.value })} data-testid="slo-target" />
        </label>
        <label>
          Over days
          <Input value={form.period} inputMode="numeric" onChange={(event) => setForm({ ...form, period: event.target.value })} data-testid="slo-period" />
        </label>
        <label className={styles.wide}>
          An event is good when this is true; where it is nothing, the event does not count
          <textarea rows={3} spellCheck={false} value={form.expression} placeholder={EXAMPLES[0]?.expression} onChange={(event) => setForm({ ...form, expression: event.target.value })} data-testid="slo-expression" />
        </label>
      </div>
      <div className={styles.tried}>
        <h3>{tried === '' ? 'For example' : 'Over the last day'}</h3>
        {tried === '' ? (
          <ul>
            {EXAMPLES.map((one) => (
              <li key={one.name}>
                <button type="button" onClick={() => setForm({ ...form, name: form.name || one.name, expression: one.expression })}>
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
        ) : !isTruth ? (
          <p className={styles.fault}>it is neither true nor false, but {values.data.slice(0, 3).map((one) => String(one.value)).join(', ')}</p>
        ) : good + bad === 0 ? (
          <p className="muted">no event counts</p>
        ) : (
          <p data-testid="slo-tried">
            <b className={styles.figure}>{share(good / (good + bad))}</b> good: {count(good)} of {count(good + bad)} events, {count(bad)} bad
          </p>
        )}
        {keep.error && <pre className={styles.fault}>{keep.error.message}</pre>}
        <Button primary type="submit" disabled={!ready || keep.isPending} data-testid="slo-keep">
          {keep.isPending ? 'Keeping' : 'Keep the objective'}
        </Button>
      </div>
    </form>
  );
}
