// Errors: every exception that any receiver told of, one row for one cause.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { ApiError } from '../../api/client';
import * as queries from '../../api/queries';
import type { ErrorGroup } from '../../api/types';
import { receiverName } from '../../lib/ids';
import { count, plural } from '../../lib/units';
import { Receiver, Service } from '../../ui/Chip';
import { Button, Choice } from '../../ui/Control';
import { Facet, Facets } from '../../ui/Facets';
import { Icon } from '../../ui/Icon';
import { SearchBar } from '../../ui/SearchBar';
import { Sparkline } from '../../ui/Sparkline';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Ago } from '../../ui/Time';
import { useRowKeys } from '../common/rows';
import { useSetSearch } from '../common/search';
import { useSuggest } from '../common/suggest';
import styles from './Errors.module.css';

const here = getRouteApi('/errors');
const SORTS = [
  { value: 'last_seen', label: 'Last seen' },
  { value: 'count', label: 'Count' },
  { value: 'first_seen', label: 'First seen' },
] as const;

export function ErrorsPage() {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const { time, q = '', service, receiver } = search;
  const live = search.live === '1';
  const sort = SORTS.find((one) => one.value === search.sort)?.value ?? 'last_seen';
  const list = useInfiniteQuery(queries.errorsPaged(time, { q: q === '' ? undefined : q, service, receiver }, sort, live));
  const services = useQuery(queries.services(time, live));
  const suggest = useSuggest('logs', time);
  useRowKeys();

  const rows = list.data?.pages.flatMap((page) => page.errors) ?? [];
  const first = list.data?.pages[0];
  const filtered = Boolean(q || service || receiver);
  const badQuery = list.error instanceof ApiError && list.error.code === 'invalid_query';
  // Receivers have no count of their own here; those that told of the errors in sight are offered.
  const receivers = [...new Set(rows.flatMap((row) => row.receivers))];
  return (
    <>
      <div className={styles.bar}>
        <SearchBar value={q} onSearch={(next) => setSearch({ q: next })} suggest={suggest} invalid={badQuery} placeholder='words of type or message, exception.type = "KeyError"' />
        <Choice label="Order" options={SORTS} value={sort} onChange={(value) => setSearch({ sort: value === 'last_seen' ? undefined : value })} />
        {filtered && <Button onClick={() => setSearch({ q: undefined, service: undefined, receiver: undefined })}>Clear all</Button>}
      </div>
      <div className={styles.body}>
        <Facets>
          <Facet
            title="Service"
            testId="facet-service"
            chosen={service}
            onChoose={(value) => setSearch({ service: value })}
            options={services.data?.services.filter((one) => one.exceptions > 0).map((one) => ({ value: one.name, label: <Service name={one.name} />, count: one.exceptions }))}
          />
          <Facet title="Told by" testId="facet-receiver" chosen={receiver} onChoose={(value) => setSearch({ receiver: value })} options={list.data ? receivers.map((value) => ({ value, label: receiverName(value) })) : undefined} />
        </Facets>
        <div className={styles.list} data-testid="error-list">
          {list.error ? (
            <Failure error={list.error} query={q} onRetry={() => void list.refetch()} title={badQuery ? 'The search cannot be read' : undefined} />
          ) : !first ? (
            <Loading rows={10} />
          ) : rows.length === 0 ? (
            <NoErrors filtered={filtered} />
          ) : (
            <>
              <div className={styles.head} aria-hidden="true">
                <span>Level</span>
                <span>Error</span>
                <span>Trend</span>
                <span className={styles.num}>Count</span>
                <span className={styles.num}>People</span>
                <span className={styles.num}>Last</span>
                <span className={`${styles.num} ${styles.first}`}>First</span>
                <span>Where</span>
              </div>
              {rows.map((row) => (
                <Row key={row.group} row={row} />
              ))}
              <div className={styles.more}>
                {list.hasNextPage ? (
                  <Button onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
                    More
                  </Button>
                ) : (
                  `That is all: ${plural(rows.length, 'error')}`
                )}
              </div>
            </>
          )}
        </div>
      </div>
      <StatsLine stats={first?.stats} />
    </>
  );
}

function Row({ row }: { row: ErrorGroup }) {
  return (
    <div className={styles.row} data-testid="error-row" data-group={row.group}>
      <span className={styles.level} data-level={row.level}>
        <Icon name="alert" size={11} />
        {row.level}
      </span>
      <span className={styles.what}>
        <Link to="/errors/$group" params={{ group: row.group }} data-row="">
          {row.type || 'message'}
        </Link>
        <span className="cut" title={row.message}>
          {row.message}
        </span>
      </span>
      <Sparkline values={row.series.counts} kind="bars" colour="var(--fault)" width={150} height={26} />
      <b className={styles.num}>{count(row.count)}</b>
      <span className={`${styles.num} ${row.people > 0 ? '' : 'muted'}`}>{row.people > 0 ? count(row.people) : '–'}</span>
      <span className={styles.num}>
        <Ago nano={row.last_seen_unix_nano} />
      </span>
      <span className={`${styles.num} ${styles.first}`}>
        <Ago nano={row.first_seen_unix_nano} />
      </span>
      <span className={styles.where}>
        <span className="cut">
          {row.services.map((name) => (
            <Service key={name} name={name} />
          ))}
        </span>
        <span>
          {row.receivers.map((name) => (
            <Receiver key={name} name={name} />
          ))}
        </span>
      </span>
    </div>
  );
}

function NoErrors({ filtered }: { filtered: boolean }) {
  const receivers = useQuery(queries.receivers());
  if (filtered) {
    return (
      <Empty title="No error matches">
        <p>Take away a filter, or choose a longer time range above.</p>
      </Empty>
    );
  }
  return (
    <Empty title="No errors in this time range" copy={`rollbar.init('any token', 'production', endpoint='${receivers.data?.addresses.http ?? 'http://127.0.0.1:8080'}/api/1/')`}>
      <p>
        Good. Exceptions of OpenTelemetry spans and X-Ray segments show here by themselves; with Rollbar for Python this line sends its items here, and <Link to="/connect" search={{ vendor: 'rollbar' }}>Connect</Link> has the other languages.
      </p>
    </Empty>
  );
}
