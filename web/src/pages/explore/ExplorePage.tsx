// Explore: ask anything of spans and log lines, see it drawn, select what stands out, and learn what is different about it.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useRouterState } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { statements, type Begin, type Group, type Selection, type Told } from '../../api/explore';
import { formatOf } from '../../lib/figures';
import { filterText, filtersOfGroup, isEither, label, titleOf, withBounds, withFilter, type Question } from '../../lib/question';
import { isRelative, paramFromRange, rangeFromParam } from '../../lib/time';
import { stringifySearch } from '../../lib/url';
import { count, plural } from '../../lib/units';
import { Button, CopyBlock, copyText, IconButton } from '../../ui/Control';
import { chosenText } from '../../ui/HeatChart';
import { Icon } from '../../ui/Icon';
import type { MenuItem } from '../../ui/Menu';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Tabs } from '../../ui/Tabs';
import { ValueActions } from '../../ui/Value';
import { useSetSearch } from '../common/search';
import { useQuestionActions } from '../common/question/actions';
import { useAnswer } from '../common/question/answer';
import { BubbleUp } from './BubbleUp';
import { Builder } from './Builder';
import { Charts, ChartsLoading, type ChartPoint, type Draw } from '../common/question/Charts';
import { useMarkers } from '../common/question/markers';
import styles from './Explore.module.css';
import { remember } from './history';
import { CalculatedButton, HistoryButton, MarkButton, SaveButton, TriggerButton } from './Panels';
import { PointMenu } from './PointMenu';
import { RowsTab } from './RowsTab';
import { narrowedTo, paramsOf, questionIn, selectionIn, selectionParams } from '../common/question/state';
import { SummaryTable } from '../common/question/SummaryTable';
import { TracesTab } from './TracesTab';

const here = getRouteApi('/explore');
const TABS = [
  { id: 'overview', label: 'Overview' },
  { id: 'bubbleup', label: 'BubbleUp' },
  { id: 'traces', label: 'Traces' },
  { id: 'rows', label: 'Rows' },
  { id: 'sql', label: 'SQL' },
];
const DRAWS: { value: Draw; label: string }[] = [
  { value: 'line', label: 'Lines' },
  { value: 'overlay', label: 'Lines in one chart' },
  { value: 'stack', label: 'Stacked' },
  { value: 'bar', label: 'Bars' },
  { value: 'stat', label: 'Figure' },
];
const COMPARES = [
  { seconds: 0, label: 'no comparison' },
  { seconds: 1_800, label: '30 minutes before' },
  { seconds: 3_600, label: '1 hour before' },
  { seconds: 7_200, label: '2 hours before' },
  { seconds: 28_800, label: '8 hours before' },
  { seconds: 86_400, label: '1 day before' },
  { seconds: 604_800, label: '1 week before' },
  { seconds: 2_419_200, label: '4 weeks before' },
  { seconds: 15_724_800, label: '26 weeks before' },
];
const STEPS = [1, 5, 10, 15, 30, 60, 300, 600, 1_800, 3_600, 10_800, 86_400];
/** How long an answer stands before its question counts as one that was asked. */
const REMEMBER_AFTER_MS = 1_500;

