// A kept question on a board, asked over the board's range and narrowed by its filters.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState, type ReactNode, type RefObject } from 'react';
import type { Group } from '../../api/explore';
import { ApiError } from '../../api/client';
import * as kept from '../../api/kept';
import { filtersOfGroup, isEither, questionOf, timeOf, titleOf, type Filter, type Order, type Question } from '../../lib/question';
import { paramFromRange } from '../../lib/time';
import { Button } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import type { Marker } from '../../ui/plotParts';
import { Charts, type Draw } from '../common/question/Charts';
import { useAnswer } from '../common/question/answer';
import { paramsOf } from '../common/question/state';
import { SummaryTable } from '../common/question/SummaryTable';
import styles from './Boards.module.css';

interface Props {
  panel: NonNullable<kept.Panel['query_panel']>;
  time: string | undefined;
  /** Whether the question keeps the range it was saved with. */
  ownTime: boolean;
  filters: Filter[];
  live: boolean;
  height: number;
  markers: Marker[];
  /** Stands at the right of the title. */
  tools: ReactNode;
  onFilters: (filters: Filter[]) => void;
  onTime: (time: string) => void;
}

export function QueryPanel(props: Props) {
  const { panel, tools } = props;
  const query = useQuery(kept.keptQuery(panel.dataset, panel.query_id));
  const named = useQuery({ ...kept.annotation(panel.dataset, panel.query_annotation_id), retry: false });
  const question = useMemo(() => query.data && questionOf(query.data, panel.dataset), [query.data, panel.dataset]);
  const [place, seen] = useSeen();
  const title = named.data?.name || (question ? titleOf(question) : 'Question');
  return (
    <div ref={place} className={styles.inside} data-testid="query-panel">
      <header className={styles.title}>
        {question && !tools ? (
          <Link to="/explore" search={{ ...paramsOf(narrowed(question, props.filters)), time: props.ownTime ? timeOf(query.data ?? {}) : props.time }} title="Open in Explore">
            {title}
          </Link>
        ) : (
          <span>{title}</span>
        )}
        {tools}
      </header>
      {query.error ? <Failed says={query.error instanceof ApiError && query.error.status === 404 ? 'This question is not kept any more.' : query.error.message} onRetry={() => void query.refetch()} /> : question && seen ? <Answered {...props} question={question} own={props.ownTime ? timeOf(query.data ?? {}) : undefined} /> : null}
    </div>
  );
}

function Failed({ says, onRetry }: { says: string; onRetry: () => void }) {
  return (
    <div className={styles.fault} role="alert">
      <p>{says}</p>
      <Button onClick={onRetry}>
        <Icon name="refresh" /> Try again
      </Button>
    </div>
  );
}

/** A board's filters hold beside those of the question. */
function narrowed(question: Question, filters: Filter[]): Question {
  if (filters.length === 0) return question;
  return isEither(question) ? { ...question, narrowed: filters } : { ...question, combination: 'AND', filters: [...question.filters, ...filters] };
}

const HEAD_PX = 34;
const FIGURE_PX = 40;
/** Half of a panel with both is for the table. */
const CHART_SHARE = 0.52;

function Answered({ panel, question, filters, time, own, live, height, markers, onFilters, onTime }: Props & { question: Question; own: string | undefined }) {
  const [orders, setOrders] = useState<Order[] | null>(null);
  const [focus, setFocus] = useState<number | null>(null);
  const asked = useMemo(() => ({ ...narrowed(question, filters), ...(orders ? { orders } : {}) }), [question, filters, orders]);
  const { told, isCurrent, error, retry } = useAnswer(asked, own ?? time, live);
  if (error && !told) return <Failed says={error.message} onRetry={retry} />;
  if (!told?.answer) return <p className={styles.waiting} role="status" aria-label="Asking" />;
  const style = panel.query_style ?? 'graph';
  const { draw, scale, marked } = drawn(panel.visualization_settings ?? {});
  const calculations = told.begin.calculations.length;
  const room = height - HEAD_PX;
  const rows = calculations > 1 ? Math.ceil(calculations / 2) : 1;
  const each = Math.max(72, (style === 'combo' ? room * CHART_SHARE : room) / rows - FIGURE_PX);
  const onGroup = (group: Group) => onFilters(filtersOfGroup(question.breakdowns, Object.fromEntries(question.breakdowns.map((name, i) => [name, group.key[i]]))));
  return (
    <div className={styles.answer} data-current={isCurrent} data-style={style}>
      {style !== 'table' && <Charts begin={told.begin} answer={told.answer} draw={draw} scale={scale} markers={marked ? markers : NONE} selection={null} focus={focus} height={each} onSelect={({ start, end }) => onTime(paramFromRange({ start, end }))} onGroup={onGroup} />}
      {style !== 'graph' && <SummaryTable begin={told.begin} answer={told.answer} question={asked} draw={draw} focus={focus} onFocus={setFocus} onOrder={setOrders} onGroup={onGroup} />}
      {!told.answer.is_whole && <p className={styles.aside}>estimate</p>}
    </div>
  );
}

const NONE: Marker[] = [];
/** Kinds of charts as Honeycomb's boards call them. */
const KINDS: Readonly<Record<string, Draw>> = { stacked: 'stack', tsbar: 'bar', cbar: 'bar', stat: 'stat' };

/** How a panel is drawn: as this page keeps it, or in the words of Honeycomb's API. */
function drawn(settings: Record<string, unknown>): { draw: Draw; scale: 'log' | undefined; marked: boolean } {
  const chart = (Array.isArray(settings.charts) ? settings.charts[0] : undefined) as { chart_type?: string; use_log_scale?: boolean } | undefined;
  const draw = (settings.draw as Draw | undefined) ?? (settings.overlaid_charts ? 'overlay' : (KINDS[chart?.chart_type ?? ''] ?? 'line'));
  return { draw, scale: chart?.use_log_scale ? 'log' : undefined, marked: settings.hide_markers !== true };
}

/** What was never in sight is not asked. */
function useSeen(): [RefObject<HTMLDivElement | null>, boolean] {
  const place = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const element = place.current;
    if (!element || seen) return undefined;
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true), { rootMargin: '200px' });
    watch.observe(element);
    return () => watch.disconnect();
  }, [seen]);
  return [place, seen];
}
