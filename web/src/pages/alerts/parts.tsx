// Small pieces of the Alerts page: a state, a list of deliveries, a recipient, a button that asks once more.
import { useState } from 'react';
import type { Delivery, Recipient } from '../../api/alerts';
import { nanoText, originWords, type AlertState } from '../../lib/alerts';
import { Button } from '../../ui/Control';
import { Icon, type IconName } from '../../ui/Icon';
import { Ago } from '../../ui/Time';
import styles from './Alerts.module.css';

const ICONS: Readonly<Record<AlertState, IconName>> = { firing: 'alert', warning: 'alert', error: 'question', unknown: 'minus', ok: 'check', off: 'pause' };

export function StateMark({ state, word }: { state: AlertState; word: string }) {
  return (
    <span className={styles.state} data-state={state}>
      <Icon name={ICONS[state]} size={12} /> {word}
    </span>
  );
}

const TYPES: Readonly<Record<string, string>> = { email: 'e-mail', slack: 'Slack format', pagerduty: 'PagerDuty', webhook: 'webhook', msteams: 'Teams format', msteams_workflow: 'Teams format', marker: 'marker' };

export const recipientType = (type: string) => TYPES[type] ?? type;

export function RecipientLine({ recipient }: { recipient: Recipient }) {
  return (
    <span className={styles.recipient}>
      <i>{recipientType(recipient.type)}</i> <span className="mono">{recipient.target}</span>
    </span>
  );
}

const DONE: Readonly<Record<Delivery['state'], AlertState>> = { delivered: 'ok', pending: 'unknown', failed: 'error' };

/** The newest first; with `names`, those of the ids in origins, also what each was for. */
export function DeliveryList({ deliveries, names }: { deliveries: readonly Delivery[]; names?: ReadonlyMap<string, string> }) {
  return (
    <table className={styles.deliveries} data-testid="deliveries">
      <thead>
        <tr>
          <th>Sent</th>
          {names && <th>For</th>}
          <th>To</th>
          <th>Came of it</th>
          <th className="num">When</th>
        </tr>
      </thead>
      <tbody>
        {deliveries.map((one) => (
          <tr key={one.id} data-testid="delivery-row" data-state={one.state}>
            <td>
              <StateMark state={DONE[one.state]} word={one.state} />
            </td>
            {names && <td className="cut">{originWords(one.origin, names)}</td>}
            <td className="mono cut" title={one.to}>
              {one.to}
            </td>
            <td className="cut" title={one.answer}>
              {one.answer === '' ? <span className="muted">not tried yet</span> : one.answer}
              {one.attempts > 1 && <i className="muted"> after {one.attempts} attempts</i>}
            </td>
            <td className="num muted">
              <Ago nano={nanoText(one.created_at_unix_nano)} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Deletes at the second click. */
export function Sure({ busy, onYes, testId }: { busy: boolean; onYes: () => void; testId: string }) {
  const [sure, setSure] = useState(false);
  return (
    <Button className={styles.delete} disabled={busy} data-testid={testId} onBlur={() => setSure(false)} onClick={() => (sure ? onYes() : setSure(true))}>
      {sure ? 'Delete it?' : 'Delete'}
    </Button>
  );
}
