// An objective on a board: how it stands, and how its budget went.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import * as api from '../../api/slos';
import { BudgetLeft } from '../alerts/slo/BurnDown';
import { BudgetBar, lasts, share, State } from '../alerts/slo/parts';
import styles from './Boards.module.css';

const HEAD_PX = 34;
const LINE_PX = 30;
/** A lower chart tells nothing: a flat panel has the figures alone. */
const CHART_PX_MIN = 60;

export function SloPanel({ id, height, tools }: { id: string; height: number; tools: ReactNode }) {
  const { data, error } = useQuery({ ...api.slo(id), retry: false });
  const slo = data?.slo;
  const room = height - HEAD_PX - LINE_PX;
  return (
    <div className={styles.inside} data-testid="slo-panel">
      <header className={styles.title}>
        {slo ? (
          <Link to="/alerts/slos/$slo" params={{ slo: id }}>
            {slo.name}
          </Link>
        ) : (
          <span>Objective</span>
        )}
        {slo && <State slo={slo} />}
        {tools}
      </header>
      {error && (
        <div className={styles.fault}>
          <p>The objective could not be read: {error.message}</p>
        </div>
      )}
      {data && slo && (
        <>
          <p className={styles.told}>
            <b>{slo.total <= 0 ? '–' : share(slo.budget_remaining)}</b> of the budget left, {slo.compliance === null ? 'nothing' : share(slo.compliance)} good of {share(slo.target)}
            {slo.exhausts_in_seconds !== null && slo.state !== 'exhausted' && `, lasts ${lasts(slo.exhausts_in_seconds)}`}
          </p>
          {room >= CHART_PX_MIN ? <BudgetLeft whole={data} height={room} /> : <p className={styles.told}><BudgetBar left={slo.budget_remaining} /></p>}
        </>
      )}
    </div>
  );
}
