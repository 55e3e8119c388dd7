// What an error is made of and where it comes from: the deploys that may have brought it, the errors that were merged into it,
// and the value by which it could be split.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { ErrorPageAnswer } from '../../api/errors';
import * as api from '../../api/errorSettings';
import { count, plural } from '../../lib/units';
import { Button, Input } from '../../ui/Control';
import { Ago } from '../../ui/Time';
import styles from './Error.module.css';

/** The likeliest first; nothing where no deploy is near. */
export function Suspects({ group }: { group: string }) {
  const { data, error } = useQuery(api.suspects(group));
  if (error && !data) {
    return (
      <section className={styles.section} data-testid="suspects">
        <header>
          <h2>Suspect deploys</h2>
        </header>
        <p className={styles.wrong} role="alert">
          They could not be read: {error.message}
        </p>
      </section>
    );
  }
  if (!data || data.length === 0) return null;
  return (
    <section className={styles.section} data-testid="suspects">
      <header>
        <h2>Suspect deploys</h2>
      </header>
      <ul className={styles.suspects}>
        {data.map((one) => (
          <li key={one.deploy_id}>
            <i style={{ height: `${Math.max(12, one.score * 100)}%` }} aria-hidden="true" />
            <div>
              <p>
                <b className="mono">{/^[0-9a-f]{24,}$/.test(one.version) ? one.version.slice(0, 12) : one.version || 'no version'}</b> {one.user && `by ${one.user}`} <Ago nano={one.time_unix_nano} />
              </p>
              {one.comment && <p>{one.comment}</p>}
              <p className="muted">
                {one.why}
                {one.revision !== '' && one.revision !== one.version && (
                  <>
                    , commit{' '}
                    <span className="mono" title={one.revision}>
                      {one.revision.slice(0, 12)}
                    </span>
                  </>
                )}
              </p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Where things are in payloads by which people tell errors apart. */
const PATHS = ['custom.', 'context', 'request.url', 'request.method', 'server.host', 'person.id', 'environment', 'level', 'body.trace.exception.class', 'body.trace.exception.message'];

export function Parts({ data, onDone }: { data: ErrorPageAnswer; onDone: (text: string) => void }) {
  const client = useQueryClient();
  const id = data.item.id;
  const merged = data.groups.length > 1;
  const members = useQuery(api.members(merged ? id : undefined));
  const [path, setPath] = useState('');
  const [splitting, setSplitting] = useState(false);
  const again = () => client.invalidateQueries({ queryKey: ['errors'] });
  const take = useMutation({
    mutationFn: (ids: number[]) => api.unmergeItems(id, ids),
    onSuccess: async (left) => {
      await again();
      onDone(`${plural(left.items.length, 'error')} taken out`);
    },
  });
  const split = useMutation({
    mutationFn: () => api.splitItem(id, path.trim()),
    onSuccess: async () => {
      await Promise.all([again(), client.invalidateQueries({ queryKey: ['error-rules'] })]);
      setSplitting(false);
      onDone(`New occurrences are told apart by ${path.trim()}`);
    },
  });
  const list = members.data ?? [];
  return (
    <section className={styles.section} data-testid="parts">
      <header>
        <h2>What it is made of</h2>
        {!splitting && (
          <button type="button" className={styles.quiet} onClick={() => setSplitting(true)} data-testid="split">
            Split
          </button>
        )}
      </header>
      {list.length > 0 ? (
        <>
          <ul className={styles.members}>
            {list.map((one) => (
              <li key={one.id} data-testid="member">
                <span className={styles.number}>#{one.counter}</span>
                <span className="cut" title={one.title}>
                  {one.title}
                </span>
                <span className="muted">{count(one.occurrences)}</span>
                <button type="button" className={styles.quiet} disabled={take.isPending} onClick={() => take.mutate([one.id])} data-testid="unmerge">
                  Take out
                </button>
              </li>
            ))}
          </ul>
          {list.length > 1 && (
            <Button onClick={() => take.mutate([])} disabled={take.isPending}>
              Take all apart
            </Button>
          )}
        </>
      ) : (
        <p className="muted">{members.error ? `What was merged into it could not be read: ${members.error.message}` : merged ? `${data.groups.length} groups of occurrences.` : 'One group of occurrences, all thrown at the same place.'}</p>
      )}
      {splitting && (
        <form
          className={styles.splitting}
          onSubmit={(event) => {
            event.preventDefault();
            if (path.trim() !== '') split.mutate();
          }}
        >
          <label htmlFor="split-path">Tell new occurrences apart by what stands at</label>
          <div>
            <Input id="split-path" autoFocus list="split-paths" className="mono" value={path} placeholder="custom.tenant" data-testid="split-path" onChange={(event) => setPath(event.target.value)} />
            <Button primary type="submit" disabled={path.trim() === '' || split.isPending} data-testid="split-do">
              Split
            </Button>
            <Button onClick={() => setSplitting(false)}>Cancel</Button>
          </div>
          <datalist id="split-paths">
            {PATHS.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
          <p className="muted">
            It becomes a rule of <Link to="/settings" search={{ tab: 'grouping' }}>error grouping</Link>, and can be taken back there. What is here stays.
          </p>
        </form>
      )}
      {(take.error ?? split.error) && (
        <p className={styles.wrong} role="alert">
          {(take.error ?? split.error)?.message}
        </p>
      )}
    </section>
  );
}