export function ExplorePage() {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const { time, live } = search;
  const tab = TABS.some((one) => one.id === search.tab) ? (search.tab as string) : 'overview';
  const draw = (DRAWS.find((one) => one.value === search.draw)?.value ?? 'line') as Draw;
  const scale = search.scale === 'log' || search.scale === 'linear' ? search.scale : undefined;
  // The object changes only when what it says does, or every chart would be drawn anew.
  const said = JSON.stringify(search);
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const question = useMemo(() => questionIn(search), [said]);
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const selection = useMemo(() => selectionIn(search), [said]);
  const change = (next: Question) => setSearch({ ...paramsOf(next), row: undefined });
  const asked = useAnswer(question, time, live === '1');
  const [focus, setFocus] = useState<number | null>(null);
  const [point, setPoint] = useState<ChartPoint | null>(null);
  const unpoint = useCallback(() => setPoint(null), []);
  const actions = useQuestionActions(question, change);
  const marks = useMarkers(time, search.marks !== '0');
  useRemembered(question, asked.isCurrent && asked.error === null);
  useEffect(() => setFocus(null), [asked.told?.answer]);

  const select = (next: Selection | null, to?: string) => setSearch({ ...selectionParams(next), ...(to ? { tab: to } : {}) });
  const onSelect = (chosen: { start: number; end: number; column?: string; low?: number; high?: number }) => {
    // A box on a heatmap asks what is different about it; a range of time may mean several things, which are offered.
    select({ ...chosen, filters: [] }, chosen.column === undefined ? undefined : 'bubbleup');
  };
  const keep = (one: Selection) =>
    setSearch({
      ...paramsOf(narrowedTo(question, one)),
      ...(one.start !== undefined && one.end !== undefined ? { time: paramFromRange({ start: one.start, end: one.end }), live: undefined } : {}),
      ...selectionParams(null),
    });
  const ofGroup = (group: Group) => filtersOfGroup(question.breakdowns, Object.fromEntries(question.breakdowns.map((name, i) => [name, group.key[i]])));
  const onGroup = (group: Group) => change(ofGroup(group).reduce(withFilter, question));
  const groupItems = (group: Group): MenuItem[] => [
    { label: 'What is different about this group', hint: 'BubbleUp', testId: 'group-bubbleup', onSelect: () => select({ filters: ofGroup(group) }, 'bubbleup') },
    { label: 'Rows', testId: 'group-rows', onSelect: () => select({ filters: ofGroup(group) }, 'rows') },
    { label: 'Traces', testId: 'group-traces', onSelect: () => select({ filters: ofGroup(group) }, 'traces') },
    { label: 'Only this group', testId: 'group-keep', onSelect: () => onGroup(group) },
    { label: 'All but this group', testId: 'group-exclude', onSelect: () => change(withoutGroup(question, group)) },
  ];
  const { told } = asked;
  const failed = asked.isRunning ? null : asked.error;
  const answer = told?.answer ?? null;
  return (
    <ValueActions value={actions}>
      <div className={styles.page}>
        <Builder
          question={question}
          time={time}
          onChange={change}
          actions={
            <>
              <CalculatedButton question={question} onChange={(calculated) => change({ ...question, calculated })} />
              <HistoryButton />
              <SaveButton question={question} time={time} draw={draw} />
              <TriggerButton question={question} />
              <LinkButton time={time} />
            </>
          }
        />
        <div className={styles.scroll}>
          <div className={styles.progress} data-running={asked.isRunning}>
            <i style={{ width: `${Math.max(0.04, told?.progress?.share ?? 0.04) * 100}%` }} />
          </div>
          {failed && !asked.isCurrent ? (
            <Failure error={failed} onRetry={asked.retry} title="The question could not be answered" />
          ) : !told || !answer ? (
            <ChartsLoading labels={question.formulas.length > 0 ? question.formulas.map((one) => one.name) : question.calculations.map(label)} />
          ) : isEmpty(told) ? (
            <NothingFound question={question} onChange={change} time={time} rows={told.stats?.rows_total} />
          ) : (
            <div data-current={asked.isCurrent} className={styles.answer}>
              <Charts begin={told.begin} answer={answer} draw={draw} scale={scale} markers={marks} selection={selection} focus={focus} onSelect={onSelect} onGroup={onGroup} onPoint={setPoint} />
            </div>
          )}
          {selection && <Selected selection={selection} question={question} tab={tab} onTab={(next) => setSearch({ tab: next })} onKeep={() => keep(selection)} onClear={() => select(null)} />}
          <div className={styles.bar}>
            <Tabs label="Views" tabs={TABS} value={tab} onChange={(next) => setSearch({ tab: next === 'overview' ? undefined : next, row: undefined })} />
            {(!failed || asked.isCurrent) && <Settings search={search} draw={draw} question={question} time={time} scale={scale} onChange={change} />}
          </div>
          {tab === 'bubbleup' ? (
            <BubbleUp question={question} time={time} selection={selection} onSelect={(next) => select(next)} onRange={(column, low, high) => change(withBounds(question, column, low, high))} />
          ) : tab === 'traces' ? (
            <TracesTab question={question} time={time} selection={selection} />
          ) : tab === 'rows' ? (
            <RowsTab question={question} time={time} selection={selection} opened={search.row} onOpen={(row) => setSearch({ row }, true)} />
          ) : tab === 'sql' ? (
            <SqlTab question={question} begin={told?.begin} isRunning={asked.isRunning} />
          ) : (
            told && answer && !isEmpty(told) && <SummaryTable begin={told.begin} answer={answer} question={question} draw={draw} focus={focus} onFocus={setFocus} onOrder={(orders) => change({ ...question, orders })} onGroup={onGroup} groupItems={groupItems} />
          )}
        </div>
        {point && (
          <PointMenu
            key={`${point.x} ${point.y} ${point.start}`}
            point={point}
            question={question}
            time={time}
            onClose={unpoint}
            onSelect={(next, to) => select(next, to)}
            onZoom={(range) => setSearch({ time: paramFromRange(range), live: undefined })}
            onKeep={onGroup}
            onExclude={(group) => change(withoutGroup(question, group))}
          />
        )}
        {(tab === 'overview' || tab === 'sql') && (
          <StatsLine stats={told?.stats ? once(told.stats) : undefined}>
            {asked.isRunning && told?.progress ? (
              <>
                {Math.round(told.progress.share * 100)}% of {count(told.progress.rows_total)} rows{' '}
                <button type="button" className={styles.cancel} onClick={asked.cancel}>
                  stop
                </button>
              </>
            ) : failed && asked.isCurrent ? (
              <span role="alert" className={styles.estimate}>
                asked again in vain, {failed.message};{' '}
                <button type="button" className={styles.cancel} onClick={asked.retry}>
                  try again
                </button>
              </span>
            ) : (
              <>
                {answer && !answer.is_whole && <span className={styles.estimate}>estimate </span>}
                {answer && told && told.begin.breakdowns.length > 0 && `${plural(answer.groups.length, 'group')}, `}
                {told && `steps of ${stepText(told.begin.step_ns / 1e9)}`}
              </>
            )}
          </StatsLine>
        )}
      </div>
    </ValueActions>
  );
}

