// Log groups and their streams, to look around in.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import * as api from '../../api/logs';
import * as queries from '../../api/queries';
import { msFromNano, rangeAround } from '../../lib/time';
import { bytes, plural } from '../../lib/units';
import { Button, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Empty, Failure, Loading } from '../../ui/State';
import { Ago } from '../../ui/Time';
import { useRowKeys } from '../common/rows';
import { useSetSearch } from '../common/search';
import styles from './Logs.module.css';

const here = getRouteApi('/logs');

export function GroupsView({ views }: { views: ReactNode }) {
  const { group, find = '' } = here.useSearch();
  const setSearch = useSetSearch();
  const { data, error, refetch } = useQuery(api.groups(find));
  useRowKeys();
  return (
    <>
      <div className={styles.bar}>
        {views}
        <Input className={styles.find} value={find} placeholder="part of a log group's name" aria-label="Find a log group" data-search="" onChange={(event) => setSearch({ find: event.target.value || undefined }, true)} />
      </div>
      {error ? (
        <Failure error={error} onRetry={() => void refetch()} />
      ) : data?.groups.length === 0 && !group ? (
        <NoGroups find={find} />
      ) : (
        <div className={styles.browser}>
          <div className={styles.groupList} data-testid="group-list">
            {!data ? (
              <Loading rows={12} />
            ) : (
              <table>
                <thead>
                  <tr>
                    <th>Log group</th>
                    <th className="num">Stored</th>
                    <th>Kept</th>
                    <th className="num">Made</th>
                  </tr>
                </thead>
                <tbody>
                  {data.groups.map((one) => (
                    <tr key={one.name} aria-selected={one.name === group} onClick={() => setSearch({ group: one.name })}>
                      <td>
                        <button type="button" data-row="" className="mono" data-testid="group-row" onClick={() => setSearch({ group: one.name })}>
                          {one.name}
                        </button>
                      </td>
                      <td className="num">{bytes(one.stored_bytes)}</td>
                      <td>{one.retention_days ? plural(one.retention_days, 'day') : 'for ever'}</td>
                      <td className="num">
                        <Ago nano={one.created_at_unix_nano} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
            {data?.truncated && <p className={styles.patternsEnd}>There are more: write a part of the name above.</p>}
          </div>
          {group ? <Streams group={group} /> : data && <div className={styles.hint}>Choose a log group to see its streams.</div>}
        </div>
      )}
    </>
  );
}

function NoGroups({ find }: { find: string }) {
  const receivers = useQuery(queries.receivers());
  const http = receivers.data?.addresses.http ?? 'http://127.0.0.1:8080';
  if (find !== '') return <Empty title="No log group has this in its name" />;
  return (
    <Empty title="No log group yet" copy={`AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=${http}`}>
      <p>
        A client of CloudWatch Logs makes a group, or sends the first line to it; this variable points it here, and <Link to="/connect">Connect</Link> has the rest. What services log by OpenTelemetry is under <Link to="/logs">Lines</Link>, and in Insights as <code>otel/</code> and the service's name.
      </p>
    </Empty>
  );
}

function Streams({ group }: { group: string }) {
  const [prefix, setPrefix] = useState('');
  const list = useInfiniteQuery(api.streams(group, prefix));
  const streams = list.data?.pages.flatMap((page) => page.streams) ?? [];
  return (
    <section className={styles.streams} data-testid="streams">
      <header>
        <h2 className="mono">{group}</h2>
        <Link to="/logs" search={(old: Record<string, string | undefined>) => ({ time: old.time, group }) as never}>
          <Icon name="lines" size={12} /> Its lines
        </Link>
        <Link to="/logs" search={(old: Record<string, string | undefined>) => ({ time: old.time, view: 'insights', groups: group }) as never}>
          <Icon name="search" size={12} /> Ask with Insights
        </Link>
        <Input value={prefix} placeholder="beginning of its name" aria-label="Find a stream" onChange={(event) => setPrefix(event.target.value)} />
      </header>
      {list.error ? (
        <Failure error={list.error} />
      ) : !list.data ? (
        <Loading rows={8} />
      ) : (
        <table>
          <thead>
            <tr>
              <th>Stream</th>
              <th className="num">Newest line</th>
              <th className="num">Oldest line</th>
              <th className="num">Stored</th>
            </tr>
          </thead>
          <tbody>
            {streams.map((one) => (
              <tr key={one.name}>
                <td className="mono">
                  <Link to="/logs" search={{ group, stream: one.name, ...(one.last_event_unix_nano ? { time: rangeAround(msFromNano(one.last_event_unix_nano), 15 * 60_000) } : {}) }} data-testid="stream-row">
                    {one.name}
                  </Link>
                </td>
                <td className="num">{one.last_event_unix_nano ? <Ago nano={one.last_event_unix_nano} /> : '–'}</td>
                <td className="num">{one.first_event_unix_nano ? <Ago nano={one.first_event_unix_nano} /> : '–'}</td>
                <td className="num">{bytes(one.stored_bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p className={styles.patternsEnd}>
        {list.hasNextPage ? (
          <Button onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
            More
          </Button>
        ) : list.data ? (
          `That is all: ${plural(streams.length, 'stream')}`
        ) : null}
      </p>
    </section>
  );
}
