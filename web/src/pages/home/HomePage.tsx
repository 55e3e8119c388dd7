// Home: how every service does, what goes wrong, what is slow, what was deployed.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import * as queries from '../../api/queries';
import type { Deploy, ErrorGroup, Route, Service as ServiceRow } from '../../api/types';
import { msFromNano, paramFromRange } from '../../lib/time';
import { count, duration, percent, plural, rate } from '../../lib/units';
import { Chart } from '../../ui/Chart';
import { Receiver, Service } from '../../ui/Chip';
import { Sparkline } from '../../ui/Sparkline';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Ago, Time } from '../../ui/Time';
import { useRowKeys } from '../common/rows';
import { useSetSearch } from '../common/search';
import { Changes, ROUTES_COMPARED } from './Changes';
import styles from './Home.module.css';

const here = getRouteApi('/');
const ERRORS_SHOWN = 5;
const ROUTES_SHOWN = 10;
/** OpenTelemetry's name for what did not say who it is; a deploy of Rollbar names a project only. */
const UNNAMED = 'unknown_service';

export function HomePage() {
  const { time, live } = here.useSearch();
  const setSearch = useSetSearch();
  const isLive = live === '1';
  const services = useQuery(queries.services(time, isLive));
  const routes = useQuery(queries.routes(time, undefined, ROUTES_COMPARED, isLive));
  const newest = useQuery(queries.errors(time, {}, 'first_seen', ERRORS_SHOWN, isLive));
  const noisiest = useQuery(queries.errors(time, {}, 'count', ERRORS_SHOWN, isLive));
  const deploys = useQuery(queries.deploys(time, isLive));
  const histogram = useQuery(queries.tracesHistogram(time, {}, isLive));
  const receivers = useQuery({ ...queries.receivers(), enabled: services.data?.services.length === 0 });
  useRowKeys();

  if (services.error) return <Failure error={services.error} onRetry={() => void services.refetch()} />;
  if (!services.data) return <Loading rows={14} />;
  const list = services.data.services;
  const total = noisiest.data?.errors.length ?? 0;
  if (list.length === 0 && total === 0) {
    return (
      <Empty title="Nothing has arrived in this time range" copy={`OTEL_EXPORTER_OTLP_ENDPOINT=${receivers.data?.addresses.otlp_http ?? 'http://127.0.0.1:4318'}\nOTEL_SERVICE_NAME=my-service`}>
        <p>
          Choose a longer range above, or send something: with an OpenTelemetry SDK these two variables are enough. <Link to="/connect">Connect</Link> has the lines for Honeycomb, AWS X-Ray, CloudWatch Logs and Rollbar, and shows what comes in.
        </p>
      </Empty>
    );
  }
  const zoom = (range: { start: number; end: number }) => setSearch({ time: paramFromRange(range) });
  const buckets = histogram.data?.buckets;
  const shape = histogram.data && { start: msFromNano(histogram.data.start_unix_nano), step: histogram.data.step_seconds * 1000 };
  const markers = (deploys.data?.deploys ?? []).map((deploy) => ({ ms: msFromNano(deploy.time_unix_nano), label: deploy.version ?? deploy.service }));
  return (
    <>
      <div className={styles.home} style={{ flex: '1 0 auto' }}>
        {shape && buckets && (
          <div className={styles.charts}>
            <Chart
              title="Requests"
              kind="bars"
              {...shape}
              format={count}
              markers={markers}
              onSelect={zoom}
              series={[
                { label: 'errors', colour: 'var(--fault)', values: buckets.map((bucket) => bucket.errors) },
                { label: 'ok', colour: 'var(--bar-quiet)', values: buckets.map((bucket) => bucket.count - bucket.errors) },
              ]}
            />
            <Chart
              title="Duration"
              kind="lines"
              {...shape}
              format={duration}
              markers={markers}
              onSelect={zoom}
              series={[
                { label: 'p95', colour: 'var(--accent)', values: buckets.map((bucket) => bucket.p95_ns) },
                { label: 'median', colour: 'var(--bar-quiet)', values: buckets.map((bucket) => bucket.p50_ns) },
              ]}
            />
          </div>
        )}
        <div className={styles.left}>
          <Services list={list} deploys={deploys.data?.deploys} />
          <Routes list={routes.data?.routes.slice(0, ROUTES_SHOWN)} />
          <Deploys list={deploys.data?.deploys} />
        </div>
        <div className={styles.right}>
          <Changes time={time} services={list} routes={routes.data?.routes} errors={newest.data?.errors} readAt={services.dataUpdatedAt} />
          <Errors title="Noisiest errors" sort="count" list={noisiest.data?.errors} />
          <Errors title="Newest errors" sort="first_seen" list={newest.data?.errors} />
        </div>
      </div>
      <StatsLine stats={services.data.stats} />
    </>
  );
}

