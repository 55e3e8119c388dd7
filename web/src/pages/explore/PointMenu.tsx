// What can be done with a point of a chart that was clicked: its trace, the group it belongs to, the time it stands at.
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { traceAt, type Group, type Selection } from '../../api/explore';
import { formatOf, keyText } from '../../lib/figures';
import { filtersOfGroup, type Question } from '../../lib/question';
import { localTime } from '../../lib/time';
import { Menu, type MenuItem } from '../../ui/Menu';
import type { ChartPoint } from '../common/question/Charts';
import styles from './Explore.module.css';

interface Props {
  point: ChartPoint;
  question: Question;
  time: string | undefined;
  onClose: () => void;
  onSelect: (selection: Selection, tab: string) => void;
  onZoom: (range: { start: number; end: number }) => void;
  onKeep: (group: Group) => void;
  onExclude: (group: Group) => void;
}

const TOLD_MS = 4_000;
/** Steps to either side of the one that is zoomed to. */
const AROUND = 5;

export function PointMenu({ point, question, time, onClose, onSelect, onZoom, onKeep, onExclude }: Props) {
  const anchor = useRef<HTMLSpanElement>(null);
  const navigate = useNavigate();
  const [open, setOpen] = useState(true);
  const [told, setTold] = useState<string | null>(null);
  useEffect(() => {
    if (open) return undefined;
    if (told === null) {
      onClose();
      return undefined;
    }
    const timer = setTimeout(onClose, TOLD_MS);
    return () => clearTimeout(timer);
  }, [open, told, onClose]);
  const { start, end, group, calculation, low, high, value } = point;
  const format = formatOf(calculation);
  const ofGroup = group ? filtersOfGroup(question.breakdowns, Object.fromEntries(question.breakdowns.map((name, i) => [name, group.key[i]]))) : [];
  const cell = low !== undefined && high !== undefined;
  const selection: Selection = { start, end, filters: ofGroup, ...(cell && calculation.column ? { column: calculation.column, low, high } : {}) };
  // A line of durations is at a value that a trace has; one of counts is not.
  const measures = calculation.column !== null && /^(P\d+|AVG|MIN|MAX)$/.test(calculation.op);
  const find = async () => {
    setTold('Looking for the trace…');
    const column = calculation.column ?? undefined;
    try {
      const found = await traceAt(question, { ...selection, ...(measures && column ? { column } : {}) }, measures && value !== null ? value : undefined, time);
      if (!found) {
        setTold('No trace has an event here');
        return;
      }
      void navigate({ to: '/traces/$traceId', params: { traceId: found.trace_id }, search: found.span_id ? { span: found.span_id } : {} });
    } catch (error) {
      setTold((error as Error).message);
    }
  };
  const name = group ? keyText(group.key) : '';
  const cut = (text: string) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);
  const items: MenuItem[] = [
    { label: cell ? 'Open a trace of these' : measures ? 'Open the trace at this value' : 'Open the slowest trace here', testId: 'point-trace', onSelect: () => void find() },
    { label: group ? 'What is different about this group here' : 'What is different about these', hint: 'BubbleUp', testId: 'point-bubbleup', onSelect: () => onSelect(selection, 'bubbleup') },
    { label: 'Rows', testId: 'point-rows', onSelect: () => onSelect(selection, 'rows') },
    { label: 'Zoom in here', testId: 'point-zoom', onSelect: () => onZoom({ start: start - AROUND * (end - start), end: end + AROUND * (end - start) }) },
    ...(group
      ? [
          { label: `Only ${cut(name)}`, testId: 'point-keep', onSelect: () => onKeep(group) },
          { label: `Without ${cut(keyText(group.key.slice(-1)))}`, testId: 'point-exclude', onSelect: () => onExclude(group) },
        ]
      : []),
  ];
  const when = localTime(start, Date.now(), false);
  const what = cell ? `${format(low)} – ${format(high)}` : value === null ? '' : format(value);
  return (
    <>
      <span ref={anchor} className={styles.point} style={{ left: point.x, top: point.y }} />
      {open && <Menu anchor={anchor} head={[when, name, what].filter(Boolean).join(' · ')} items={items} onClose={() => setOpen(false)} />}
      {told !== null && (
        <span className={styles.pointTold} style={{ left: point.x, top: point.y }} role="status">
          {told}
        </span>
      )}
    </>
  );
}
