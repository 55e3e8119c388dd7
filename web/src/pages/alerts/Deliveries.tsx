// Everything that was sent to others, and what came of it; an address can be tried.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';
import * as api from '../../api/alerts';
import { slos } from '../../api/slos';
import { namesOf } from '../../lib/alerts';
import { Button } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Empty, Failure, Loading } from '../../ui/State';
import { DeliveryList } from './parts';
import styles from './Alerts.module.css';

export function Deliveries() {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(api.deliveries('', 500));
  const [triggers, objectives, recipients] = [useQuery(api.triggers()), useQuery(slos()), useQuery(api.recipients())];
  const names = useMemo(() => namesOf(triggers.data ?? [], objectives.data ?? [], recipients.data ?? []), [triggers.data, objectives.data, recipients.data]);
  const again = useMutation({ mutationFn: () => client.invalidateQueries({ queryKey: ['alerts', 'deliveries'] }) });
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} title="The deliveries could not be read" />;
  if (!data) return <Loading rows={10} />;
  const failed = data.deliveries.filter((one) => one.state === 'failed').length;
  if (data.deliveries.length === 0) {
    return (
      <Empty title="Nothing was sent yet">
        <p>Every message to a webhook, a Slack-format webhook or an e-mail address is listed here with what was answered. One that fails is tried again, at longer and longer intervals.</p>
      </Empty>
    );
  }
  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        <span className={failed > 0 ? styles.loud : 'muted'}>{failed > 0 ? `${failed} of the latest ${data.deliveries.length} failed` : `the latest ${data.deliveries.length}`}</span>
        <span className={styles.grow} />
        <Button onClick={() => again.mutate()}>
          <Icon name="refresh" size={12} /> Ask again
        </Button>
      </div>
      <DeliveryList deliveries={data.deliveries} names={names} />
    </div>
  );
}
