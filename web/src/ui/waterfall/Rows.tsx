// One span, or one log line below its span, as a row of the waterfall.
import { memo } from 'react';
import { serviceColour } from '../../lib/colour';
import { timesTold, type Usual } from '../../lib/compare';
import { explainGap, type Gap } from '../../lib/gaps';
import { receiverName } from '../../lib/ids';
import { levelFromNumber } from '../../lib/severity';
import { msFromNano, nanoBetween } from '../../lib/time';
import { count, duration } from '../../lib/units';
import type { Placed } from '../../lib/waterfall';
import { Badge, Receiver } from '../Chip';
import { Icon } from '../Icon';
import type { WaterfallLog, WaterfallRow } from './types';
import styles from './Waterfall.module.css';

const INDENT_PX = 13;
/** Deeper than this the tree no longer moves to the right, or names would have no room. */
const INDENT_MAX = 18;
const EVENTS_MAX = 40;
/** Where a span usually ends is marked when it is apart from where it did, by so much of what is in sight. */
const USUAL_SHARE_DRAWN = 0.01;
/** A gap narrower than this share of what is in sight is no more than a scratch on the bar. */
const GAP_SHARE_DRAWN = 0.006;

interface SpanRowProps {
  index: number;
  span: WaterfallRow;
  spans: WaterfallRow[];
  top: number;
  placed: Placed;
  start: string;
  from: number;
  to: number;
  newService: boolean;
  newReceiver: boolean;
  /** Its clock and its parent's differ by so much; 0 for the rest of a service that is off as a whole. */
  skew: number;
  aligned: boolean;
  selected: boolean;
  cursor: boolean;
  match: string | undefined;
  dim: boolean;
  collapsed: boolean;
  gaps: Gap[] | undefined;
  usual: Usual | undefined;
  onToggle: (index: number) => void;
  onSelect: (spanId: string) => void;
}

export const SpanRow = memo(function SpanRow({ index, span, spans, top, placed, start, from, to, newService, newReceiver, skew, aligned, selected, cursor, match, dim, collapsed, gaps, usual, onToggle, onSelect }: SpanRowProps) {
  const failed = span.status_code === 'error';
  const exception = span.events.find((event) => event.exception)?.exception;
  const children = placed.next - index - 1;
  return (
    <div
      className={`${styles.row} ${failed ? styles.failed : ''}`}
      style={{ top }}
      role="treeitem"
      aria-level={span.depth + 1}
      aria-selected={selected}
      aria-expanded={children > 0 ? !collapsed : undefined}
      data-cursor={cursor || undefined}
      data-match={match}
      data-dim={dim || undefined}
      data-span-id={span.span_id}
      data-receiver={span.receiver}
      data-testid="span-row"
      onClick={() => onSelect(span.span_id)}
    >
      <div className={styles.name}>
        <span className={styles.guide} style={{ width: Math.min(span.depth, INDENT_MAX) * INDENT_PX }} />
        {children > 0 ? (
          <button
            type="button"
            className={styles.fold}
            tabIndex={-1}
            aria-label={collapsed ? 'Expand' : 'Collapse'}
            onClick={(event) => {
              event.stopPropagation();
              onToggle(index);
            }}
          >
            <Icon name={collapsed ? 'right' : 'down'} size={12} />
          </button>
        ) : (
          <span className={styles.fold} />
        )}
        <span className={styles.bead} style={{ background: serviceColour(span.service) }} title={span.service} />
        <span className={styles.title}>
          <span className={styles.text} title={span.name}>
            {span.name}
          </span>
          {newService && span.service !== span.name && <span className={styles.service}>{span.service}</span>}
        </span>
        <span className={styles.marks}>
          {collapsed && <Badge tone="quiet">+{count(children)}</Badge>}
          {span.missing_parent && (
            <Badge tone="note" title="It names a parent that has not arrived: lost, not sampled, still running, or sent elsewhere" testId="missing-parent">
              <Icon name="orphan" size={11} />
              <span className={styles.word}>no parent</span>
            </Badge>
          )}
          {span.in_progress && (
            <Badge tone="quiet" title="This span has not ended yet" testId="in-progress">
              running
            </Badge>
          )}
          {skew !== 0 && (
            <Badge tone="note" title={skewTold(skew, span.service, aligned)} testId="skew">
              <Icon name="clock" size={11} />
              <span className={styles.word}>{duration(Math.abs(skew))}</span>
            </Badge>
          )}
          {span.log_count > 0 && (
            <span className={styles.logCount} title={`${span.log_count} log lines`}>
              <Icon name="lines" size={12} />
              {span.log_count}
            </span>
          )}
          {(failed || exception) && (
            <Badge title={exception ? `${exception.type}: ${exception.message}` : span.status_message || 'error'} testId="span-error">
              <Icon name="alert" size={11} />
              <span className={styles.word}>{exception ? exception.type.split('.').pop() : 'error'}</span>
            </Badge>
          )}
          {span.linked_by && (
            <span className={styles.joint} title={`${receiverName(span.receiver)}'s trace of the same request, linked by ${span.linked_by}`} data-testid="linked-by">
              <Icon name="link" size={12} />
            </span>
          )}
          {newReceiver && <Receiver name={span.receiver} />}
        </span>
      </div>
      <Bar index={index} span={span} spans={spans} placed={placed} start={start} from={from} to={to} failed={failed} ghost={aligned ? 0 : skew} gaps={gaps} usual={usual} />
    </div>
  );
});

