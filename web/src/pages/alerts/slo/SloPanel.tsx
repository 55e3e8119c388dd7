// One objective: how much of its budget is left, how fast it goes, and when its burn alerts fired.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import * as api from '../../../api/slos';
import type { BurnAlert } from '../../../api/slos';
import { sloCondition } from '../../../lib/alerts';
import { number } from '../../../lib/figures';
import { count, duration } from '../../../lib/units';
import { BareButton, Button } from '../../../ui/Control';
import { Icon } from '../../../ui/Icon';
import { useKeys } from '../../../ui/keys';
import { Failure, Loading } from '../../../ui/State';
import { RecipientLine, StateMark } from '../parts';
import { History } from '../TriggerPanel';
import { BurnDown } from './BurnDown';
import { burnAlertText, share } from './parts';
import styles from '../Alerts.module.css';

const STATES = { ok: 'ok', warning: 'warning', exhausted: 'firing', no_data: 'unknown', pending: 'unknown' } as const;

export function SloPanel({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error, refetch } = useQuery(api.slo(id));
  useKeys({ Escape: onClose });
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} title="The objective could not be read" />;
  if (!data) return <Loading rows={10} />;
  const { slo } = data;
  return (
    <section className={styles.panel} data-testid="slo-panel">
      <header className={styles.panelHead}>
        <h2>{slo.name}</h2>
        <BareButton icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <p>
        <Link to="/alerts/slos/$slo" params={{ slo: id }} data-testid="slo-open">
          What failed, and what it has in common
        </Link>
      </p>
      <p className={styles.lead}>
        <StateMark state={slo.error ? 'error' : STATES[slo.state]} word={slo.error ? 'error' : slo.state.replace('_', ' ')} />
        <span className="muted">{sloCondition(slo)}</span>
      </p>
      {slo.error && <p className={styles.wrong}>{slo.error}</p>}
      {slo.description && <p className={styles.about}>{slo.description}</p>}
      {slo.expression && <p className={styles.condition}>{slo.expression}</p>}
      <dl className={styles.figures}>
        <div data-bad={slo.budget_remaining <= 0}>
          <dt>budget left</dt>
          <dd>{slo.total > 0 ? share(slo.budget_remaining) : '–'}</dd>
        </div>
        <div>
          <dt>good</dt>
          <dd>{slo.compliance === null ? '–' : `${Number((slo.compliance * 100).toFixed(3))}%`}</dd>
        </div>
        <div>
          <dt>bad, of what may be</dt>
          <dd>
            {count(slo.bad)} <i>of {count(slo.budget_events)}</i>
          </dd>
        </div>
        <div data-bad={(slo.burn_rate ?? 0) > 1}>
          <dt>burn rate, last hour</dt>
          <dd>{slo.burn_rate === null ? '–' : `${number(slo.burn_rate)}×`}</dd>
        </div>
        <div>
          <dt>spent in</dt>
          <dd>{slo.exhausts_in_seconds === null ? 'not soon' : slo.exhausts_in_seconds <= 0 ? 'spent' : duration(slo.exhausts_in_seconds * 1e9)}</dd>
        </div>
      </dl>
      <div className={styles.watched}>
        <BurnDown whole={data} height={110} stacked />
      </div>
      <h3>
        Burn alerts <span>{slo.burn_alerts.length === 0 ? 'none' : ''}</span>
      </h3>
      {slo.burn_alerts.map((one) => (
        <Burn key={one.id} alert={one} />
      ))}
      {data.history.length > 0 && (
        <>
          <h3>What happened</h3>
          <History entries={data.history} />
        </>
      )}
    </section>
  );
}

function Burn({ alert }: { alert: BurnAlert }) {
  const client = useQueryClient();
  const tried = useMutation({ mutationFn: () => api.tryBurnAlert(alert.id), onSettled: () => client.invalidateQueries({ queryKey: ['alerts'] }) });
  return (
    <div className={styles.burn}>
      <StateMark state={alert.triggered ? 'firing' : 'ok'} word={alert.triggered ? 'fires' : 'ok'} />
      <div>
        <p>{burnAlertText(alert)}</p>
        {alert.recipients.map((one) => (
          <RecipientLine key={one.id} recipient={one} />
        ))}
        {tried.data && <p className={styles.fine}>{tried.data.deliveries.length} sent</p>}
        {tried.error && <p className={styles.wrong}>{tried.error.message}</p>}
      </div>
      <Button onClick={() => tried.mutate()} disabled={tried.isPending}>
        <Icon name="bolt" size={12} /> Test
      </Button>
    </div>
  );
}
