// The groups of an answer, each with its figures and how they went over time; TOTAL and OTHER below.
import { useRef, useState } from 'react';
import type { Answer, Begin, CalculationTold, Figure, Group, HeatBucket, Whole } from '../../../api/explore';
import { changeText, formatOf, keyText } from '../../../lib/figures';
import { shareOf, cellsOf } from '../../../lib/heat';
import { label, type Calculation, type Order, type Question } from '../../../lib/question';
import { Icon } from '../../../ui/Icon';
import { Menu, type MenuItem } from '../../../ui/Menu';
import { Sparkline } from '../../../ui/Sparkline';
import { Value } from '../../../ui/Value';
import { coloursOf, numbers, overlaidColours, type Draw } from './Charts';
import styles from './SummaryTable.module.css';

interface Props {
  begin: Begin;
  answer: Answer;
  question: Question;
  /** How the charts above are drawn, whose colours these are. */
  draw: Draw;
  focus: number | null;
  onFocus: (group: number | null) => void;
  onOrder: (orders: Order[]) => void;
  onGroup: (group: Group) => void;
  /** What else can be done with a group. */
  groupItems?: (group: Group) => MenuItem[];
}

export function SummaryTable({ begin, answer, question, draw, focus, onFocus, onOrder, onGroup, groupItems }: Props) {
  const colours = coloursOf(begin, answer);
  const ofLines = overlaidColours(begin, answer, draw);
  const isOverlaid = ofLines.some((one) => one.length > 0);
  const before = new Map((answer.compare?.groups ?? []).map((group) => [JSON.stringify(group.key), group]));
  const order = question.orders[0];
  const first = begin.calculations.findIndex((one) => one.kind !== 'heatmap');
  /** The column that the groups are in the order of, and how. */
  const sorted = (told: CalculationTold | string, i: number): 'asc' | 'desc' | null => {
    if (!order) return typeof told !== 'string' && i === first ? 'desc' : null;
    const is = typeof told === 'string' ? order.by === told : (typeof order.by === 'string' ? order.by : label(order.by)) === told.label;
    return is ? (order.descending ? 'desc' : 'asc') : null;
  };
  const choose = (by: string | Calculation, now: 'asc' | 'desc' | null, isField: boolean) => onOrder([{ by, descending: now === null ? !isField : now === 'asc' }]);
  const grouped = begin.breakdowns.length > 0;
  return (
    <div className={styles.wrap}>
      <table className={styles.table} data-testid="summary">
        <thead>
          <tr>
            {grouped && <th className={styles.mark} aria-label="Colour" />}
            {begin.breakdowns.map((name, i) => (
              <th key={name}>
                <Sort name={name} now={sorted(name, i)} onClick={() => choose(name, sorted(name, i), true)} />
              </th>
            ))}
            {begin.calculations.map((one, i) => (
              <th key={one.label} className="num">
                {one.kind !== 'heatmap' && grouped ? <Sort name={one.label} now={sorted(one, i)} onClick={() => choose(byOf(one), sorted(one, i), false)} /> : one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody onPointerLeave={() => onFocus(null)}>
          {answer.groups.map((group, i) => (
            <tr key={JSON.stringify(group.key)} data-testid="summary-row" data-focus={focus === i} onPointerEnter={() => grouped && onFocus(i)}>
              {grouped && (
                <td className={styles.mark}>
                  <Mark group={group} colour={isOverlaid ? 'var(--bar-quiet)' : colours[i]} onGroup={onGroup} items={groupItems} />
                </td>
              )}
              {begin.breakdowns.map((name, k) => (
                <td key={name} className={styles.key}>
                  <Value field={name} value={group.key[k] ?? null} cut>
                    {group.key[k] === null || group.key[k] === undefined ? <i className="muted">none</i> : group.key[k] === '' ? <i className="muted">empty</i> : String(group.key[k])}
                  </Value>
                </td>
              ))}
              <Figures begin={begin} whole={group} before={before.get(JSON.stringify(group.key))} compared={answer.compare !== null} colours={begin.calculations.map((_, at) => ofLines[at]?.[i] ?? (grouped ? colours[i] : undefined))} />
            </tr>
          ))}
        </tbody>
        {grouped && (answer.total || answer.other) && (
          <tfoot>
            {answer.other && (
              <tr data-testid="summary-other">
                <td className={styles.mark} />
                <td colSpan={begin.breakdowns.length} className={styles.sum} title="Groups beyond the limit">
                  OTHER
                </td>
                <Figures begin={begin} whole={answer.other} compared={false} />
              </tr>
            )}
            {answer.total && (
              <tr data-testid="summary-total">
                <td className={styles.mark} />
                <td colSpan={begin.breakdowns.length} className={styles.sum}>
                  TOTAL
                </td>
                <Figures begin={begin} whole={answer.total} before={answer.compare?.total ?? undefined} compared={answer.compare !== null} />
              </tr>
            )}
          </tfoot>
        )}
      </table>
    </div>
  );
}

/** The colour of a group, which keeps it alone or offers what can be done with it. */
function Mark({ group, colour, onGroup, items }: { group: Group; colour: string | undefined; onGroup: (group: Group) => void; items?: (group: Group) => MenuItem[] }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const name = keyText(group.key);
  const title = items ? `What to do with ${name}` : `Keep only ${name}`;
  return (
    <>
      <button ref={anchor} type="button" title={title} aria-label={title} aria-haspopup={items ? 'menu' : undefined} data-testid="summary-group" onClick={() => (items ? setOpen(!open) : onGroup(group))}>
        <i style={{ background: colour }} />
      </button>
      {open && items && <Menu anchor={anchor} head={name} items={items(group)} onClose={() => setOpen(false)} />}
    </>
  );
}

/** What orders by a column: the calculation, or the name that it was given. */
function byOf({ op, column, label: name }: CalculationTold): string | Calculation {
  const calculation = column === null ? { op } : { op, column };
  return label(calculation) === name ? calculation : name;
}

function Sort({ name, now, onClick }: { name: string; now: 'asc' | 'desc' | null; onClick: () => void }) {
  return (
    <button type="button" className={styles.sort} data-now={now !== null} onClick={onClick} title={`Order by ${name}`}>
      {name}
      {now && <Icon name={now === 'desc' ? 'down' : 'up'} size={10} />}
    </button>
  );
}

function Figures({ begin, whole, before, compared, colours = [] }: { begin: Begin; whole: Whole; before?: Whole; compared: boolean; colours?: (string | undefined)[] }) {
  return begin.calculations.map((one, i) => {
    const value = whole.values[i];
    if (one.kind === 'heatmap') {
      return (
        <td key={one.label} className="num">
          <Spread buckets={value} told={formatOf(one)} />
        </td>
      );
    }
    const earlier = before?.values[i];
    return (
      <td key={one.label}>
        <span className={styles.cell}>
          {whole.series && <Sparkline values={numbers(whole.series[i])} width={88} height={20} colour={colours[i] ?? 'var(--bar-quiet)'} />}
          <b>{typeof value === 'number' ? formatOf(one)(value) : value === null || value === undefined ? <span className="muted">–</span> : String(value)}</b>
          {compared && (
            <span className={styles.change} title={typeof earlier === 'number' ? `earlier: ${formatOf(one)(earlier)}` : 'nothing earlier'}>
              {changeText(value as number | null, earlier as number | null) ?? ''}
            </span>
          )}
        </span>
      </td>
    );
  });
}

/** How values spread, as small bars from the least to the largest. */
function Spread({ buckets, told }: { buckets: Figure | undefined; told: (value: number) => string }) {
  if (!Array.isArray(buckets) || buckets.length === 0) return <span className="muted">–</span>;
  const heat = cellsOf([buckets as HeatBucket[]]);
  const [width, height] = [120, 20];
  return (
    <svg width={width} height={height} role="img" aria-label={`from ${told(heat.low)} to ${told(heat.high)}`} style={{ display: 'inline-block', verticalAlign: 'middle' }}>
      <title>{`${told(heat.low)} – ${told(heat.high)}`}</title>
      <path d={`M0 ${height - 0.5}H${width}`} stroke="var(--hairline)" />
      {heat.cells.map((cell) => {
        const [from, to] = [shareOf(cell.low, heat) * width, shareOf(cell.high, heat) * width];
        const tall = Math.max(1, Math.sqrt(cell.count / heat.most) * (height - 2));
        return <rect key={cell.low} x={from} width={Math.max(0.8, to - from - 0.4)} y={height - tall} height={tall} fill="var(--accent)" opacity="0.75" />;
      })}
    </svg>
  );
}
