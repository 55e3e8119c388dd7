// Objectives: what share of events shall be good, what is left of the budget, and how fast it goes.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import * as api from '../../../api/slos';
import { count } from '../../../lib/units';
import { Button } from '../../../ui/Control';
import { Icon } from '../../../ui/Icon';
import { Empty, Failure, Loading } from '../../../ui/State';
import { useRowKeys } from '../../common/rows';
import { useSetSearch } from '../../common/search';
import { NewSlo } from './NewSlo';
import { BudgetBar, lasts, share, State } from './parts';
import styles from './Slo.module.css';

const here = getRouteApi('/alerts/slos');

export function SlosPage() {
  const { new: making } = here.useSearch();
  const setSearch = useSetSearch();
  const { data, error, refetch } = useQuery(api.slos());
  useRowKeys();
  if (error) return <Failure error={error} onRetry={() => void refetch()} title="The objectives could not be read" />;
  if (!data) return <Loading rows={8} />;
  const open = making === '1';
  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        <Link to="/alerts" search={{ tab: 'slos' }} className="muted">
          Alerts
        </Link>
        <h1>Objectives</h1>
        <Button primary={!open} aria-expanded={open} onClick={() => setSearch({ new: open ? undefined : '1' })} data-testid="slo-new">
          {open ? 'Cancel' : <><Icon name="plus" /> New objective</>}
        </Button>
      </div>
      {open && <NewSlo />}
      {data.length === 0 ? (
        !open && (
          <Empty title="No objectives yet">
            <p>An objective says what share of events shall be good, over how many days. What may be bad is its budget: this page tells how much of it is left, how fast it goes, and what the bad events have in common.</p>
            <p>Those made by Terraform or through Honeycomb’s API are listed here too.</p>
            <Button primary onClick={() => setSearch({ new: '1' })}>
              New objective
            </Button>
          </Empty>
        )
      ) : (
        <table className={styles.table} data-testid="slos">
          <thead>
            <tr>
              <th>Objective</th>
              <th>State</th>
              <th className="num">Target</th>
              <th className="num">Good</th>
              <th>Budget left</th>
              <th className="num">Burn rate, 1 h</th>
              <th className="num">Lasts</th>
              <th className="num">Bad</th>
            </tr>
          </thead>
          <tbody>
            {data.map((slo) => (
              <tr key={slo.id} data-testid="slo-row">
                <td className={styles.name}>
                  <Link to="/alerts/slos/$slo" params={{ slo: slo.id }} data-row="">
                    {slo.name}
                  </Link>
                  <span className="muted cut">{slo.error ?? (slo.description || slo.datasets.join(', '))}</span>
                </td>
                <td>
                  <State slo={slo} />
                </td>
                <td className="num">
                  {share(slo.target)} <span className="muted">/ {slo.period_days} d</span>
                </td>
                <td className="num">{slo.compliance === null ? '–' : share(slo.compliance)}</td>
                <td className={styles.left}>
                  <BudgetBar left={slo.budget_remaining} />
                  <span>{slo.total <= 0 ? '–' : share(slo.budget_remaining)}</span>
                </td>
                <td className="num">{slo.burn_rate === null ? '–' : `×${Number(slo.burn_rate.toPrecision(2))}`}</td>
                <td className="num">{slo.state === 'exhausted' || slo.total <= 0 ? '–' : lasts(slo.exhausts_in_seconds)}</td>
                <td className="num">
                  {count(slo.bad)} <span className="muted">of {count(slo.budget_events)}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
