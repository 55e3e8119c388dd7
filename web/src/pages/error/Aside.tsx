// Whom and where an error hits, in which versions, and the messages it comes with.
import type { ErrorPageAnswer } from '../../api/errors';
import { count, exact, percent, plural } from '../../lib/units';
import { Ago } from '../../ui/Time';
import { Value } from '../../ui/Value';
import styles from './Error.module.css';

const SHOWN = 5;
const NAMES: Record<string, string> = {
  'service.version': 'Version',
  'deployment.environment.name': 'Environment',
  'service.name': 'Service',
  'host.name': 'Host',
  'http.route': 'Route',
  'url.path': 'Path',
  'rollbar.context': 'Context',
  'user.id': 'Person',
  'client.address': 'Address',
  'rollbar.framework': 'Framework',
  'session.id': 'Session',
  receiver: 'Told by',
  browser: 'Browser',
  'operating system': 'Operating system',
};

export function Breakdowns({ data }: { data: ErrorPageAnswer }) {
  // What says the same of every occurrence is one line; what tells them apart has bars.
  const several = data.breakdowns.filter((one) => one.values.length > 1);
  const single = data.breakdowns.filter((one) => one.values.length === 1);
  if (data.breakdowns.length === 0) return null;
  return (
    <section className={styles.section} data-testid="breakdowns">
      <header>
        <h2>Who and where</h2>
      </header>
      {several.map((one) => {
        const total = one.values.reduce((sum, value) => sum + value.count, 0);
        return (
          <div key={one.key} className={styles.bars}>
            <h3 title={one.key}>
              {NAMES[one.key] ?? one.key}
              <span>{one.values.length >= 10 ? '10 or more' : one.values.length}</span>
            </h3>
            <ul>
              {one.values.slice(0, SHOWN).map((value) => (
                <li key={value.value}>
                  {one.searchable ? <Value field={one.key} value={value.value} cut /> : <span className="cut">{value.value || 'not told'}</span>}
                  <span title={exact(value.count)}>{percent(value.count / total)}</span>
                  <i style={{ width: `${(value.count / total) * 100}%` }} />
                </li>
              ))}
            </ul>
          </div>
        );
      })}
      {single.length > 0 && (
        <dl className={styles.same}>
          {single.map((one) => [
            <dt key={`${one.key} key`} title={one.key}>
              {NAMES[one.key] ?? one.key}
            </dt>,
            <dd key={one.key}>{one.searchable ? <Value field={one.key} value={one.values[0]?.value} cut /> : one.values[0]?.value}</dd>,
          ])}
        </dl>
      )}
    </section>
  );
}

export function Versions({ data }: { data: ErrorPageAnswer }) {
  const versions = data.versions.filter((one) => one.version !== '');
  if (versions.length === 0) return null;
  return (
    <section className={styles.section} data-testid="versions">
      <header>
        <h2>Versions</h2>
        <span className="muted">ever</span>
      </header>
      <table className={styles.versions}>
        <thead>
          <tr>
            <th>Version</th>
            <th className="num">Times</th>
            <th className="num">First</th>
            <th className="num">Last</th>
          </tr>
        </thead>
        <tbody>
          {versions.slice(0, 8).map((one) => (
            <tr key={`${one.environment} ${one.version}`}>
              <td>
                <Value field="service.version" value={one.version} cut />
                {one.environment !== '' && <small>{one.environment}</small>}
              </td>
              <td className="num">{count(one.occurrences)}</td>
              <td className="num">
                <Ago nano={one.first_seen_unix_nano} />
              </td>
              <td className="num">
                <Ago nano={one.last_seen_unix_nano} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {versions.length > 8 && <p className="muted">{plural(versions.length - 8, 'older version')}</p>}
    </section>
  );
}

export function Messages({ data, onChoose }: { data: ErrorPageAnswer; onChoose: (message: string) => void }) {
  const total = data.error.count || 1;
  return (
    <section className={styles.section} data-testid="messages">
      <table>
        <thead>
          <tr>
            <th>Message</th>
            <th className="num">Times</th>
            <th className="num">Share</th>
            <th className="num">People</th>
            <th className="num">First</th>
            <th className="num">Last</th>
          </tr>
        </thead>
        <tbody>
          {data.variants.map((one) => (
            <tr key={one.message} className={styles.choosable} onClick={() => onChoose(one.message)}>
              <td className={`mono ${styles.variant}`}>
                <button type="button" onClick={() => onChoose(one.message)} title="Only the occurrences that say this">
                  {one.message || 'no message'}
                </button>
              </td>
              <td className="num">{count(one.count)}</td>
              <td className="num">{percent(one.count / total)}</td>
              <td className="num">{one.people > 0 ? count(one.people) : '–'}</td>
              <td className="num">
                <Ago nano={one.first_seen_unix_nano} />
              </td>
              <td className="num">
                <Ago nano={one.last_seen_unix_nano} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className={styles.more}>{data.variants.length < data.messages ? `The ${data.variants.length} most frequent of ${exact(data.messages)} messages` : plural(data.variants.length, 'message')}</p>
    </section>
  );
}
