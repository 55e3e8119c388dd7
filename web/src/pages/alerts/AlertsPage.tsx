// Alerts: everything that is watched, in one list: triggers on queries, CloudWatch's alarms, objectives; whom they tell.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import * as api from '../../api/alerts';
import * as objectives from '../../api/slos';
import { alertRows, type AlertRow } from '../../lib/alerts';
import { plural } from '../../lib/units';
import { Button, CopyBlock, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Split } from '../../ui/Split';
import { Empty, Failure, Loading } from '../../ui/State';
import { Tabs } from '../../ui/Tabs';
import { Ago } from '../../ui/Time';
import { useRowKeys } from '../common/rows';
import { useSetSearch } from '../common/search';
import { AlarmForm } from './AlarmForm';
import { AlarmPanel } from './AlarmPanel';
import { Deliveries } from './Deliveries';
import { Recipients } from './Recipients';
import { SloPanel } from './slo/SloPanel';
import { StateMark } from './parts';
import { TriggerForm } from './TriggerForm';
import { TriggerPanel } from './TriggerPanel';
import styles from './Alerts.module.css';

const here = getRouteApi('/alerts');
/** In the address, what is being made. */
const NEW = 'trigger:*new';
const NEW_ALARM = 'alarm:*new';
const KINDS = { trigger: 'trigger', alarm: 'alarm', slo: 'objective' } as const;

