// One objective: what is left of its budget and how it went, who is told, and what the bad events have in common.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useMemo, useState, type ReactNode } from 'react';
import type { Selection } from '../../../api/explore';
import * as kept from '../../../api/kept';
import * as api from '../../../api/slos';
import { nameText, EMPTY, withBounds, type Question } from '../../../lib/question';
import { localTime, msFromNano, paramFromRange, type TimeRange } from '../../../lib/time';
import { count } from '../../../lib/units';
import { BareButton, Button } from '../../../ui/Control';
import { Empty, Failure, Loading } from '../../../ui/State';
import { ValueActions } from '../../../ui/Value';
import { useQuestionActions } from '../../common/question/actions';
import { useAnswer } from '../../common/question/answer';
import { Charts, ChartsLoading } from '../../common/question/Charts';
import { paramsOf, selectionIn, selectionParams } from '../../common/question/state';
import { useSetSearch } from '../../common/search';
import { BubbleUp } from '../../explore/BubbleUp';
import { BurnDown } from './BurnDown';
import { NewBurnAlert } from './NewBurnAlert';
import { BudgetBar, burnAlertText, burnAlertValue, lasts, share, State } from './parts';
import styles from './Slo.module.css';

const here = getRouteApi('/alerts/slos/$slo');
const HISTORY_SHOWN = 12;

export function SloPage() {
  const { slo: id } = here.useParams();
  const navigate = useNavigate();
  const setSearch = useSetSearch();
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(api.slo(id));
  const drop = useMutation({
    mutationFn: () => kept.dropObjective(id),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['alerts', 'slos'] });
      void navigate({ to: '/alerts/slos' });
    },
  });
  const [sure, setSure] = useState(false);
  if (error) return <Failure error={error} onRetry={() => void refetch()} title="The objective could not be read" />;
  if (!data) return <Loading rows={10} />;
  const { slo } = data;
  const spent = slo.state === 'exhausted';
  const none = slo.total <= 0;
  return (
    <div className={styles.page} data-testid="slo">
      <div className={styles.bar}>
        <Link to="/alerts/slos" className="muted">
          Objectives
        </Link>
        <h1>{slo.name}</h1>
        <State slo={slo} />
        <span className={styles.about}>
          {share(slo.target)} of {slo.datasets.length > 3 ? `${slo.datasets.length} services` : slo.datasets.join(', ')} over {slo.period_days} days, where <code title={slo.expression ?? undefined}>{slo.expression ?? slo.sli}</code>
        </span>
        {sure ? (
          <>
            <Button onClick={() => setSure(false)}>Keep it</Button>
            <Button className={styles.danger} disabled={drop.isPending} onClick={() => drop.mutate()}>
              Delete it
            </Button>
          </>
        ) : (
          <BareButton icon="close" label="Delete this objective" onClick={() => setSure(true)} />
        )}
      </div>
      {(slo.error || drop.error) && <p className={styles.fault}>{slo.error ?? drop.error?.message}</p>}
      <dl className={styles.figures}>
        <Figure name="Budget left" told={none ? '–' : share(slo.budget_remaining)} more={<BudgetBar left={slo.budget_remaining} />} bad={spent} />
        <Figure name="Good" told={slo.compliance === null ? '–' : share(slo.compliance)} more={`target ${share(slo.target)}`} bad={slo.compliance !== null && slo.compliance < slo.target} />
        <Figure name="Burn rate, last hour" told={slo.burn_rate === null ? '–' : `×${Number(slo.burn_rate.toPrecision(2))}`} more="at ×1 the budget lasts for the period" bad={(slo.burn_rate ?? 0) > 1} />
        <Figure name="Lasts" told={spent ? 'spent' : none ? '–' : lasts(slo.exhausts_in_seconds)} more="if it goes on as in the last hour" bad={spent} />
        <Figure name="Bad events" told={count(slo.bad)} more={`${count(slo.budget_events)} may be, of ${count(slo.total)}`} bad={spent} />
      </dl>
      <BurnDown whole={data} height={170} onZoom={(range) => setSearch({ time: paramFromRange(range) })} />
      <div className={styles.alerts}>
        <section>
          <header>
            <h2>Burn alerts</h2>
            <NewBurnAlert slo={slo.id} />
          </header>
          {slo.burn_alerts.length === 0 ? (
            <p className="muted">Nobody is told when the budget runs out.</p>
          ) : (
            <ul className={styles.list}>
              {slo.burn_alerts.map((alert) => (
                <BurnAlert key={alert.id} alert={alert} />
              ))}
            </ul>
          )}
        </section>
        <section>
          <header>
            <h2>What happened</h2>
          </header>
          {data.history.length === 0 ? (
            <p className="muted">No burn alert has changed yet.</p>
          ) : (
            <ul className={styles.list}>
              {data.history.slice(0, HISTORY_SHOWN).map((one) => (
                <li key={`${one.time_unix_nano} ${one.burn_alert_id}`}>
                  <time>{localTime(msFromNano(one.time_unix_nano), Date.now(), false)}</time>
                  <span data-triggered={one.state === 'triggered'}>{one.state}</span>
                  <span className="muted">{one.notified ? 'told' : ''}</span>
                </li>
              ))}
            </ul>
          )}
        </section>
      </div>
      <Failures slo={slo} lastFailed={lastFailed(data.burn_down)} />
    </div>
  );
}

