// One chart for each calculation, one beside the other: lines, stacked areas, bars, a single figure, or a heatmap; or lines of
// several calculations in one.
import { useMemo } from 'react';
import type { Begin, Answer, CalculationTold, Figure, Group, HeatBucket, Selection } from '../../../api/explore';
import { changeText, formatOf, groupColours, keyText, overlaid } from '../../../lib/figures';
import { msFromNano } from '../../../lib/time';
import { HeatChart } from '../../../ui/HeatChart';
import { SeriesChart, type SeriesTold } from '../../../ui/SeriesChart';
import type { Marker } from '../../../ui/plotParts';
import { Sparkline } from '../../../ui/Sparkline';
import styles from './Charts.module.css';

export type Draw = 'line' | 'overlay' | 'stack' | 'bar' | 'stat';
/** More lines than this nobody tells apart; the table has the others. */
export const DRAWN_MAX = 30;
/** Of lines of several calculations; the tooltip and the table name the others. */
const NAMED_MAX = 8;

/** What a click in a chart is at: a step, and a group's value or a cell of a heatmap. */
export interface ChartPoint {
  x: number;
  y: number;
  start: number;
  end: number;
  calculation: CalculationTold;
  group: Group | null;
  value: number | null;
  low?: number;
  high?: number;
}

interface Props {
  begin: Begin;
  answer: Answer;
  draw: Draw;
  scale: 'log' | 'linear' | undefined;
  markers: Marker[];
  selection: Selection | null;
  focus: number | null;
  height?: number;
  /** A range of a chart, with the values chosen of `column` where it is a heatmap. */
  onSelect: (chosen: { start: number; end: number; column?: string; low?: number; high?: number }) => void;
  onGroup?: (group: Group) => void;
  onPoint?: (point: ChartPoint) => void;
}

export const numbers = (series: readonly (Figure | undefined)[] | undefined): (number | null)[] => (series ?? []).map((value) => (typeof value === 'number' ? value : null));

export function coloursOf(begin: Begin, answer: Answer): string[] {
  if (begin.breakdowns.length === 0) return ['var(--accent)'];
  return groupColours(
    answer.groups.map((group) => group.key),
    begin.breakdowns,
  );
}

interface Line {
  at: number;
  /** Its place among the groups. */
  place: number;
  group: Group;
  calculation: CalculationTold;
  told: SeriesTold;
}

/** The lines of several calculations in one chart, each in a colour of its own. */
function overlaidLines(begin: Begin, answer: Answer, places: number[]): Line[] {
  const groups = answer.groups.slice(0, Math.max(1, Math.floor(DRAWN_MAX / places.length)));
  const all = places.flatMap((at) => groups.map((group, place) => ({ at, place, group, calculation: begin.calculations[at] as CalculationTold })));
  const names = all.map(({ calculation, group }) => (begin.breakdowns.length === 0 ? [calculation.label] : [calculation.label, keyText(group.key)]));
  const colours = groupColours(names, ['calculation', 'group']);
  return all.map((one, i) => ({ ...one, told: { label: (names[i] as string[]).join(' · '), colour: colours[i] as string, values: numbers(one.group.series?.[one.at]) } }));
}

/** The colours of the lines that stand in one chart with those of other calculations: by calculation, then by group. */
export function overlaidColours(begin: Begin, answer: Answer, draw: Draw): (string | undefined)[][] {
  const colours: (string | undefined)[][] = begin.calculations.map(() => []);
  if (draw !== 'overlay') return colours;
  for (const places of overlaid(begin.calculations).filter((places) => places.length > 1)) {
    for (const line of overlaidLines(begin, answer, places)) (colours[line.at] as string[])[line.place] = line.told.colour;
  }
  return colours;
}

export function Charts(props: Props) {
  const { begin, answer, height } = props;
  const colours = useMemo(() => coloursOf(begin, answer), [begin, answer]);
  const charts = props.draw === 'overlay' ? overlaid(begin.calculations) : begin.calculations.map((_, i) => [i]);
  const high = height ?? (charts.length > 2 ? 132 : 168);
  return (
    <div className={styles.charts} data-count={charts.length} data-draw={props.draw} data-testid="charts">
      {charts.map((places) => {
        const shown = places.map((i) => begin.calculations[i] as CalculationTold);
        const [calculation, at] = [shown[0] as CalculationTold, places[0] as number];
        const label = shown.map((one) => one.label).join(', ');
        return (
          <figure key={label} className={styles.figure} data-testid="explore-chart" data-label={label}>
            <figcaption>
              <h2>{label}</h2>
              {places.length === 1 && (props.draw !== 'stat' || calculation.kind === 'heatmap') && <Told {...props} calculation={calculation} at={at} />}
            </figcaption>
            {places.length === 1 ? <One {...props} calculation={calculation} at={at} colours={colours} height={high} /> : <Overlaid {...props} places={places} height={high} />}
          </figure>
        );
      })}
    </div>
  );
}

