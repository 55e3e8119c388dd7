// A new alarm of CloudWatch's kind: a metric, a statistic, a threshold for some of the last periods, and what is told then.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import * as api from '../../api/alerts';
import * as metricsApi from '../../api/metrics';
import { durationTick } from '../../lib/units';
import { parseSearch } from '../../lib/url';
import { BareButton, Button, Choice, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import styles from './Alerts.module.css';

const OPS = (['>', '>=', '<', '<='] as const).map((value) => ({ value, label: value }));
const STATISTICS = ['Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount', 'p50', 'p90', 'p95', 'p99'];
const PERIODS = [60, 300, 900, 3600, 21_600, 86_400];
const MISSING = [
  { value: 'missing', label: 'leaves it without data' },
  { value: 'notBreaching', label: 'is good' },
  { value: 'breaching', label: 'is bad' },
  { value: 'ignore', label: 'changes nothing' },
];

/** `from` names the metric, as it was looked at. */
export function AlarmForm({ from, onClose, onSaved }: { from?: string; onClose: () => void; onSaved: (name: string) => void }) {
  const client = useQueryClient();
  const said = parseSearch(from ?? '');
  const metrics = useQuery(metricsApi.metrics('3d', ''));
  const listed = (metrics.data?.metrics ?? []).filter((one) => one.namespace !== null);
  const [chosen, setChosen] = useState(said.metric ? JSON.stringify([said.namespace ?? '', said.metric]) : '');
  const [dimensions, setDimensions] = useState((said.where ?? '').split('\n').filter(Boolean).map((one) => one.replace(':', ' = ')).join(', '));
  const [name, setName] = useState('');
  const [description, setDescription] = useState('');
  const [statistic, setStatistic] = useState('Average');
  const [comparison, setComparison] = useState<(typeof OPS)[number]['value']>('>');
  const [threshold, setThreshold] = useState('');
  const [period, setPeriod] = useState(60);
  const [periods, setPeriods] = useState('3');
  const [points, setPoints] = useState('');
  const [missing, setMissing] = useState('missing');
  const [target, setTarget] = useState('');
  const [touched, setTouched] = useState(false);
  const [namespace = '', metric = ''] = chosen === '' ? [] : (JSON.parse(chosen) as [string, string]);
  const pairs = dimensions.split(',').map((one) => one.split('=').map((part) => part.trim())).filter(([key]) => key !== '');
  const wrong = {
    name: name.trim() === '' ? 'an alarm has a name' : undefined,
    metric: metric === '' ? 'which metric' : undefined,
    dimensions: pairs.some(([key, value]) => !key || !value) ? 'pairs such as Service = api' : undefined,
    threshold: threshold.trim() === '' || !Number.isFinite(Number(threshold)) ? 'a number' : undefined,
    periods: !/^[1-9]\d*$/.test(periods.trim()) ? 'a whole number' : undefined,
    target: target.trim() !== '' && !/^(https?:\/\/.|mailto:.)/.test(target.trim()) ? 'http://, https:// or mailto:' : undefined,
  };
  const save = useMutation({
    mutationFn: () => {
      const to = target.trim() === '' ? [] : [target.trim()];
      const count = Number(periods);
      return api.saveAlarm({ name: name.trim(), description, namespace, metric, dimensions: Object.fromEntries(pairs) as Record<string, string>, statistic, comparison, threshold: Number(threshold), period_seconds: period, evaluation_periods: count, datapoints_to_alarm: Math.min(count, Number(points) || count), treat_missing_data: missing, actions: { alarm: to, ok: to, insufficient_data: [] } });
    },
    onSuccess: async (made) => {
      await client.invalidateQueries({ queryKey: ['alerts'] });
      onSaved(made.name);
    },
  });
  useKeys({ Escape: onClose });
  const told = (field: keyof typeof wrong) => touched && wrong[field] !== undefined && <i>{wrong[field]}</i>;
  return (
    <form
      className={styles.panel}
      data-testid="alarm-form"
      onSubmit={(event) => {
        event.preventDefault();
        setTouched(true);
        if (Object.values(wrong).every((one) => one === undefined)) save.mutate();
      }}
    >
      <header className={styles.panelHead}>
        <h2>New alarm</h2>
        <BareButton icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <label className={styles.field} data-wrong={touched && wrong.name !== undefined}>
        <span>Name</span>
        <Input autoFocus value={name} maxLength={255} data-testid="alarm-name" onChange={(event) => setName(event.target.value)} />
        {told('name')}
      </label>
      <label className={styles.field}>
        <span>Metric, of CloudWatch's namespaces</span>
        <select value={chosen} data-testid="alarm-metric" onChange={(event) => setChosen(event.target.value)}>
          <option value="">choose one</option>
          {chosen !== '' && !listed.some((one) => one.name === metric && one.namespace === namespace) && (
            <option value={chosen}>
              {namespace} / {metric}
            </option>
          )}
          {listed.map((one) => (
            <option key={`${one.namespace} ${one.name}`} value={JSON.stringify([one.namespace, one.name])}>
              {one.namespace} / {one.name}
            </option>
          ))}
        </select>
        {told('metric')}
      </label>
      <label className={styles.field} data-wrong={touched && wrong.dimensions !== undefined}>
        <span>Dimensions, all that its points have</span>
        <Input value={dimensions} className="mono" placeholder="Service = api" onChange={(event) => setDimensions(event.target.value)} />
        {told('dimensions')}
      </label>
      <div className={styles.threshold} data-wrong={touched && wrong.threshold !== undefined}>
        <span>Fires when the</span>
        <select value={statistic} aria-label="Statistic" onChange={(event) => setStatistic(event.target.value)}>
          {STATISTICS.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <span>of</span>
        <select value={period} aria-label="Period" onChange={(event) => setPeriod(Number(event.target.value))}>
          {PERIODS.map((seconds) => (
            <option key={seconds} value={seconds}>
              {durationTick(seconds * 1e9)}
            </option>
          ))}
        </select>
      </div>
      <div className={styles.threshold} data-wrong={touched && wrong.threshold !== undefined}>
        <span>is</span>
        <Choice label="Comparison" options={OPS} value={comparison} onChange={setComparison} />
        <Input value={threshold} inputMode="decimal" placeholder="500" aria-label="Threshold" data-testid="alarm-threshold" onChange={(event) => setThreshold(event.target.value)} />
        {told('threshold')}
      </div>
      <div className={styles.threshold} data-wrong={touched && wrong.periods !== undefined}>
        <span>in</span>
        <Input value={points} inputMode="numeric" placeholder={periods} aria-label="Periods that are bad" onChange={(event) => setPoints(event.target.value)} />
        <span>of the last</span>
        <Input value={periods} inputMode="numeric" aria-label="Periods" onChange={(event) => setPeriods(event.target.value)} />
        <span>periods</span>
        {told('periods')}
      </div>
      <div className={styles.threshold}>
        <span>A period without data</span>
        <select value={missing} aria-label="Missing data" onChange={(event) => setMissing(event.target.value)}>
          {MISSING.map((one) => (
            <option key={one.value} value={one.value}>
              {one.label}
            </option>
          ))}
        </select>
      </div>
      <label className={styles.field} data-wrong={touched && wrong.target !== undefined}>
        <span>Tells, when it fires and when it is over</span>
        <Input value={target} className="mono" placeholder="https://example.com/hook or mailto:ops@example.com" data-testid="alarm-target" onChange={(event) => setTarget(event.target.value)} />
        {told('target')}
      </label>
      <label className={styles.field}>
        <span>What to do then</span>
        <textarea rows={3} value={description} maxLength={1024} placeholder="stands in every message" onChange={(event) => setDescription(event.target.value)} />
      </label>
      {save.error && (
        <p className={styles.wrong} role="alert" data-testid="alarm-refused">
          <Icon name="alert" size={12} /> {save.error.message}
        </p>
      )}
      <footer className={styles.actions}>
        <Button primary type="submit" disabled={save.isPending} data-testid="alarm-save">
          {save.isPending ? 'Saving' : 'Make the alarm'}
        </Button>
        <Button onClick={onClose}>Cancel</Button>
      </footer>
    </form>
  );
}
