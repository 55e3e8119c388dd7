// Whom triggers and burn alerts tell: made, tried and taken away.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import * as api from '../../api/alerts';
import { plural } from '../../lib/units';
import { Button, Choice, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Failure, Loading } from '../../ui/State';
import { recipientType } from './parts';
import styles from './Alerts.module.css';

const TYPES = [
  { value: 'webhook', label: 'Webhook' },
  { value: 'slack', label: 'Slack format' },
  { value: 'email', label: 'E-mail' },
  { value: 'pagerduty', label: 'PagerDuty' },
  { value: 'msteams_workflow', label: 'Teams' },
] as const;
type Type = (typeof TYPES)[number]['value'];
const EXAMPLES: Readonly<Record<Type, string>> = {
  webhook: 'https://example.com/hook', slack: 'https://hooks.slack.com/services/…', email: 'ops@example.com', pagerduty: 'integration key, 32 characters', msteams_workflow: 'https://….webhook.office.com/…',
};

/** What is wrong with an address of this kind. */
function wrongWith(type: Type, address: string): string | null {
  if (type === 'email') return address.includes('@') ? null : 'an e-mail address';
  if (type === 'pagerduty') return /^\w{32}$/.test(address) ? null : 'an integration key of 32 letters and digits';
  return /^https?:\/\/./.test(address) ? null : 'an address that begins with http:// or https://';
}

function detailsOf(type: Type, address: string): Record<string, string> {
  if (type === 'email') return { email_address: address };
  if (type === 'slack') return { slack_channel: address };
  if (type === 'pagerduty') return { pagerduty_integration_name: `PagerDuty …${address.slice(-4)}`, pagerduty_integration_key: address };
  return { webhook_name: new URL(address).host, webhook_url: address };
}

export function Recipients() {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(api.recipients());
  const mail = useQuery(api.deliveries('', 1));
  const again = () => client.invalidateQueries({ queryKey: ['alerts'] });
  const [type, setType] = useState<Type>('webhook');
  const [target, setTarget] = useState('');
  const [said, setSaid] = useState<{ id: string; text: string; wrong: boolean } | null>(null);
  const add = useMutation({
    mutationFn: () => api.addRecipient(type, detailsOf(type, target.trim())),
    onSuccess: async () => {
      setTarget('');
      await again();
    },
  });
  const remove = useMutation({ mutationFn: api.deleteRecipient, onSettled: again, onError: (failure, id) => setSaid({ id, text: failure.message, wrong: true }) });
  const tried = useMutation({
    mutationFn: api.tryRecipient,
    onSettled: again,
    onError: (failure, id) => setSaid({ id, text: failure.message, wrong: true }),
    onSuccess: (result, id) => {
      const one = result.deliveries[0];
      setSaid({ id, text: one ? `${one.state}${one.answer ? `: ${one.answer}` : ''}` : 'nothing could be sent: this recipient is no address', wrong: one?.state !== 'delivered' });
    },
  });
  const address = target.trim();
  const wrong = address === '' ? null : wrongWith(type, address);
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} title="The recipients could not be read" />;
  if (!data) return <Loading rows={6} />;
  return (
    <div className={styles.page}>
      <form
        className={styles.add}
        onSubmit={(event) => {
          event.preventDefault();
          if (address !== '' && wrong === null) add.mutate();
        }}
      >
        <Choice label="Kind" options={TYPES} value={type} onChange={setType} />
        <Input value={target} placeholder={EXAMPLES[type]} aria-label="Address" data-testid="recipient-target" aria-invalid={wrong !== null} onChange={(event) => setTarget(event.target.value)} />
        <Button primary type="submit" disabled={address === '' || wrong !== null || add.isPending} data-testid="recipient-add">
          <Icon name="plus" size={12} /> Add
        </Button>
        {(wrong ?? add.error?.message) && (
          <span className={styles.wrong} role="alert">
            {wrong ? `expected ${wrong}` : add.error?.message}
          </span>
        )}
        {type === 'email' && mail.data && !mail.data.email_configured && <span className="muted">E-mail is sent only when a mail server is set: see smtp in the settings.</span>}
      </form>
      {data.length === 0 ? (
        <p className={styles.none}>Nobody is told yet. A webhook gets JSON in Honeycomb's form; the Slack format is also read by Mattermost and Discord's Slack endpoint.</p>
      ) : (
        <table className={styles.table} data-testid="recipients">
          <thead>
            <tr>
              <th>Kind</th>
              <th>Address</th>
              <th>Told of</th>
              <th aria-label="Actions" />
            </tr>
          </thead>
          <tbody>
            {data.map((one) => {
              const uses = (one.triggers ?? 0) + (one.burn_alerts ?? 0);
              return (
                <tr key={one.id} data-testid="recipient-row" data-plain="true">
                  <td>{recipientType(one.type)}</td>
                  <td className="mono cut" title={one.target}>
                    {one.target}
                    {said?.id === one.id && (
                      <span className={said.wrong ? styles.wrong : styles.fine} role="status" data-testid="recipient-said">
                        {said.text}
                      </span>
                    )}
                  </td>
                  <td>{uses === 0 ? <span className="muted">nothing yet</span> : [one.triggers ? plural(one.triggers, 'trigger') : '', one.burn_alerts ? plural(one.burn_alerts, 'burn alert') : ''].filter(Boolean).join(', ')}</td>
                  <td className={styles.rowActions}>
                    <Button onClick={() => tried.mutate(one.id)} disabled={tried.isPending && tried.variables === one.id} data-testid="recipient-test">
                      <Icon name="bolt" size={12} /> Test
                    </Button>
                    <Button onClick={() => remove.mutate(one.id)} disabled={uses > 0} title={uses > 0 ? 'It is still told of something' : undefined}>
                      Delete
                    </Button>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </div>
  );
}