/** What a service without spans did tell, in the place of the figures it cannot have. */
function toldWithoutSpans(service: ServiceRow, deploys: Deploy[] | undefined): string {
  const announced = deploys?.filter((deploy) => deploy.service === service.name).length ?? 0;
  if (announced > 0 && service.logs <= announced) return `${plural(announced, 'deploy')} announced, nothing else`;
  return `${plural(service.logs, 'log record')}, no spans`;
}

function Services({ list, deploys }: { list: ServiceRow[]; deploys: Deploy[] | undefined }) {
  return (
    <section className={styles.section}>
      <header>
        <h2>Services</h2>
        <span className="muted">{list.length}</span>
        <Link to="/explore" search={{ calc: 'COUNT, P95(duration_ms), HEATMAP(duration_ms)', where: 'span.kind = "server"', by: 'service.name' }}>
          Explore
        </Link>
      </header>
      <table>
        <thead>
          <tr>
            <th>Service</th>
            <th className="num">Rate</th>
            <th className="num">Errors</th>
            <th className="num">p95</th>
            <th>By way of</th>
            <th className="num">Seen</th>
          </tr>
        </thead>
        <tbody>
          {[...list]
            .sort((a, b) => b.requests - a.requests)
            .map((service) => (
              <tr key={service.name} data-testid="service-row">
                <td className={styles.name}>
                  <Link to={service.spans > 0 ? '/traces' : '/logs'} search={{ service: service.name }} data-row="">
                    <Service name={service.name} />
                  </Link>
                </td>
                {service.spans > 0 ? (
                  <Figures service={service} />
                ) : (
                  <td colSpan={3} className="num muted">
                    {toldWithoutSpans(service, deploys)}
                  </td>
                )}
                <td>
                  <span className={styles.receivers}>
                    {service.receivers.map((name) => (
                      <Receiver key={name} name={name} />
                    ))}
                  </span>
                </td>
                <td className="num muted">
                  <Ago nano={service.last_seen_unix_nano} />
                </td>
              </tr>
            ))}
        </tbody>
      </table>
    </section>
  );
}

function Figures({ service }: { service: ServiceRow }) {
  return (
    <>
      <td>
        <span className={styles.cell}>
          <Sparkline values={service.series.requests} width={72} />
          <b>{rate(service.requests, service.series.step_seconds * service.series.requests.length)}</b>
        </span>
      </td>
      <td>
        <span className={styles.cell}>
          <Sparkline values={service.series.errors} width={72} kind="bars" colour="var(--fault)" max={Math.max(1, ...service.series.requests) / 8} />
          <b className={service.errors > 0 ? styles.loud : 'muted'}>
            {service.errors > 0 ? (
              <Link to="/traces" search={{ service: service.name, status: 'error' }} className={styles.loud}>
                {percent(service.error_rate)}
              </Link>
            ) : (
              '0%'
            )}
          </b>
        </span>
      </td>
      <td>
        <span className={styles.cell}>
          <Sparkline values={service.series.p95_ns} width={72} colour="var(--accent)" />
          <b>{typeof service.p95_ns === 'number' ? duration(service.p95_ns) : '–'}</b>
        </span>
      </td>
    </>
  );
}

