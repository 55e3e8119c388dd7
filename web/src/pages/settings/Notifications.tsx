// Notifications: where errors are told of, and of which; each rule can be tried.
import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import * as alerts from '../../api/alerts';
import * as api from '../../api/errorSettings';
import type { Channel, ChannelName, NotificationRule } from '../../api/errorSettings';
import { ruleWords } from '../../lib/errorSettings';
import { Button, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Failure, Loading } from '../../ui/State';
import { Confirm, SaveError } from './Form';
import { NotificationRuleForm } from './NotificationRuleForm';
import styles from './Settings.module.css';
import own from './ErrorSettings.module.css';

const CHANNELS: readonly { name: ChannelName; label: string; hint: string; place: string }[] = [
  { name: 'webhook', label: 'Webhook', hint: 'JSON as Rollbar sends it', place: 'https://example.com/hook' },
  { name: 'slack', label: 'Slack format', hint: 'an incoming webhook of Slack, Mattermost or Discord', place: 'https://hooks.slack.com/services/…' },
  { name: 'email', label: 'E-mail', hint: 'addresses with commas between', place: 'ops@example.com' },
];

export function Notifications() {
  const sent = useQuery(alerts.deliveries('rollbar.rule:', 20));
  // Where none can be read, once is enough to say so.
  const asked = useQueries({ queries: CHANNELS.map((one) => api.channel(one.name)) });
  const failed = asked.every((one) => one.error && !one.data) ? asked[0]?.error : null;
  if (failed) return <Failure error={failed} onRetry={() => asked.forEach((one) => void one.refetch())} title="The channels could not be read" />;
  return (
    <div className={styles.page}>
      <header className={styles.intro}>
        <p>
          A rule says of which errors a channel is told. Each thing is told once; what cannot be delivered is tried again and listed under <Link to="/alerts" search={{ tab: 'deliveries' }}>Deliveries</Link>.
        </p>
      </header>
      {CHANNELS.map((one) => (
        <ChannelView key={one.name} {...one} mail={sent.data?.email_configured ?? true} />
      ))}
    </div>
  );
}

const address = (name: ChannelName, config: Channel): string => (name === 'email' ? (Array.isArray(config.to) ? config.to.join(', ') : (config.to ?? '')) : (config.url ?? ''));

function ChannelView({ name, label, hint, place, mail }: { name: ChannelName; label: string; hint: string; place: string; mail: boolean }) {
  const client = useQueryClient();
  const channel = useQuery(api.channel(name));
  const rules = useQuery(api.rules(name));
  const again = () => client.invalidateQueries({ queryKey: ['notifications', name] });
  const [text, setText] = useState<string | null>(null);
  const [adding, setAdding] = useState(false);
  const save = useMutation({
    mutationFn: (config: Channel) => api.putChannel(name, config),
    onSuccess: async () => {
      await again();
      setText(null);
    },
  });
  const add = useMutation({
    mutationFn: (rule: Omit<NotificationRule, 'id'>) => api.addRule(name, rule),
    onSuccess: async () => {
      await again();
      setAdding(false);
    },
  });
  if (channel.error && !channel.data) return <Failure error={channel.error} onRetry={() => void channel.refetch()} title={`${label} could not be read`} />;
  if (!channel.data || !rules.data) return <Loading rows={3} />;
  const config = channel.data;
  const kept = address(name, config);
  const wanted = (text ?? kept).trim();
  const off = config.enabled === false;
  const next = (): Channel => (name === 'email' ? { ...config, to: wanted.split(',').map((one) => one.trim()).filter(Boolean) } : { ...config, url: wanted });
  return (
    <section className={own.channel} data-testid={`channel-${name}`} data-off={off}>
      <header>
        <h2>{label}</h2>
        <span className="muted">{hint}</span>
        <span className={own.grow} />
        {kept !== '' && (
          <Button onClick={() => save.mutate({ ...config, enabled: off })} disabled={save.isPending}>
            {off ? 'Switch on' : 'Switch off'}
          </Button>
        )}
      </header>
      <form
        className={own.address}
        onSubmit={(event) => {
          event.preventDefault();
          if (wanted !== '' && wanted !== kept) save.mutate(next());
        }}
      >
        <Input value={text ?? kept} placeholder={place} aria-label={`Address of ${label}`} className={styles.mono} data-testid="channel-address" onChange={(event) => setText(event.target.value)} />
        <Button type="submit" primary={wanted !== kept} disabled={wanted === '' || wanted === kept || save.isPending} data-testid="channel-save">
          Save
        </Button>
        {name === 'email' && !mail && <span className="muted">nothing is sent before a mail server is set, see smtp in the settings</span>}
      </form>
      <SaveError error={save.error ?? add.error} />
      {rules.data.length > 0 && (
        <table className={own.rules} data-testid="notification-rules">
          <tbody>
            {rules.data.map((rule) => (
              <RuleRow key={rule.id} name={name} rule={rule} onChanged={again} />
            ))}
          </tbody>
        </table>
      )}
      {adding ? (
        <NotificationRuleForm busy={add.isPending} onCancel={() => setAdding(false)} onAdd={(rule) => add.mutate(rule)} />
      ) : (
        <Button onClick={() => setAdding(true)} disabled={kept === ''} title={kept === '' ? 'Save an address first' : undefined} data-testid="rule-add">
          <Icon name="plus" size={12} /> Rule
        </Button>
      )}
    </section>
  );
}

function RuleRow({ name, rule, onChanged }: { name: ChannelName; rule: NotificationRule; onChanged: () => Promise<void> }) {
  const change = useMutation({ mutationFn: (status: 'enabled' | 'disabled') => api.changeRule(name, rule.id, { status }), onSettled: onChanged });
  const remove = useMutation({ mutationFn: () => api.deleteRule(name, rule.id), onSettled: onChanged });
  const tried = useMutation({ mutationFn: () => api.tryRule(name, rule.id) });
  const off = rule.status === 'disabled';
  return (
    <tr data-testid="rule-row" data-off={off}>
      <td>
        {ruleWords(rule)}
        {off && <i className="muted"> off</i>}
        {tried.data && (
          <span className={tried.data.state === 'delivered' ? own.fine : own.wrong} role="status" data-testid="rule-said">
            test {tried.data.state}
            {tried.data.answer && `: ${tried.data.answer}`}
          </span>
        )}
        {(tried.error ?? change.error) && <span className={own.wrong}>{(tried.error ?? change.error)?.message}</span>}
      </td>
      <td>
        <Button onClick={() => tried.mutate()} disabled={tried.isPending} data-testid="rule-test">
          <Icon name="bolt" size={12} /> Test
        </Button>
        <Button onClick={() => change.mutate(off ? 'enabled' : 'disabled')} disabled={change.isPending}>
          {off ? 'Enable' : 'Disable'}
        </Button>
        <Confirm label="Delete" question="Delete it?" busy={remove.isPending} onYes={() => remove.mutate()} testId="rule-delete" />
      </td>
    </tr>
  );
}
