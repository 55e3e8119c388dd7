// Deploys as they were announced, the newest first, with what each brought: errors that were new or came back.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import * as api from '../../api/errorSettings';
import type { Deploy } from '../../api/errorSettings';
import { nanoFromMs } from '../../lib/time';
import { duration, plural } from '../../lib/units';
import { Badge } from '../../ui/Chip';
import { Button, CopyBlock, CopyButton } from '../../ui/Control';
import { Failure, Loading } from '../../ui/State';
import { Ago } from '../../ui/Time';
import styles from './Settings.module.css';
import own from './ErrorSettings.module.css';

const PAGE = 50;
const announce = () =>
  `curl -X POST ${location.origin}/api/1/deploy/ -H 'X-Rollbar-Access-Token: any' \\\n  -H 'Content-Type: application/json' \\\n  -d '{"environment": "production", "revision": "'"$(git rev-parse HEAD)"'", "local_username": "'"$USER"'"}'`;

export function Deploys() {
  const [page, setPage] = useState(1);
  const { data, error, refetch } = useQuery(api.deploys(page));
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} title="The deploys could not be read" />;
  if (!data) return <Loading rows={10} label="Reading the deploys" />;
  return (
    <div className={styles.page}>
      <header className={styles.intro}>
        <p>A deploy stands as a line on every chart, and errors that appear after one name it. Scripts that announce deploys to Rollbar need only another address.</p>
      </header>
      {data.deploys.length === 0 && page === 1 ? (
        <div className={styles.none} data-testid="empty">
          <h2>No deploy was announced yet</h2>
          <p>Put this into the script that deploys:</p>
          <CopyBlock text={announce()} />
        </div>
      ) : (
        <>
          <table className={styles.rules} data-testid="deploys">
            <thead>
              <tr>
                <th>Revision</th>
                <th>Environment</th>
                <th>By</th>
                <th>Brought</th>
                <th>State</th>
                <th className="num">When</th>
              </tr>
            </thead>
            <tbody className={own.plain}>
              {data.deploys.map((one) => (
                <Row key={one.id} deploy={one} />
              ))}
            </tbody>
          </table>
          {(page > 1 || data.deploys.length === PAGE) && (
            <p className={own.pager}>
              <Button disabled={page === 1} onClick={() => setPage(page - 1)}>
                Newer
              </Button>
              <Button disabled={data.deploys.length < PAGE} onClick={() => setPage(page + 1)}>
                Older
              </Button>
            </p>
          )}
          <details className={own.how}>
            <summary>Announce a deploy from a script</summary>
            <CopyBlock text={announce()} />
          </details>
        </>
      )}
    </div>
  );
}

const TONES: Readonly<Record<string, 'fault' | 'note' | 'quiet' | 'new'>> = { failed: 'fault', timed_out: 'fault', started: 'new' };

function Row({ deploy }: { deploy: Deploy }) {
  const { data, error } = useQuery(api.version(deploy.revision, deploy.environment));
  const stats = Object.values(data?.item_stats ?? {});
  const sum = (event: 'new' | 'reactivated') => stats.reduce((all, one) => all + one[event], 0);
  const took = deploy.finish_time === null ? 0 : deploy.finish_time - deploy.start_time;
  const search = { q: `code_version:${deploy.revision}`, environment: deploy.environment || undefined };
  return (
    <tr data-testid="deploy-row" data-revision={deploy.revision}>
      <td className={own.revision}>
        <span className="mono" title={deploy.revision}>
          {/^[0-9a-f]{24,}$/.test(deploy.revision) ? deploy.revision.slice(0, 12) : deploy.revision}
        </span>
        <CopyButton bare text={deploy.revision} label="Copy the revision" />
        {deploy.comment && !deploy.comment.startsWith('deploy of ') && <i title={deploy.comment}>{deploy.comment}</i>}
      </td>
      <td>{deploy.environment}</td>
      <td>{deploy.local_username || deploy.rollbar_username || <span className="muted">–</span>}</td>
      <td>
        {data ? (
          sum('new') + sum('reactivated') === 0 ? (
            <span className="muted">no new errors</span>
          ) : (
            <Link to="/errors" search={search as never}>
              {[sum('new') > 0 ? plural(sum('new'), 'new error') : '', sum('reactivated') > 0 ? `${sum('reactivated')} came back` : ''].filter(Boolean).join(', ')}
            </Link>
          )
        ) : (
          <span className="muted">{error ? '–' : ''}</span>
        )}
      </td>
      <td>
        <Badge tone={TONES[deploy.status] ?? 'quiet'}>{deploy.status.replace('_', ' ')}</Badge>
        {took > 0 && <span className="muted"> in {duration(took * 1e9)}</span>}
      </td>
      <td className="num muted">
        <Ago nano={nanoFromMs(deploy.start_time * 1000)} />
      </td>
    </tr>
  );
}
