// One trigger: what it asks, how it stood each time it was asked, whom it tells and what came of that.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import * as api from '../../api/alerts';
import type { AlertEntry, Trigger } from '../../api/alerts';
import { triggerCondition, triggerFormat } from '../../lib/alerts';
import { number } from '../../lib/figures';
import { questionOf } from '../../lib/question';
import { duration, plural } from '../../lib/units';
import { BareButton, Button } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import { Sparkline } from '../../ui/Sparkline';
import { Failure, Loading } from '../../ui/State';
import { Ago, Time } from '../../ui/Time';
import { paramsOf } from '../common/question/state';
import { DeliveryList, RecipientLine, StateMark } from './parts';
import styles from './Alerts.module.css';

const STATES = { triggered: 'firing', error: 'error', pending: 'unknown', ok: 'ok', disabled: 'off' } as const;
const LISTED = 30;

export function TriggerPanel({ id, onClose, onEdit }: { id: string; onClose: () => void; onEdit: () => void }) {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(api.trigger(id));
  const again = () => client.invalidateQueries({ queryKey: ['alerts'] });
  const tried = useMutation({ mutationFn: () => api.tryTrigger(id), onSettled: again });
  const trigger = data?.trigger;
  const change = useMutation({ mutationFn: (disabled: boolean) => api.saveTrigger(trigger?.dataset ?? '', { ...draftOf(trigger as Trigger), disabled }, id), onSettled: again });
  useKeys({ Escape: onClose });
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} title="The trigger could not be read" />;
  if (!data || !trigger) return <Loading rows={10} />;
  const format = triggerFormat(trigger);
  const question = questionOf(trigger.query, trigger.dataset === '__all__' ? undefined : trigger.dataset);
  return (
    <section className={styles.panel} data-testid="trigger-panel">
      <header className={styles.panelHead}>
        <h2>{trigger.name}</h2>
        <BareButton icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <p className={styles.lead}>
        <StateMark state={STATES[trigger.state]} word={trigger.state} />
        {trigger.last_value !== null && (
          <span>
            <b>{format(trigger.last_value)}</b> {trigger.threshold.op} {format(trigger.threshold.value)}
            {trigger.last_value !== null && trigger.last_baseline_value !== null && <i className="muted"> (before: {format(trigger.last_baseline_value)})</i>}
          </span>
        )}
        {trigger.last_evaluated_unix_nano && (
          <span className="muted">
            asked <Ago nano={trigger.last_evaluated_unix_nano} />
          </span>
        )}
      </p>
      {trigger.last_error && (
        <p className={styles.wrong} role="alert">
          <Icon name="alert" size={12} /> {trigger.last_error}
        </p>
      )}
      {trigger.description && <p className={styles.about}>{trigger.description}</p>}
      <p className={styles.condition}>{triggerCondition(trigger)}</p>
      <div className={styles.actions}>
        <Link to="/explore" search={paramsOf(question) as never}>
          Its question in Explore
        </Link>
        <span className={styles.grow} />
        <Button onClick={onEdit} data-testid="trigger-edit">
          Change
        </Button>
        <Button onClick={() => change.mutate(!trigger.disabled)} disabled={change.isPending} data-testid="trigger-toggle">
          {trigger.disabled ? 'Enable' : 'Disable'}
        </Button>
        <Button onClick={() => tried.mutate()} disabled={tried.isPending} data-testid="trigger-test" title="Asks now, and sends a message that is marked as a test">
          <Icon name="bolt" size={12} /> {tried.isPending ? 'Asking' : 'Test'}
        </Button>
      </div>
      {(tried.error ?? change.error) && (
        <p className={styles.wrong} role="alert">
          <Icon name="alert" size={12} /> {(tried.error ?? change.error)?.message}
        </p>
      )}
      {tried.data && (
        <p className={styles.tried} data-testid="trigger-tried">
          {tried.data.would_trigger ? 'It would fire' : 'It would not fire'}
          {tried.data.value !== null && `: ${format(tried.data.value)} against ${trigger.threshold.op} ${format(trigger.threshold.value)}`}. {plural(tried.data.deliveries.length, 'test message')} sent.
        </p>
      )}
      <h3>
        Tells <span>{trigger.recipients.length === 0 ? 'nobody' : trigger.alert_type === 'on_true' ? 'each time it is asked and so' : 'when the state changes'}</span>
      </h3>
      {trigger.recipients.map((one) => (
        <RecipientLine key={one.id} recipient={one} />
      ))}
      <h3>
        Asked <span>every {duration(trigger.frequency_seconds * 1e9)}</span>
      </h3>
      <History entries={data.history} format={format} />
      {data.deliveries.length > 0 && (
        <>
          <h3>Sent</h3>
          <DeliveryList deliveries={data.deliveries.slice(0, LISTED)} />
        </>
      )}
    </section>
  );
}

/** Only changes are listed; how the value went is drawn. */
export function History({ entries, format = number }: { entries: readonly AlertEntry[]; format?: (value: number) => string }) {
  if (entries.length === 0) return <p className="muted">It has not been asked yet.</p>;
  const values = entries.map((one) => one.value).reverse();
  const told = entries.filter((one) => one.changed || one.notified || one.error);
  return (
    <>
      {values.length > 2 && (
        <div className={styles.spark} title={`${plural(values.length, 'value')}, the newest at the right`}>
          <Sparkline values={values} width={360} height={44} colour="var(--accent)" />
        </div>
      )}
      <ol className={styles.history} data-testid="alert-history">
        {told.slice(0, LISTED).map((one) => (
          <li key={`${one.time_unix_nano} ${one.state} ${one.burn_alert_id ?? ''}`} data-state={one.state}>
            <Time nano={one.time_unix_nano} ms={false} />
            <b>{one.error ? 'could not be asked' : one.state}</b>
            <span>
              {one.error ?? (one.value === null ? '' : format(one.value))}
              {one.groups && one.groups.length > 1 && <i className="muted"> in {plural(one.groups.length, 'group')}</i>}
              {one.notified && <i className="muted"> told</i>}
            </span>
          </li>
        ))}
        {told.length === 0 && <li className="muted">The state has not changed in {plural(entries.length, 'time')} asked.</li>}
        {told.length > LISTED && <li className="muted">and {told.length - LISTED} earlier</li>}
      </ol>
    </>
  );
}

/** What is sent to change a trigger: all that it has. */
export function draftOf(trigger: Trigger): api.TriggerDraft {
  const { name, description, disabled, query, threshold, frequency_seconds, alert_type, baseline, recipients, tags } = trigger;
  return { name, description, disabled, query, threshold, frequency: frequency_seconds, alert_type, baseline_details: baseline ?? undefined, recipients: recipients.map((one) => ({ id: one.id })), tags: tags ?? undefined, ...(trigger.evaluation_schedule ? { evaluation_schedule_type: 'window', evaluation_schedule: trigger.evaluation_schedule } : {}) };
}