/** Lines of several calculations over one axis. */
function Overlaid({ begin, answer, places, height, scale, markers, selection, onSelect, onPoint }: Props & { places: number[]; height: number }) {
  const first = begin.calculations[places[0] as number] as CalculationTold;
  const lines = useMemo(() => overlaidLines(begin, answer, places), [answer, begin, places.join()]);
  return (
    <>
      <ul className={styles.lines} aria-label="Lines">
        {lines.slice(0, NAMED_MAX).map(({ told }) => (
          <li key={told.label}>
            <i style={{ background: told.colour }} />
            {told.label}
          </li>
        ))}
        {lines.length > NAMED_MAX && <li>and {lines.length - NAMED_MAX} more</li>}
      </ul>
      <SeriesChart
      label={places.map((at) => begin.calculations[at]?.label).join(', ')}
      start={msFromNano(begin.first_step_unix_nano)}
      step={begin.step_ns / 1e6}
      series={lines.map((one) => one.told)}
      kind="lines"
      logarithmic={scale === 'log'}
      height={height}
      format={formatOf(first)}
      tick={formatOf(first, true)}
      markers={markers}
      chosen={selection?.start !== undefined && selection.end !== undefined ? { start: selection.start, end: selection.end } : null}
      onSelect={onSelect}
      onPoint={
        onPoint &&
        (({ start, end, series, value }, { x, y }) => {
          const line = series === null ? undefined : lines[series];
          onPoint({ x, y, start, end, calculation: line?.calculation ?? first, value, group: begin.breakdowns.length > 0 ? (line?.group ?? null) : null });
        })
      }
    />
    </>
  );
}

/** The charts before their first answer, where they will stand. */
export function ChartsLoading({ labels }: { labels: string[] }) {
  return (
    <div className={styles.charts} data-count={labels.length} role="status" aria-label="Asking" data-testid="loading">
      {labels.map((label) => (
        <figure key={label} className={styles.figure}>
          <figcaption>
            <h2>{label}</h2>
          </figcaption>
          <div className={styles.coming} style={{ height: labels.length > 2 ? 132 : 168 }} />
        </figure>
      ))}
    </div>
  );
}

/** Beside the title: the figure over all, and how many groups are drawn. */
function Told({ begin, answer, calculation, at }: Props & { calculation: CalculationTold; at: number }) {
  const whole = answer.total ?? answer.groups[0];
  const value = whole?.values[at];
  const before = (answer.compare?.total ?? answer.compare?.groups[0])?.values[at];
  const drawn = begin.breakdowns.length > 0 && calculation.kind !== 'heatmap' && answer.groups.length > DRAWN_MAX;
  const change = typeof value === 'number' && typeof before === 'number' ? changeText(value, before) : null;
  return (
    <span className={styles.told}>
      {typeof value === 'number' && <b>{formatOf(calculation)(value)}</b>}
      {change && <span title={`earlier: ${formatOf(calculation)(before as number)}`}>{change}</span>}
      {drawn && <span>{DRAWN_MAX} of {answer.groups.length} groups drawn</span>}
    </span>
  );
}

type OneProps = Props & { calculation: CalculationTold; at: number; colours: string[]; height: number };

