// Connect: which lines to change in an app, with this server's addresses, and what arrives as it arrives.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import * as queries from '../../api/queries';
import type { ReceiversAnswer, ReceiverState } from '../../api/types';
import { receiverName } from '../../lib/ids';
import { ago, msFromNano } from '../../lib/time';
import { bytes, count, plural } from '../../lib/units';
import { Service } from '../../ui/Chip';
import { Choice, CopyBlock, CopyButton } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Failure, Loading } from '../../ui/State';
import { Ago, useNow } from '../../ui/Time';
import { useSetSearch } from '../common/search';
import { filled, placesOf, textOf, type Format, type Places } from './render';
import { VENDORS } from './snippets';
import { LANGUAGE_NAMES, LANGUAGES, type Step, type Vendor } from './snippets/types';
import styles from './Connect.module.css';

const here = getRouteApi('/connect');
/** A light is bright while the last arrival is younger than this. */
const BRIGHT_MS = 10_000;
const REFUSALS_SHOWN = 5;
const FORMATS = [
  { value: 'shell', label: 'shell' },
  { value: 'env', label: '.env' },
  { value: 'compose', label: 'Compose' },
] as const;

export function ConnectPage() {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const [format, setFormat] = useState<Format>('shell');
  const { data, error, refetch } = useQuery(queries.receivers());
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading rows={12} />;
  const vendor = VENDORS.find((one) => one.id === search.vendor) ?? (VENDORS[0] as Vendor);
  const language = LANGUAGES.find((one) => one === search.language) ?? 'python';
  const places = placesOf(data.addresses, data.region);
  return (
    <div className={styles.page}>
      <div className={styles.main}>
        <h1>Connect an app</h1>
        <p>Apps keep the SDKs they have. Only the address changes.</p>
        <div className={styles.vendors} role="group" aria-label="What the app sends to today">
          {VENDORS.map((one) => (
            <button key={one.id} type="button" aria-pressed={one.id === vendor.id} onClick={() => setSearch({ vendor: one.id })} data-testid={`vendor-${one.id}`}>
              {one.name}
            </button>
          ))}
        </div>
        <div className={styles.languages}>
          <Choice label="Language" options={LANGUAGES.map((value) => ({ value, label: LANGUAGE_NAMES[value] }))} value={language} onChange={(value) => setSearch({ language: value })} />
          <Choice label="How variables are written" options={FORMATS} value={format} onChange={setFormat} />
        </div>
        <p className={styles.change}>{vendor.change}</p>
        {vendor.languages[language].map((step) => (
          <Snippet key={step.title} step={step} places={places} format={format} />
        ))}
        <div className={styles.try}>
          <Snippet step={vendor.tryIt} places={places} format={format} />
        </div>
      </div>
      <aside className={styles.side} aria-label="What arrives">
        <h2>What arrives</h2>
        {error && <p style={{ padding: '0 16px 8px', color: 'var(--fault)' }}>The server does not answer; these are the last figures.</p>}
        {data.receivers.map((one) => (
          <ReceiverCard key={one.name} receiver={one} chosen={one.name === vendor.receiver} />
        ))}
        <AddressList data={data} />
      </aside>
    </div>
  );
}

function Snippet({ step, places, format }: { step: Step; places: Places; format: Format }) {
  return (
    <section className={styles.step}>
      <h2>{step.title}</h2>
      <CopyBlock text={textOf(step, places, format)} />
      {step.note && <p>{filled(step.note, places)}</p>}
    </section>
  );
}

type Rows = { spans: number; logs: number; metrics: number };

function rowsText(rows: Rows): string {
  const parts = [rows.spans > 0 && plural(rows.spans, 'span'), rows.logs > 0 && plural(rows.logs, 'log line'), rows.metrics > 0 && plural(rows.metrics, 'metric point')];
  return parts.filter(Boolean).join(', ') || 'nothing to keep';
}