export function AlertsPage() {
  const { tab = 'all', q = '', open, from } = here.useSearch();
  const setSearch = useSetSearch();
  const triggers = useQuery(api.triggers());
  const alarms = useQuery(api.alarms());
  const slos = useQuery(objectives.slos());
  useRowKeys();
  const all = alertRows(triggers.data ?? [], alarms.data ?? [], slos.data ?? []);
  const loud = (kind: AlertRow['kind'] | null) => all.filter((row) => (kind === null || row.kind === kind) && row.state === 'firing').length;
  const kind = tab === 'triggers' ? 'trigger' : tab === 'alarms' ? 'alarm' : tab === 'slos' ? 'slo' : null;
  const rows = all.filter((row) => (kind === null || row.kind === kind) && `${row.name} ${row.condition}`.toLowerCase().includes(q.trim().toLowerCase()));
  const asked = kind === 'trigger' ? [triggers] : kind === 'alarm' ? [alarms] : kind === 'slo' ? [slos] : [triggers, alarms, slos];
  const failed = asked.find((one) => one.error && !one.data);
  const waiting = asked.some((one) => one.isPending);
  const close = () => setSearch({ open: undefined, from: undefined });
  const choose = (key: string) => setSearch({ open: open === key ? undefined : key, from: undefined });
  const id = open?.slice(open.indexOf(':') + 1) ?? '';
  const trigger = triggers.data?.find((one) => `trigger:${one.id}` === open);
  const side: ReactNode =
    open === NEW ? (
      <TriggerForm key="new" from={from} onClose={close} onSaved={(made) => setSearch({ open: `trigger:${made}`, from: undefined })} />
    ) : open === NEW_ALARM ? (
      <AlarmForm key="new alarm" from={from} onClose={close} onSaved={(made) => setSearch({ open: `alarm:${made}`, from: undefined })} />
    ) : trigger && from === 'edit' ? (
      <TriggerForm key={`${open} edit`} trigger={trigger} onClose={() => setSearch({ from: undefined })} onSaved={() => setSearch({ from: undefined })} onDeleted={close} />
    ) : open?.startsWith('trigger:') ? (
      <TriggerPanel key={open} id={id} onClose={close} onEdit={() => setSearch({ from: 'edit' })} />
    ) : open?.startsWith('alarm:') ? (
      <AlarmPanel key={open} alarm={alarms.data?.find((one) => one.name === id)} name={id} onClose={close} />
    ) : open?.startsWith('slo:') ? (
      <SloPanel key={open} id={id} onClose={close} />
    ) : null;
  const tabs = [
    { id: 'all', label: 'All', count: failed ? undefined : all.length },
    { id: 'triggers', label: 'Triggers', count: triggers.data?.length },
    { id: 'alarms', label: 'Alarms', count: alarms.data?.length },
    { id: 'slos', label: 'Objectives', count: slos.data?.length },
    { id: 'recipients', label: 'Recipients' },
    { id: 'deliveries', label: 'Deliveries' },
  ];
  return (
    <>
      <Tabs tabs={tabs} value={tab} label="Alerts" onChange={(next) => setSearch({ tab: next === 'all' ? undefined : next, open: undefined, from: undefined, q: undefined })} />
      {tab === 'recipients' ? (
        <Recipients />
      ) : tab === 'deliveries' ? (
        <Deliveries />
      ) : (
        <Split name="alerts" side={side}>
          <div className={styles.page}>
            <div className={styles.bar}>
              <Input value={q} placeholder="part of a name or condition" aria-label="Find an alert" data-search="" data-testid="alert-find" onChange={(event) => setSearch({ q: event.target.value || undefined }, true)} />
              <span className={loud(kind) > 0 ? styles.loud : 'muted'} data-testid="alerts-firing">
                {waiting ? '' : loud(kind) === 0 ? (all.length > 0 ? 'nothing fires' : '') : `${plural(loud(kind), 'alert fires', 'alerts fire')}`}
              </span>
              <span className={styles.grow} />
              {kind === 'slo' && (
                <Link to="/alerts/slos" search={{ new: '1' }} data-testid="objective-new">
                  <Icon name="plus" size={12} /> New objective
                </Link>
              )}
              {kind === 'alarm' && (
                <Button primary onClick={() => setSearch({ open: NEW_ALARM, from: undefined })} data-testid="alarm-new">
                  <Icon name="plus" size={12} /> New alarm
                </Button>
              )}
              {kind !== 'alarm' && kind !== 'slo' && (
                <Button primary onClick={() => setSearch({ open: NEW, from: undefined })} data-testid="trigger-new">
                  <Icon name="plus" size={12} /> New trigger
                </Button>
              )}
            </div>
            {failed ? (
              <Failure error={failed.error as Error} onRetry={() => void failed.refetch()} title="The alerts could not be read" />
            ) : waiting && rows.length === 0 ? (
              <Loading rows={12} label="Reading the alerts" />
            ) : rows.length === 0 ? (
              q !== '' ? (
                <Empty title="No alert has this in its name or condition" />
              ) : (
                <None kind={kind} />
              )
            ) : (
              <table className={styles.table} data-testid="alerts">
                <thead>
                  <tr>
                    <th>State</th>
                    <th>Alert</th>
                    <th className="num">Now</th>
                    <th className="num">{kind === 'alarm' ? 'Since' : kind === 'trigger' ? 'Asked' : 'As of'}</th>
                    <th className="num">Tells</th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row) => (
                    <tr key={row.key} aria-selected={row.key === open} data-testid="alert-row" data-name={row.name} data-state={row.state} onClick={() => choose(row.key)}>
                      <td>
                        <StateMark state={row.state} word={row.word} />
                      </td>
                      <td className={styles.what}>
                        <button
                          type="button"
                          data-row=""
                          aria-expanded={row.key === open}
                          onClick={(event) => {
                            event.stopPropagation();
                            choose(row.key);
                          }}
                        >
                          {row.name}
                        </button>
                        {kind === null && <i>{KINDS[row.kind]}</i>}
                        <span title={row.condition}>{row.condition}</span>
                      </td>
                      <td className="num" title={row.note}>
                        {row.note.length > 36 ? `${row.note.slice(0, 35)}…` : row.note}
                      </td>
                      <td className="num muted">{row.since ? <Ago nano={row.since} /> : '–'}</td>
                      <td className="num">{row.tells === 0 ? <span className="muted">nobody</span> : row.tells}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </div>
        </Split>
      )}
    </>
  );
}

function None({ kind }: { kind: AlertRow['kind'] | null }) {
  if (kind === 'alarm') {
    return (
      <Empty title="No alarms yet">
        <p>Alarms of CloudWatch are made here, or with its clients: the CLI, boto3, Terraform, CDK. An action that is a web address gets a notice when the state changes.</p>
        <CopyBlock text={'aws cloudwatch put-metric-alarm --alarm-name high-latency \\\n  --namespace Shop --metric-name Latency --statistic Average --period 60 \\\n  --evaluation-periods 3 --threshold 500 --comparison-operator GreaterThanThreshold \\\n  --alarm-actions http://127.0.0.1:9000/hook'} />
      </Empty>
    );
  }
  if (kind === 'slo') {
    return (
      <Empty title="No objectives yet">
        <p>
          An objective says which share of events shall be good over some days, and tells before its budget of bad events is spent. <Link to="/alerts/slos" search={{ new: '1' }}>Make one</Link>, or through Honeycomb's API or Terraform provider.
        </p>
      </Empty>
    );
  }
  return (
    <Empty title={kind === 'trigger' ? 'No triggers yet' : 'Nothing is watched yet'}>
      <p>A trigger asks a query every few minutes and tells somebody when a threshold is passed. Make one here, or from a question in <Link to="/explore">Explore</Link>. What Honeycomb's and CloudWatch's clients make is listed here too.</p>
    </Empty>
  );
}
