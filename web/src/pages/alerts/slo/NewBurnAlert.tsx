// Who is told when a budget runs out, or goes fast.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import * as kept from '../../../api/kept';
import { Button, Input } from '../../../ui/Control';
import { Icon } from '../../../ui/Icon';
import { Panel } from '../../../ui/Menu';
import styles from './Slo.module.css';

export function NewBurnAlert({ slo }: { slo: string }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [form, setForm] = useState({ kind: 'exhaustion_time', hours: '24', share: '5', window: '1', recipient: '' });
  const recipients = useQuery({ ...kept.recipients(), enabled: open });
  const recipient = form.recipient || recipients.data?.[0]?.id;
  const keep = useMutation({
    mutationFn: () =>
      kept.keepBurnAlert({
        slo: { id: slo },
        alert_type: form.kind,
        recipients: recipient ? [{ id: recipient }] : [],
        ...(form.kind === 'exhaustion_time' ? { exhaustion_minutes: Math.round(Number(form.hours) * 60) } : { budget_rate_window_minutes: Math.round(Number(form.window) * 60), budget_rate_decrease_threshold_per_million: Math.round(Number(form.share) * 10_000) }),
      }),
    onSuccess: async () => {
      setOpen(false);
      await client.invalidateQueries({ queryKey: ['alerts', 'slos'] });
    },
  });
  return (
    <>
      <Button ref={anchor} aria-expanded={open} onClick={() => setOpen(!open)} data-testid="burn-alert-new">
        <Icon name="plus" /> Burn alert
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="A new burn alert">
          <form
            className={styles.small}
            onSubmit={(event) => {
              event.preventDefault();
              keep.mutate();
            }}
          >
            <label>
              Tell
              <select value={recipient ?? ''} onChange={(event) => setForm({ ...form, recipient: event.target.value })}>
                {!recipients.data?.length && <option value="">no recipient is known yet</option>}
                {recipients.data?.map((one) => (
                  <option key={one.id} value={one.id}>
                    {one.name || one.target} ({one.type})
                  </option>
                ))}
              </select>
            </label>
            <label>
              when
              <select value={form.kind} onChange={(event) => setForm({ ...form, kind: event.target.value })}>
                <option value="exhaustion_time">the budget lasts less than so many hours</option>
                <option value="budget_rate">much of the budget goes in a short time</option>
              </select>
            </label>
            {form.kind === 'exhaustion_time' ? (
              <label>
                Hours
                <Input value={form.hours} inputMode="decimal" onChange={(event) => setForm({ ...form, hours: event.target.value })} />
              </label>
            ) : (
              <div className={styles.pair}>
                <label>
                  % of the budget
                  <Input value={form.share} inputMode="decimal" onChange={(event) => setForm({ ...form, share: event.target.value })} />
                </label>
                <label>
                  within hours
                  <Input value={form.window} inputMode="decimal" onChange={(event) => setForm({ ...form, window: event.target.value })} />
                </label>
              </div>
            )}
            {keep.error && <p className={styles.fault}>{keep.error.message}</p>}
            <Button primary type="submit" disabled={keep.isPending || !recipient}>
              Keep the alert
            </Button>
          </form>
        </Panel>
      )}
    </>
  );
}