function ReceiverCard({ receiver, chosen }: { receiver: ReceiverState; chosen: boolean }) {
  const now = useNow();
  const last = receiver.last_received_unix_nano ? msFromNano(receiver.last_received_unix_nano) : null;
  const state = last === null ? 'never' : now - last < BRIGHT_MS ? 'now' : 'earlier';
  return (
    <section className={styles.receiver} data-chosen={chosen} data-testid={`receiver-${receiver.name}`}>
      <div className={styles.line}>
        <span className={styles.light} data-state={state} role="img" aria-label={state === 'never' ? 'nothing received' : state === 'now' ? 'receiving' : 'received earlier'} data-testid={`receiver-light-${receiver.name}`} />
        <h3>{receiverName(receiver.name)}</h3>
        <span className="muted">{receiver.requests > 0 ? plural(receiver.requests, 'request') : ''}</span>
      </div>
      <div className={styles.said} role="status">
        {last === null ? 'nothing received yet' : `received ${rowsText(receiver.last_rows)}${receiver.last_service ? ` from ${receiver.last_service}` : ''} ${ago(last, now)}`}
      </div>
      {receiver.requests > 0 && (
        <div className={styles.figures}>
          <span>{rowsText(receiver)} in all</span>
          <span>{bytes(receiver.bytes)}</span>
          {receiver.refused > 0 && <span style={{ color: 'var(--fault)' }}>{count(receiver.refused)} refused</span>}
        </div>
      )}
      {receiver.datagrams && receiver.datagrams.received > 0 && <Datagrams counts={receiver.datagrams} />}
      {receiver.services.length > 0 && (
        <ul className={styles.services}>
          {receiver.services.map((service) => (
            <li key={service.name}>
              <Link to={service.spans > 0 ? '/traces' : '/logs'} search={{ service: service.name } as never}>
                <Service name={service.name} />
              </Link>
              <span className="muted">
                <Ago nano={service.last_received_unix_nano} />
              </span>
              <span className="muted">{rowsText(service)}</span>
            </li>
          ))}
        </ul>
      )}
      {receiver.feedback_loops.map((loop) => (
        <div key={loop.place + loop.cause} className={styles.refusals} data-testid={`feedback-${receiver.name}`}>
          <h4>
            <Icon name="alert" size={12} /> feedback loop
          </h4>
          <p>
            <code>{loop.place}</code> ships {plural(loop.lines, 'line')} about its own shipping, in {plural(loop.requests, 'request')} since{' '}
            <Ago nano={loop.first_received_unix_nano} />. {loop.cause}
          </p>
          <p>{loop.advice}</p>
          <code>{loop.sample}</code>
        </div>
      ))}
      {receiver.refusals.length > 0 && (
        <div className={styles.refusals} data-testid={`refusals-${receiver.name}`}>
          <h4>
            <Icon name="alert" size={12} /> refused
          </h4>
          <ul>
            {receiver.refusals.slice(0, REFUSALS_SHOWN).map((refusal, i) => (
              <li key={i}>
                <code>{refusal.reason}</code>
                <div className="muted">
                  {count(refusal.count)} of {refusal.signal}, <Ago nano={refusal.time_unix_nano} />
                  {refusal.remote_addr && `, from ${refusal.remote_addr}`}
                </div>
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}

const DATAGRAM_TROUBLE = [
  ['bad_header', 'without the header line'],
  ['bad_json', 'that are not JSON'],
  ['truncated', 'cut short on the way'],
  ['lost', 'lost, there was no room'],
] as const;

/** Nothing is sent back to who sends datagrams, so this is where to see what became of them. */
function Datagrams({ counts }: { counts: NonNullable<ReceiverState['datagrams']> }) {
  const trouble = DATAGRAM_TROUBLE.filter(([field]) => counts[field] > 0);
  return (
    <div className={styles.figures} data-testid="datagrams">
      <span>{plural(counts.received, 'datagram')}</span>
      {trouble.length === 0 && <span className="muted">all read</span>}
      {trouble.map(([field, words]) => (
        <span key={field} style={{ color: 'var(--fault)' }}>
          {count(counts[field])} {words}
        </span>
      ))}
    </div>
  );
}

function AddressList({ data }: { data: ReceiversAnswer }) {
  const rows: [string, string][] = [
    ['HTTP, every protocol', data.addresses.http],
    ['OTLP over HTTP', data.addresses.otlp_http],
    ['OTLP over gRPC', data.addresses.otlp_grpc],
    ['X-Ray daemon, UDP and TCP', data.addresses.xray],
    ['Region', data.region],
    ['Account', data.account_id],
  ];
  return (
    <div className={styles.addresses}>
      <h2>Addresses of this server</h2>
      <dl>
        {rows.map(([label, value]) => [
          <dt key={`${label} label`}>{label}</dt>,
          <dd key={label} className="mono">
            {value} <CopyButton bare text={value} label={`Copy ${label}`} />
          </dd>,
        ])}
      </dl>
    </div>
  );
}
