// One metric: its line or lines, what was reckoned and by which label, and the figures of each series.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import * as api from '../../api/metrics';
import type { Metric } from '../../api/metrics';
import { groupColours } from '../../lib/figures';
import { aggregationWords, figuresOf, metricFormat } from '../../lib/metrics';
import { durationTick, exact, plural } from '../../lib/units';
import { msFromNano, paramFromRange } from '../../lib/time';
import { Badge, Receiver, Service } from '../../ui/Chip';
import { BareButton, Choice, CopyButton, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { SeriesChart } from '../../ui/SeriesChart';
import { Failure, Loading, StatsLine } from '../../ui/State';
import { ValueActions, Value } from '../../ui/Value';
import { useSetSearch, useValueActions } from '../common/search';
import styles from './Metrics.module.css';

const here = getRouteApi('/metrics');
const DRAWS = [
  { value: 'lines', label: 'Lines' },
  { value: 'areas', label: 'Stacked' },
] as const;
const TYPES: Readonly<Record<string, string>> = { gauge: 'gauge', sum: 'sum', histogram: 'histogram', exponential_histogram: 'exponential histogram', summary: 'summary' };
const SERIES = 30;

export function MetricView({ metric }: { metric: Metric }) {
  const { time, agg, by, where: whereText = '', draw, live } = here.useSearch();
  const setSearch = useSetSearch();
  const where = useMemo(() => whereText.split('\n').filter(Boolean), [whereText]);
  const aggregation = agg !== undefined && metric.aggregations.includes(agg) ? agg : metric.aggregations[0];
  const answer = useQuery(api.metricSeries(time, { metric: metric.name, namespace: metric.namespace ?? undefined, aggregation, by, where }, SERIES, live === '1'));
  const [focus, setFocus] = useState<number | null>(null);
  const [kept, setKept] = useState<number | null>(null);
  const setWhere = (next: string[]) => setSearch({ where: next.length > 0 ? next.join('\n') : undefined });
  const plain = useValueActions();
  const actions: typeof plain = (field, value) => {
    const one = `${field}:${String(value)}`;
    const own = metric.labels.includes(field) && value !== null ? [{ label: 'Only this', testId: 'value-filter', onSelect: () => setWhere([...where.filter((other) => other !== one), one]) }] : [];
    return [...own, ...plain(field, value)];
  };
  const { data, error, refetch } = answer;
  const rows = data?.series ?? [];
  const colours = useMemo(() => (by === undefined ? ['var(--accent)'] : groupColours(rows.map((one) => [one.label]), [by])), [rows, by]);
  const format = metricFormat(data?.unit ?? metric.unit, data?.aggregation ?? aggregation ?? '');
  const shown = kept ?? focus;
  const summed = data?.aggregation === 'sum' || data?.aggregation === 'count';
  return (
    <ValueActions value={actions}>
      <header className={styles.head}>
        <div className={styles.title}>
          <h1 className="mono" data-testid="metric-name">
            {metric.namespace && <span className="muted">{metric.namespace} / </span>}
            {metric.name}
          </h1>
          <CopyButton bare text={metric.name} label="Copy the name" />
          <Badge tone="quiet">{TYPES[metric.type] ?? metric.type}</Badge>
          {metric.type !== 'gauge' && metric.temporality !== 'unspecified' && metric.temporality !== '' && <Badge tone="quiet">{metric.temporality}</Badge>}
          {metric.receivers.map((name) => (
            <Receiver key={name} name={name} />
          ))}
        </div>
        <p className={styles.about}>
          {metric.description && <span>{metric.description}</span>}
          {metric.services.slice(0, 6).map((name) => (
            <Link key={name} to="/traces" search={{ service: name }} title={`Traces of ${name}`}>
              <Service name={name} />
            </Link>
          ))}
          {metric.services.length > 6 && <span className="muted">and {metric.services.length - 6} more</span>}
          <Link to="/alerts" search={{ tab: 'alarms', q: metric.name }}>
            Its alarms
          </Link>
          {metric.namespace && (
            <Link to="/alerts" search={{ tab: 'alarms', open: 'alarm:*new', from: new URLSearchParams({ namespace: metric.namespace, metric: metric.name, where: whereText }).toString() }} data-testid="metric-alarm">
              New alarm
            </Link>
          )}
        </p>
      </header>
      <div className={styles.controls}>
        <label>
          <span>show</span>
          <select value={aggregation} onChange={(event) => setSearch({ agg: event.target.value === metric.aggregations[0] ? undefined : event.target.value })} data-testid="metric-aggregation">
            {metric.aggregations.map((name) => (
              <option key={name} value={name}>
                {/^p\d/.test(name) ? name.toUpperCase() : aggregationWords(name)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>by</span>
          <select value={by ?? ''} onChange={(event) => setSearch({ by: event.target.value || undefined })} data-testid="metric-by">
            <option value="">all together</option>
            {by !== undefined && !metric.labels.includes(by) && <option value={by}>{by}</option>}
            {metric.labels.map((label) => (
              <option key={label} value={label}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <Where labels={metric.labels} where={where} onChange={setWhere} />
        <span className={styles.grow} />
        <Choice label="Drawn as" options={DRAWS} value={draw === 'areas' ? 'areas' : 'lines'} onChange={(value) => setSearch({ draw: value === 'lines' ? undefined : value })} />
      </div>
      <div className={styles.scroll}>
        {error && !data ? (
          <Failure error={error} onRetry={() => void refetch()} title="The metric could not be asked" />
        ) : !data ? (
          <Loading rows={10} />
        ) : (
          <>
            <div className={styles.chart} aria-busy={answer.isPlaceholderData}>
              <SeriesChart
                label={metric.name}
                start={msFromNano(data.times_unix_nano[0] ?? '0')}
                step={data.step_seconds * 1000}
                kind={draw === 'areas' ? 'areas' : 'lines'}
                height={260}
                format={format}
                tick={format}
                focus={shown}
                onFocus={setFocus}
                onSelect={(range) => setSearch({ time: paramFromRange(range), live: undefined })}
                series={rows.map((one, i) => ({ label: by === undefined ? metric.name : (one.label ?? '(none)'), values: one.values, colour: colours[i] ?? 'var(--accent)' }))}
              />
            </div>
            <table className={styles.series} data-testid="metric-series">
              <thead>
                <tr>
                  <th aria-label="Colour" />
                  <th>{by ?? 'series'}</th>
                  <th className="num">least</th>
                  <th className="num">mean</th>
                  <th className="num">largest</th>
                  <th className="num">last</th>
                  {summed && <th className="num">in all</th>}
                </tr>
              </thead>
              <tbody onPointerLeave={() => setFocus(null)}>
                {rows.map((one, i) => {
                  const figures = figuresOf(one.values);
                  const say = (value: number | null | undefined) => (value === null || value === undefined ? '–' : format(value));
                  return (
                    <tr key={one.label ?? ''} data-focus={shown === i} data-testid="metric-series-row" onPointerEnter={() => setFocus(i)}>
                      <td>
                        <button type="button" aria-pressed={kept === i} aria-label={`Look at ${one.label ?? metric.name}`} title="Look at this line" onClick={() => setKept(kept === i ? null : i)}>
                          <i style={{ background: colours[i] }} />
                        </button>
                      </td>
                      <td className="mono">{by === undefined ? metric.name : one.label === null ? <i className="muted">none</i> : <Value field={by} value={one.label} cut />}</td>
                      <td className="num">{say(figures?.min)}</td>
                      <td className="num">{say(figures?.avg)}</td>
                      <td className="num">{say(figures?.max)}</td>
                      <td className="num">{say(figures?.last)}</td>
                      {summed && <td className="num">{say(one.total)}</td>}
                    </tr>
                  );
                })}
              </tbody>
            </table>
            {data.series_total > rows.length && <p className={styles.none}>The {rows.length} largest of {exact(data.series_total)} are shown. A condition above narrows them.</p>}
          </>
        )}
      </div>
      <StatsLine stats={data?.stats}>{data && `steps of ${durationTick(data.step_seconds * 1e9)}, ${plural(data.series_total, 'series', 'series')}`}</StatsLine>
    </ValueActions>
  );
}

/** Labels and the values they must have; each is taken away with a click. */
function Where({ labels, where, onChange }: { labels: string[]; where: string[]; onChange: (where: string[]) => void }) {
  const [text, setText] = useState('');
  const wrong = text !== '' && !labels.some((label) => label.startsWith(text.split('=', 1)[0]?.trim() ?? ''));
  return (
    <div className={styles.where}>
      {where.map((one) => (
        <span key={one} className={styles.condition}>
          <code>
            {one.slice(0, one.indexOf(':'))} = {one.slice(one.indexOf(':') + 1)}
          </code>
          <BareButton icon="close" label={`Without ${one}`} onClick={() => onChange(where.filter((other) => other !== one))} />
        </span>
      ))}
      {labels.length > 0 && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const at = text.indexOf('=');
            const label = text.slice(0, at).trim();
            const value = text.slice(at + 1).trim().replace(/^"(.*)"$/, '$1');
            if (at < 1 || value === '' || !labels.includes(label)) return;
            onChange([...where.filter((other) => other !== `${label}:${value}`), `${label}:${value}`]);
            setText('');
          }}
        >
          <Icon name="plus" size={11} />
          <Input value={text} list="metric-labels" placeholder="where label = value" aria-label="Only where a label has a value" aria-invalid={wrong} data-testid="metric-where" onChange={(event) => setText(event.target.value)} />
          <datalist id="metric-labels">
            {labels.map((label) => (
              <option key={label} value={`${label} = `} />
            ))}
          </datalist>
        </form>
      )}
    </div>
  );
}
