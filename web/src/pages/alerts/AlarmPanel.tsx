// One alarm of CloudWatch: what it watches, how it stands and why, what happened to it, what was sent.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import * as api from '../../api/alerts';
import * as metricsApi from '../../api/metrics';
import type { Alarm } from '../../api/alerts';
import { metricFormat } from '../../lib/metrics';
import { msFromNano } from '../../lib/time';
import { BareButton, Button } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import { SeriesChart } from '../../ui/SeriesChart';
import { Empty } from '../../ui/State';
import { Ago, Time } from '../../ui/Time';
import { DeliveryList, Sure, StateMark } from './parts';
import styles from './Alerts.module.css';

const STATES = { OK: 'ok', ALARM: 'firing', INSUFFICIENT_DATA: 'unknown' } as const;
const SHOWN = '3h';

export function AlarmPanel({ alarm, name, onClose }: { alarm: Alarm | undefined; name: string; onClose: () => void }) {
  const history = useQuery(api.alarmHistory(name));
  const sent = useQuery(api.deliveries(`cloudwatch.alarm:${name}`, 30));
  const client = useQueryClient();
  const again = () => client.invalidateQueries({ queryKey: ['alerts'] });
  const tried = useMutation({ mutationFn: () => api.tryAlarm(name), onSettled: again });
  const change = useMutation({ mutationFn: (enabled: boolean) => api.switchAlarm(name, enabled), onSettled: again });
  const remove = useMutation({
    mutationFn: () => api.deleteAlarm(name),
    onSuccess: async () => {
      onClose();
      await again();
    },
  });
  const failed = tried.error ?? change.error ?? remove.error;
  useKeys({ Escape: onClose });
  if (!alarm) return <Empty title={`No alarm is called ${name}`} />;
  const actions = Object.entries(alarm.actions).flatMap(([state, list]) => list.map((target) => ({ state, target })));
  return (
    <section className={styles.panel} data-testid="alarm-panel">
      <header className={styles.panelHead}>
        <h2>{alarm.name}</h2>
        <BareButton icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <p className={styles.lead}>
        <StateMark state={STATES[alarm.state]} word={alarm.state.replace('_', ' ').toLowerCase()} />
        <span className="muted">
          since <Ago nano={alarm.state_since_unix_nano} />
        </span>
      </p>
      {alarm.state_reason && <p className={styles.about}>{alarm.state_reason}</p>}
      {alarm.description && <p className={styles.about}>{alarm.description}</p>}
      <p className={styles.condition}>{alarm.condition}</p>
      <div className={styles.actions}>
        <Button onClick={() => tried.mutate()} disabled={tried.isPending || actions.length === 0} title={actions.length === 0 ? 'It tells nobody' : 'Tells the actions of ALARM as if it had come to that; its state stays'} data-testid="alarm-test">
          <Icon name="bolt" size={12} /> Test
        </Button>
        <Button onClick={() => change.mutate(!alarm.actions_enabled)} disabled={change.isPending} data-testid="alarm-switch">
          {alarm.actions_enabled ? 'Disable actions' : 'Enable actions'}
        </Button>
        <span className={styles.grow} />
        <Sure busy={remove.isPending} onYes={() => remove.mutate()} testId="alarm-delete" />
      </div>
      {failed && (
        <p className={styles.wrong} role="alert">
          <Icon name="alert" size={12} /> {failed.message}
        </p>
      )}
      {tried.data && (
        <p className={styles.tried} data-testid="alarm-tried">
          {tried.data.deliveries.length === 0 ? 'None of its actions is an address that can be told.' : tried.data.deliveries.map((one) => `${one.to}: ${one.state}${one.answer ? `, ${one.answer}` : ''}`).join('; ')}
        </p>
      )}
      {alarm.metric && <Watched alarm={alarm} />}
      <h3>
        Tells <span>{actions.length === 0 ? 'nobody' : alarm.actions_enabled ? '' : 'nobody: its actions are disabled'}</span>
      </h3>
      {actions.map((one) => (
        <span key={`${one.state} ${one.target}`} className={styles.recipient}>
          <i>{one.state.replace('_', ' ')}</i> <span className="mono">{one.target}</span>
        </span>
      ))}
      <h3>What happened</h3>
      <ol className={styles.history} data-testid="alarm-history">
        {history.data?.map((one, i) => (
          <li key={i} data-state={one.state === 'ALARM' ? 'triggered' : ''}>
            <Time nano={one.at_unix_nano} ms={false} />
            <span title={one.reason ?? undefined}>
              {one.summary}
              {one.reason && <i className="muted"> {one.reason}</i>}
            </span>
          </li>
        ))}
        {history.data?.length === 0 && <li className="muted">Nothing yet.</li>}
      </ol>
      {(sent.data?.deliveries.length ?? 0) > 0 && (
        <>
          <h3>Sent</h3>
          <DeliveryList deliveries={sent.data?.deliveries ?? []} />
        </>
      )}
    </section>
  );
}

/** The metric of the alarm over the last hours, with its threshold as a line. */
function Watched({ alarm }: { alarm: Alarm }) {
  const where = Object.entries(alarm.dimensions).map(([key, value]) => `${key}:${value}`);
  const { data } = useQuery(metricsApi.metricSeries(SHOWN, { metric: alarm.metric ?? '', namespace: alarm.namespace ?? undefined, where }, 1));
  const values = data?.series[0]?.values;
  const search = { metric: alarm.metric ?? undefined, ns: alarm.namespace ?? undefined, where: where.length > 0 ? where.join('\n') : undefined };
  const format = metricFormat(data?.unit ?? '', data?.aggregation ?? '');
  return (
    <figure className={styles.watched}>
      <figcaption>
        <Link to="/metrics" search={search}>
          {alarm.metric}
        </Link>
        <span className="muted">the last 3 hours{alarm.threshold === null ? '' : `, threshold ${format(alarm.threshold)}`}</span>
      </figcaption>
      {data && values && (
        <SeriesChart
          label={alarm.metric ?? ''}
          start={msFromNano(data.times_unix_nano[0] ?? '0')}
          step={data.step_seconds * 1000}
          kind="lines"
          height={120}
          format={format}
          tick={format}
          onSelect={() => undefined}
          series={[{ label: alarm.metric ?? '', values, colour: 'var(--accent)' }, ...(alarm.threshold === null ? [] : [{ label: 'threshold', values: values.map(() => alarm.threshold), colour: 'var(--fault)' }])]}
        />
      )}
    </figure>
  );
}
