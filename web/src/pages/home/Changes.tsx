// What changed since the period before the one that is shown.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import * as queries from '../../api/queries';
import type { ErrorGroup, Route, Service as ServiceRow } from '../../api/types';
import { changesOf, type Change, type Measured } from '../../lib/changes';
import { labelFromParam, paramFromRange, rangeFromParam } from '../../lib/time';
import { count, duration, percent, plural } from '../../lib/units';
import { Service } from '../../ui/Chip';
import { Icon, type IconName } from '../../ui/Icon';
import { Loading } from '../../ui/State';
import styles from './Home.module.css';

const SHOWN = 7;
/** Enough routes that the slow ones of one period are among those of the other. */
export const ROUTES_COMPARED = 100;
/** An error is new when it is not among so many of the period before. */
const ERRORS_COMPARED = 500;

interface Props {
  time: string | undefined;
  services: ServiceRow[];
  routes: Route[] | undefined;
  errors: ErrorGroup[] | undefined;
  /** When `services` were read: the period before is asked for anew with them. */
  readAt: number;
}

const ofService = (one: ServiceRow): Measured => ({ service: one.name, requests: one.requests, errors: one.errors, p95_ns: one.p95_ns ?? null });
const ofRoute = (one: Route): Measured => ({ service: one.service, route: one.route, method: one.method ?? undefined, requests: one.requests, errors: one.errors, p95_ns: one.p95_ns });

export function Changes({ time, services, routes, errors, readAt }: Props) {
  const range = useMemo(() => rangeFromParam(time, readAt), [time, readAt]);
  const earlier = paramFromRange({ start: range.start - (range.end - range.start), end: range.start });
  const servicesBefore = useQuery(queries.services(earlier));
  const routesBefore = useQuery(queries.routes(earlier, undefined, ROUTES_COMPARED));
  const errorsBefore = useQuery(queries.errors(earlier, {}, 'count', ERRORS_COMPARED));
  const before = servicesBefore.data?.services;
  const list = useMemo(() => {
    if (!before || !routes || !routesBefore.data) return null;
    const own = changesOf(services.filter((one) => one.spans > 0).map(ofService), before.filter((one) => one.spans > 0).map(ofService));
    // A service that is new or gone has said it for its routes.
    const whole = new Set(own.filter((one) => one.kind === 'new' || one.kind === 'gone').map((one) => one.of.service));
    const ofRoutes = changesOf(routes.map(ofRoute), routesBefore.data.routes.map(ofRoute)).filter((one) => !whole.has(one.of.service));
    return [...own, ...ofRoutes].sort((a, b) => b.weight - a.weight);
  }, [before, routes, routesBefore.data, services]);
  const known = errorsBefore.data && new Set(errorsBefore.data.errors.map((one) => one.group));
  const fresh = known ? (errors ?? []).filter((one) => !known.has(one.group)) : [];
  const nothingBefore = before?.every((one) => one.requests === 0) ?? false;
  return (
    <section className={styles.section} data-testid="changes">
      <header>
        <h2>What changed</h2>
        <span className="muted" title={labelFromParam(earlier, readAt)}>
          since the period before
        </span>
      </header>
      {!list && !servicesBefore.error ? (
        <Loading rows={3} />
      ) : nothingBefore || !list ? (
        <p className={styles.quiet}>{servicesBefore.error ? `The period before could not be read: ${servicesBefore.error.message}` : 'Nothing arrived in the period before, so there is nothing to compare with.'}</p>
      ) : list.length === 0 && fresh.length === 0 ? (
        <p className={styles.quiet}>No service or route did anything unusual: traffic, failures and durations are as they were.</p>
      ) : (
        <ul className={styles.changes}>
          {fresh.slice(0, 3).map((one) => (
            <li key={one.group} data-tone="bad">
              <Icon name="alert" size={12} />
              <Link to="/errors/$group" params={{ group: one.group }} className="cut" data-row="">
                new: <b>{one.type || one.message || one.level}</b>
              </Link>
              <span>{plural(one.count, 'time')}</span>
            </li>
          ))}
          {list.slice(0, SHOWN).map((one) => (
            <Row key={`${one.kind} ${one.of.service} ${one.of.method ?? ''} ${one.of.route ?? ''}`} change={one} />
          ))}
        </ul>
      )}
    </section>
  );
}

const TOLD: Record<Change['kind'], { word: string; icon: IconName; tone: 'bad' | 'good' | 'plain' }> = {
  new: { word: 'is new', icon: 'plus', tone: 'plain' },
  gone: { word: 'went quiet', icon: 'minus', tone: 'bad' },
  errors: { word: 'fails more', icon: 'up', tone: 'bad' },
  'fewer-errors': { word: 'fails less', icon: 'down', tone: 'good' },
  slower: { word: 'is slower', icon: 'up', tone: 'bad' },
  quicker: { word: 'is quicker', icon: 'down', tone: 'good' },
  busier: { word: 'is busier', icon: 'up', tone: 'plain' },
  quieter: { word: 'is quieter', icon: 'down', tone: 'plain' },
};

function Row({ change }: { change: Change }) {
  const { word, icon, tone } = TOLD[change.kind];
  const { service, route, method } = change.of;
  const failing = change.kind === 'errors' || change.kind === 'fewer-errors';
  const figure = (value: number | null) => (value === null ? '–' : failing ? percent(value) : change.kind === 'slower' || change.kind === 'quicker' ? duration(value) : count(value));
  return (
    <li data-tone={tone} data-testid="change">
      <Icon name={icon} size={12} />
      <Link to="/traces" search={{ service, ...(route ? { route } : {}), ...(change.kind === 'errors' ? { status: 'error' } : change.kind === 'slower' ? { sort: 'slowest' } : {}) }} className="cut" data-row="" title={route ? `${service} ${method ?? ''} ${route}` : service}>
        {route ? (
          <b className="mono">
            {method} {route}
          </b>
        ) : (
          <Service name={service} />
        )}{' '}
        {word}
        {route && <span className={styles.of}> {service}</span>}
      </Link>
      <span title="before, and now">
        {change.before === null ? '' : `${figure(change.before)} → `}
        <b>{change.kind === 'new' ? plural(change.now ?? 0, 'request') : figure(change.now)}</b>
      </span>
    </li>
  );
}