function Figure({ name, told, more, bad }: { name: string; told: string; more: ReactNode; bad: boolean }) {
  return (
    <div data-bad={bad}>
      <dt>{name}</dt>
      <dd>{told}</dd>
      <dd className="muted">{more}</dd>
    </div>
  );
}

function BurnAlert({ alert }: { alert: api.BurnAlert }) {
  const test = useMutation({ mutationFn: () => api.tryBurnAlert(alert.id) });
  return (
    <li data-testid="burn-alert">
      <span data-triggered={alert.triggered}>{alert.triggered ? 'triggered' : 'ok'}</span>
      <span className={styles.grow}>
        {burnAlertText(alert)} <span className="muted">{alert.recipients.map((one) => one.name || one.target).join(', ')}</span>
      </span>
      <span className="muted">{test.error ? test.error.message : test.data ? `sent to ${test.data.deliveries.length}` : burnAlertValue(alert)}</span>
      <Button className={styles.quiet} disabled={test.isPending} onClick={() => test.mutate()}>
        Test
      </Button>
    </li>
  );
}

const SLI = 'sli';

/** The newest step of the period that has bad events. */
function lastFailed({ start_unix_nano: start, step_seconds: step, bad }: api.SloWhole['burn_down']): TimeRange | null {
  const last = bad.findLastIndex((count) => count > 0);
  const begin = msFromNano(start) + last * step * 1_000;
  return last < 0 ? null : { start: begin, end: Math.min(begin + step * 1_000, Date.now()) };
}

/** The bad events of the page's time as a heatmap, and what they have in common beside the good ones. */
function Failures({ slo, lastFailed }: { slo: api.Slo; lastFailed: TimeRange | null }) {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const navigate = useNavigate();
  const { time } = search;
  const datasets = useQuery(kept.datasets());
  const counted = useMemo<Question>(() => {
    const names = slo.datasets.map((slug) => datasets.data?.find((one) => one.slug === slug)?.name ?? slug);
    const everywhere = datasets.data !== undefined && datasets.data.every((one) => slo.datasets.includes(one.slug));
    return {
      ...EMPTY,
      calculated: [{ name: SLI, expression: slo.expression ?? `$${nameText(slo.sli)}` }],
      calculations: [{ op: 'HEATMAP', column: 'duration_ms' }, { op: 'COUNT' }],
      filters: [{ column: SLI, op: 'exists' }, ...(everywhere ? [] : [{ column: 'service.name', op: 'in', value: names }])],
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [slo.expression, slo.sli, slo.datasets.join(), datasets.data]);
  const bad = useMemo<Question>(() => ({ ...counted, filters: [{ column: SLI, op: '=', value: false }, ...counted.filters.slice(1)] }), [counted]);
  const asked = useAnswer(bad, time);
  const boxed = selectionIn(search);
  const failed = { column: SLI, op: '=', value: false };
  const selection: Selection = boxed ? { ...boxed, filters: [failed] } : { filters: [failed] };
  const open = (question: Question, tab?: string) => void navigate({ to: '/explore', search: { ...paramsOf(question), time, ...(tab ? { tab } : {}) } });
  const actions = useQuestionActions(bad, (question) => open(question));
  const { told, error } = asked;
  const empty = told?.answer?.is_whole && told.answer.groups.every((group) => !group.values[1]);
  return (
    <section className={styles.failures} data-testid="slo-failures">
      <header>
        <h2>What failed</h2>
        <span className="muted">in the time range above; drag a box to look at a part</span>
        <span className={styles.tools}>
          {boxed && <Button onClick={() => setSearch(selectionParams(null))}>Look at all</Button>}
          <Button onClick={() => open(bad, 'rows')}>Rows</Button>
          <Button onClick={() => open(bad, 'traces')}>Traces</Button>
          <Button onClick={() => open(bad)}>Open in Explore</Button>
        </span>
      </header>
      {error && !told ? (
        <Failure error={error} onRetry={asked.retry} title="The bad events could not be read" />
      ) : !told?.answer ? (
        <ChartsLoading labels={['HEATMAP(duration_ms)', 'COUNT']} />
      ) : empty ? (
        <Empty title="Nothing failed">
          <p>No event of this time range is bad.{lastFailed ? '' : ' Nor is any of the whole period.'}</p>
          {lastFailed && <Button onClick={() => setSearch({ time: paramFromRange(lastFailed) })}>Look at the last that failed, {localTime(lastFailed.start, Date.now(), false)}</Button>}
        </Empty>
      ) : (
        <>
          <Charts begin={told.begin} answer={told.answer} draw="line" scale={undefined} markers={[]} selection={boxed} focus={null} onSelect={(chosen) => setSearch(selectionParams({ ...chosen, filters: [] }))} />
          <ValueActions value={actions}>
            <BubbleUp question={counted} time={time} selection={selection} onSelect={() => undefined} onRange={(column, low, high) => open(withBounds(bad, column, low, high))} />
          </ValueActions>
        </>
      )}
    </section>
  );
}