export function skewTold(skew: number, service: string, aligned: boolean): string {
  const off = `The clock of ${service} is about ${duration(Math.abs(skew))} ${skew > 0 ? 'behind' : 'ahead of'} its parent's`;
  return aligned ? `${off}; its spans are moved by as much` : `${off}; times are as they were told, the dashed outline is where it would stand`;
}

type BarProps = Pick<SpanRowProps, 'index' | 'span' | 'spans' | 'placed' | 'start' | 'from' | 'to' | 'gaps' | 'usual'> & { failed: boolean; ghost: number };

function Bar({ index, span, spans, placed, start, from, to, failed, ghost, gaps, usual }: BarProps) {
  const share = 100 / (to - from);
  const left = (placed.offset - from) * share;
  const width = placed.duration * share;
  // The figure stands after the bar, and after its outline where it has one; beyond the end of time there is room for it.
  const right = left + width + Math.max(0, ghost) * share;
  const moved = placed.offset - nanoBetween(start, span.start_time_unix_nano);
  const length = span.in_progress ? `${duration(placed.duration)} so far` : duration(placed.duration);
  const drawn = gaps?.filter((gap) => gap.to - gap.from >= (to - from) * GAP_SHARE_DRAWN && gap.to > from && gap.from < to);
  return (
    <div className={styles.time}>
      <div className={styles.clip}>
        {ghost !== 0 && <span className={styles.ghost} style={{ left: `${left + ghost * share}%`, width: `${width}%` }} />}
        <span className={styles.bar} style={{ left: `${left}%`, width: `${width}%`, background: serviceColour(span.service) }} data-critical={span.critical} data-error={failed} data-progress={span.in_progress} />
        {drawn?.map((gap) => {
          const told = explainGap(spans, index, gap);
          return <span key={gap.from} className={styles.gap} style={{ left: `${(gap.from - from) * share}%`, width: `${(gap.to - gap.from) * share}%` }} title={`Gap of ${duration(gap.to - gap.from)} ${told.where}\n${told.why}`} data-testid="gap" />;
        })}
        {usual && usual.ns !== null && Math.abs(usual.ns - placed.duration) >= (to - from) * USUAL_SHARE_DRAWN && <span className={styles.usual} style={{ left: `${left + usual.ns * share}%` }} title={`Typically ends here, after ${duration(usual.ns)}`} data-testid="usual" />}
        {span.events.slice(0, EVENTS_MAX).map((event, i) => (
          <span
            key={i}
            className={`${styles.event} ${event.exception ? styles.exception : ''}`}
            style={{ left: `${(nanoBetween(start, event.time_unix_nano) + moved - from) * share}%` }}
            title={event.exception ? `${event.exception.type}: ${event.exception.message}` : event.name}
          />
        ))}
      </div>
      <span className={styles.length} style={{ left: `${Math.max(0, Math.min(100, right))}%` }}>
        {length}
        {usual?.times && (
          <b className={styles.typical}>
            {timesTold(usual.times)}
            <span className={styles.word}> typical</span>
          </b>
        )}
        {usual?.ns === null && <b className={styles.typical}>new</b>}
      </span>
    </div>
  );
}

export const LogRow = memo(function LogRow({ top, log, depth, left, onLog }: { top: number; log: WaterfallLog; depth: number; left: number; onLog: (id: string) => void }) {
  const level = levelFromNumber(log.severity_number);
  return (
    <div className={styles.log} style={{ top }} onClick={() => onLog(log.id)} data-testid="span-log-row" title={log.body}>
      <div className={styles.name}>
        <span className={styles.guide} style={{ width: Math.min(depth, INDENT_MAX) * INDENT_PX }} />
        <span className={styles.fold}>
          <Icon name="lines" size={11} />
        </span>
        <span className={styles.bead} style={{ background: `var(--level-${level})` }} />
        <span className={styles.text}>{log.body}</span>
      </div>
      <div className={styles.time}>
        <div className={styles.clip}>
          <span className={styles.dot} style={{ left: `${left}%`, background: `var(--level-${level})` }} title={new Date(msFromNano(log.time_unix_nano)).toISOString()} />
        </div>
      </div>
    </div>
  );
});