function Routes({ list }: { list: Route[] | undefined }) {
  const slowest = Math.max(1, ...(list ?? []).map((route) => route.p95_ns));
  return (
    <section className={styles.section}>
      <header>
        <h2>Slowest routes</h2>
        <Link to="/traces" search={{ sort: 'slowest' }}>
          Slowest traces
        </Link>
      </header>
      {!list ? (
        <Loading rows={5} />
      ) : list.length === 0 ? (
        <p className={styles.quiet}>No request in this range had a route.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th>Route</th>
              <th>Service</th>
              <th className="num">Requests</th>
              <th className="num">Errors</th>
              <th className="num">Median</th>
              <th className="num">p95</th>
              <th className="num">p99</th>
            </tr>
          </thead>
          <tbody>
            {list.map((route) => (
              <tr key={`${route.service} ${route.method} ${route.route}`} data-testid="route-row">
                <td className={`mono ${styles.wide}`}>
                  <Link to="/traces" search={{ service: route.service, route: route.route, sort: 'slowest' }} data-row="" title={route.route}>
                    {route.method} {route.route}
                  </Link>
                </td>
                <td>
                  <Service name={route.service} />
                </td>
                <td className="num">{count(route.requests)}</td>
                <td className={`num ${route.errors > 0 ? styles.loud : 'muted'}`}>{count(route.errors)}</td>
                <td className="num">{duration(route.p50_ns)}</td>
                <td className="num">
                  <span className={styles.cell}>
                    <span style={{ width: 60, height: 4, background: `linear-gradient(to left, var(--accent) ${(route.p95_ns / slowest) * 100}%, transparent 0)` }} />
                    <b>{duration(route.p95_ns)}</b>
                  </span>
                </td>
                <td className="num">{duration(route.p99_ns)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Errors({ title, sort, list }: { title: string; sort: string; list: ErrorGroup[] | undefined }) {
  return (
    <section className={styles.section}>
      <header>
        <h2>{title}</h2>
        <Link to="/errors" search={{ sort }}>
          All errors
        </Link>
      </header>
      {!list ? (
        <Loading rows={4} />
      ) : list.length === 0 ? (
        <p className={styles.quiet}>None in this range.</p>
      ) : (
        <ul className={styles.errors}>
          {list.map((item) => (
            <li key={item.group}>
              <Link to="/errors/$group" params={{ group: item.group }} className="cut" data-row="">
                {item.type || item.level}
              </Link>
              <span className={`${styles.message} cut`}>{item.message}</span>
              <span className={styles.meta}>
                {sort === 'count' ? (
                  <span>
                    last <Ago nano={item.last_seen_unix_nano} />
                  </span>
                ) : (
                  <span>
                    first <Ago nano={item.first_seen_unix_nano} />
                  </span>
                )}
                <span className="cut">{item.services.join(', ')}</span>
                <span className={styles.receivers} title="Each tracer tells its own occurrences, so a request that two of them saw shows in two lists">
                  {item.receivers.map((name) => (
                    <Receiver key={name} name={name} />
                  ))}
                </span>
              </span>
              <span className={styles.trend}>
                <Sparkline values={item.series.counts} kind="bars" colour="var(--fault)" width={84} />
                <b style={{ minWidth: 34, textAlign: 'right' }}>{count(item.count)}</b>
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Deploys({ list }: { list: Deploy[] | undefined }) {
  if (!list || list.length === 0) return null;
  return (
    <section className={styles.section}>
      <header>
        <h2>Deploys</h2>
      </header>
      <ul className={styles.deploys}>
        {list.map((deploy) => (
          <li key={`${deploy.time_unix_nano} ${deploy.service}`}>
            <Time nano={deploy.time_unix_nano} ms={false} />
            <b className="mono">{deploy.version ?? 'no version'}</b>
            {deploy.service !== UNNAMED && <Service name={deploy.service} />}
            <span className="muted cut">{[deploy.environment, deploy.user, deploy.comment].filter(Boolean).join(', ')}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