function One(props: OneProps) {
  const { begin, answer, calculation, at, colours, height, draw, scale, markers, selection, focus, onSelect, onPoint } = props;
  const start = msFromNano(begin.first_step_unix_nano);
  const step = begin.step_ns / 1e6;
  const [format, tick] = [formatOf(calculation), formatOf(calculation, true)];
  const whole = answer.total ?? answer.groups[0];
  const looked = focus === null ? whole : answer.groups[focus];
  const heat = useMemo(() => (calculation.kind === 'heatmap' ? (looked?.series?.[at] ?? []).map((cell) => (Array.isArray(cell) ? (cell as HeatBucket[]) : null)) : null), [calculation.kind, looked, at]);
  const series = useMemo(() => {
    const before = new Map((answer.compare?.groups ?? []).map((group) => [JSON.stringify(group.key), group]));
    return answer.groups.slice(0, DRAWN_MAX).map(
      (group, i): SeriesTold => ({
        label: begin.breakdowns.length === 0 ? calculation.label : keyText(group.key),
        colour: colours[i] ?? 'var(--accent)',
        values: numbers(group.series?.[at]),
        ...(answer.compare ? { before: numbers(before.get(JSON.stringify(group.key))?.series?.[at]) } : {}),
      }),
    );
  }, [answer, begin, calculation.label, at, colours]);

  if (heat) {
    const own = selection?.column === calculation.column || selection?.column === undefined;
    return (
      <HeatChart
        label={calculation.label}
        start={start}
        step={step}
        series={heat}
        scale={scale}
        height={height - 18}
        format={format}
        tick={tick}
        markers={markers}
        chosen={selection && (selection.start !== undefined || selection.column !== undefined) ? { start: selection.start, end: selection.end, ...(own ? { low: selection.low, high: selection.high } : {}) } : null}
        onSelect={(chosen) => onSelect({ start: chosen.start ?? start, end: chosen.end ?? start, column: calculation.column ?? undefined, low: chosen.low, high: chosen.high })}
        onPoint={onPoint && (({ start, end, low, high }, { x, y }) => onPoint({ x, y, start, end, calculation, group: null, value: high, low, high }))}
      />
    );
  }
  if (draw === 'stat') return <Stat {...props} format={format} whole={whole} />;
  if (draw === 'bar' && begin.breakdowns.length > 0) return <Bars {...props} format={format} />;
  return (
    <SeriesChart
      label={calculation.label}
      start={start}
      step={step}
      series={series}
      kind={draw === 'stack' && calculation.kind === 'value' ? 'areas' : 'lines'}
      logarithmic={scale === 'log'}
      height={height}
      format={format}
      tick={tick}
      markers={markers}
      focus={focus}
      chosen={selection?.start !== undefined && selection.end !== undefined ? { start: selection.start, end: selection.end } : null}
      onSelect={onSelect}
      onPoint={onPoint && (({ start, end, series, value }, { x, y }) => onPoint({ x, y, start, end, calculation, value, group: begin.breakdowns.length > 0 && series !== null ? (answer.groups[series] ?? null) : null }))}
    />
  );
}

function Stat({ at, answer, whole, height, format }: OneProps & { format: (value: number) => string; whole: { values: Figure[]; series?: (Figure | undefined)[][] } | undefined }) {
  const value = whole?.values[at];
  const before = (answer.compare?.total ?? answer.compare?.groups[0])?.values[at];
  return (
    <div className={styles.stat} style={{ height }}>
      <span className={styles.big}>{typeof value === 'number' ? format(value) : '–'}</span>
      {answer.compare && <span className="muted">{typeof before === 'number' ? `${format(before)} earlier, ${changeText(value as number, before) ?? ''}` : 'nothing earlier'}</span>}
      <Sparkline values={numbers(whole?.series?.[at])} width={320} height={44} colour="var(--accent)" />
    </div>
  );
}

function Bars({ answer, at, colours, height, format, onGroup, scale }: OneProps & { format: (value: number) => string }) {
  const values = answer.groups.map((group) => (typeof group.values[at] === 'number' ? group.values[at] : null));
  const most = Math.max(0, ...values.map((value) => value ?? 0));
  const wide = (value: number) => (most <= 0 ? 0 : scale === 'log' ? Math.log1p(value) / Math.log1p(most) : value / most);
  return (
    <ol className={styles.bars} style={{ height }}>
      {answer.groups.map((group, i) => {
        const value = values[i];
        return (
          <li key={JSON.stringify(group.key)}>
            <button type="button" onClick={() => onGroup?.(group)} title={`${keyText(group.key)}: ${typeof value === 'number' ? format(value) : 'no value'}`}>
              <span className="cut">{keyText(group.key)}</span>
              <i>
                <b style={{ width: `${wide(Math.max(0, value ?? 0)) * 100}%`, background: colours[i] }} />
              </i>
              <span>{typeof value === 'number' ? format(value) : '–'}</span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}