/** All but a group: of several fields, rows that differ from it in the last one, which is the one that groups differ by most. */
function withoutGroup(question: Question, group: Group): Question {
  const at = question.breakdowns.length - 1;
  const column = question.breakdowns[at];
  if (column === undefined) return question;
  const value = group.key[at];
  return withFilter(question, value === null || value === undefined ? { column, op: 'exists' } : { column, op: '!=', value });
}

const isEmpty = (told: Told) =>
  told.answer !== null && told.answer.is_whole && told.answer.groups.every((group) => group.values.every((value) => value === null || value === 0 || (Array.isArray(value) && value.length === 0)));

/** A question reads its rows several times; each counts once. */
const once = (stats: NonNullable<Told['stats']>) => ({ ...stats, rows_scanned: Math.min(stats.rows_scanned, stats.rows_total) });

const stepText = (seconds: number) => (seconds >= 86_400 ? `${seconds / 86_400} d` : seconds >= 3600 ? `${seconds / 3600} h` : seconds >= 60 ? `${seconds / 60} min` : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds} s`);

/** A question that was answered and stood a while goes to the history. */
function useRemembered(question: Question, answered: boolean): void {
  const address = useRouterState({ select: (state) => state.location.search as Record<string, unknown> });
  const latest = useRef(address);
  latest.current = address;
  const key = JSON.stringify(question);
  useEffect(() => {
    if (!answered) return undefined;
    const timer = setTimeout(() => {
      const { time, draw, scale } = latest.current;
      remember(stringifySearch({ ...paramsOf(question), time, draw, scale }), titleOf(question), Date.now());
    }, REMEMBER_AFTER_MS);
    return () => clearTimeout(timer);
    // `key` stands for the question.
  }, [key, answered]);
}

/** What is selected, in words, and what can be done with it. */
function Selected({ selection, question, tab, onTab, onKeep, onClear }: { selection: Selection; question: Question; tab: string; onTab: (tab: string) => void; onKeep: () => void; onClear: () => void }) {
  const format = formatOf({ op: 'AVG', column: selection.column });
  const values = selection.low !== undefined || selection.high !== undefined;
  const told = [
    selection.start !== undefined ? chosenText({ start: selection.start, end: selection.end }, format) : '',
    values ? `${selection.column} ${chosenText({ low: selection.low, high: selection.high }, format)}` : '',
    ...selection.filters.map(filterText),
  ].filter(Boolean);
  const calculations = question.calculations.length;
  return (
    <div className={styles.selected} data-testid="selection" data-over={calculations}>
      <Icon name="box" />
      <span className={styles.selectedText}>{told.join(' · ')}</span>
      <span className={styles.selectedTools}>
        {tab !== 'bubbleup' && (
          <Button primary onClick={() => onTab('bubbleup')} data-testid="selection-bubbleup" title="What is different about these">
            BubbleUp
          </Button>
        )}
        {(selection.start !== undefined || !isEither(question)) && (
          <Button onClick={onKeep} data-testid="selection-zoom" title={isEither(question) ? 'Look at this time alone: any of the question’s filters may hold, and one more would widen it' : 'Look at these alone'}>
            Zoom in
          </Button>
        )}
        {selection.start !== undefined && <MarkButton start={selection.start} end={selection.end} />}
        {tab !== 'rows' && <Button onClick={() => onTab('rows')}>Rows</Button>}
        {tab !== 'traces' && <Button onClick={() => onTab('traces')}>Traces</Button>}
        <IconButton icon="close" label="Select nothing" onClick={onClear} data-testid="selection-clear" />
      </span>
    </div>
  );
}

function Settings({ search, draw, question, time, scale, onChange }: { search: { marks?: string }; draw: Draw; question: Question; time: string | undefined; scale: 'log' | 'linear' | undefined; onChange: (question: Question) => void }) {
  const setSearch = useSetSearch();
  const { start, end } = rangeFromParam(time, Date.now());
  const seconds = (end - start) / 1000;
  const fitting = STEPS.filter((step) => step <= seconds / 2 && seconds / step <= 1000);
  return (
    <div className={styles.settings}>
      <select className={styles.select} value={draw} aria-label="Drawn as" data-testid="draw" onChange={(event) => setSearch({ draw: event.target.value === 'line' ? undefined : event.target.value })}>
        {DRAWS.map((one) => (
          <option key={one.value} value={one.value}>
            {one.label}
          </option>
        ))}
      </select>
      <select className={styles.select} value={question.granularity ?? 0} aria-label="Steps" onChange={(event) => onChange({ ...question, granularity: Number(event.target.value) || undefined })}>
        <option value={0}>steps: auto</option>
        {question.granularity !== undefined && !fitting.includes(question.granularity) && <option value={question.granularity}>{stepText(question.granularity)}</option>}
        {fitting.map((step) => (
          <option key={step} value={step}>
            {stepText(step)}
          </option>
        ))}
      </select>
      <select className={styles.select} value={question.compare ?? 0} aria-label="Compare with" data-testid="compare" onChange={(event) => onChange({ ...question, compare: Number(event.target.value) || undefined })}>
        {COMPARES.map((one) => (
          <option key={one.seconds} value={one.seconds}>
            {one.label}
          </option>
        ))}
      </select>
      <Button aria-pressed={scale === 'log'} title="Logarithmic scale" onClick={() => setSearch({ scale: scale === 'log' ? 'linear' : 'log' }, true)} data-testid="log-scale">
        log
      </Button>
      <Button aria-pressed={search.marks !== '0'} title="Deploys and markers" onClick={() => setSearch({ marks: search.marks === '0' ? undefined : '0' }, true)}>
        marks
      </Button>
    </div>
  );
}

/** The address with the time range held still, so that it shows the same to who gets it. */
function LinkButton({ time }: { time: string | undefined }) {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    const address = new URL(window.location.href);
    if (isRelative(time)) address.searchParams.set('time', paramFromRange(rangeFromParam(time, Date.now())));
    void copyText(address.href).then(() => {
      setCopied(true);
      setTimeout(() => setCopied(false), 1_200);
    });
  };
  return <IconButton icon={copied ? 'check' : 'link'} label={copied ? 'Copied' : 'Copy a link to exactly this'} onClick={copy} data-testid="permalink" />;
}

function SqlTab({ question, begin, isRunning }: { question: Question; begin: Begin | undefined; isRunning: boolean }) {
  const asked = useQuery(statements(question, begin));
  const { summary, series } = asked.data ?? {};
  if (asked.isFetching && !summary && !series) return <Loading rows={8} label="Asking" />;
  if (asked.error) return <Failure error={asked.error} onRetry={() => void asked.refetch()} title="The question could not be told in SQL" />;
  if (begin === undefined && isRunning) return <Loading rows={8} label="Asking" />;
  if (!summary && !series) {
    return (
      <Empty title="No SQL to show">
        <p>The question has not been answered yet, or has no single query in SQL.</p>
      </Empty>
    );
  }
  return (
    <div className={styles.sql} data-testid="explore-sql">
      {summary && <Statement title="Summary" says="One row for each line of the table." sql={summary} />}
      {series && <Statement title="Over time" says="One row for each step and line of the chart." sql={series} />}
    </div>
  );
}

function Statement({ title, says, sql }: { title: string; says: string; sql: string }) {
  const navigate = here.useNavigate();
  return (
    <section>
      <header>
        <h2>{title}</h2>
        <span className="muted">{says}</span>
        <Button onClick={() => void navigate({ to: '/sql', search: { query: sql } })}>Open in SQL</Button>
      </header>
      <CopyBlock text={sql} label={`Copy the query of ${title.toLowerCase()}`} />
    </section>
  );
}

function NothingFound({ question, onChange, time, rows }: { question: Question; onChange: (question: Question) => void; time: string | undefined; rows: number | undefined }) {
  const last = question.filters[question.filters.length - 1];
  return (
    <Empty title="No event matches">
      <p>
        Nothing in {time === undefined ? 'the last 15 minutes' : 'this time range'} is as the question wants it. Choose a longer range above{question.filters.length > 0 ? ', or take a filter away' : ''}.
      </p>
      {rows === 0 && (
        <p>
          Nothing at all has arrived in it: <Link to="/connect">Connect</Link> has the lines that send something, and shows what comes in.
        </p>
      )}
      {last && (
        <Button onClick={() => onChange({ ...question, filters: question.filters.slice(0, -1) })}>
          Take away <code>{filterText(last)}</code>
        </Button>
      )}
    </Empty>
  );
}
