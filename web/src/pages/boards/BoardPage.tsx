// One board: kept questions and notes on a grid, under one time range and one filter.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import * as kept from '../../api/kept';
import * as slosApi from '../../api/slos';
import { COLUMNS, moved, placed, type Placed } from '../../lib/grid';
import { cut, EMPTY, filterText, readFilter, withFilter, type Filter } from '../../lib/question';
import { BareButton, Button, IconButton, Input } from '../../ui/Control';
import { Empty, Failure, Loading } from '../../ui/State';
import { TokenField } from '../../ui/TokenField';
import { ValueActions } from '../../ui/Value';
import { useQuestionActions } from '../common/question/actions';
import { useMarkers } from '../common/question/markers';
import { useClauseSuggest } from '../common/question/suggest';
import { useSetSearch } from '../common/search';
import styles from './Boards.module.css';
import { Note } from './Note';
import { Preset } from './Preset';
import { QueryPanel } from './QueryPanel';
import { SloPanel } from './SloPanel';

const here = getRouteApi('/boards/$board');
const ROW_PX = 44;
const GAP_PX = 8;
/** What can be done with a value on a board: the questions themselves stay as they were kept. */
const DONE_HERE = new Set(['value-filter', 'value-exclude', 'value-open-trace', 'value-logs']);

export function BoardPage() {
  const { board: id } = here.useParams();
  const { data, error, refetch } = useQuery(kept.board(id));
  if (error) return <Failure error={error} title="The board could not be read" onRetry={() => void refetch()} />;
  if (!data) return <Loading rows={10} />;
  return <Shown key={id} board={data} />;
}

const positionOf = ({ x, y, w, h }: Placed): kept.Position => ({ x_coordinate: x, y_coordinate: y, width: w, height: h });
const placeOf = (position: kept.Position | undefined): Placed | undefined => position && { x: position.x_coordinate, y: position.y_coordinate, w: position.width, h: position.height };

function filtersIn(where: string | undefined): Filter[] {
  return cut(where ?? '', 'word').flatMap((text) => {
    const read = readFilter(text);
    return 'ok' in read ? [read.ok] : [];
  });
}

function Shown({ board }: { board: kept.Board }) {
  const search = here.useSearch();
  const { time, where, live } = search;
  const editing = search.edit === '1';
  const setSearch = useSetSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const whole = useRef<HTMLDivElement>(null);
  const [draft, setDraft] = useState(board);
  useEffect(() => setDraft(board), [board]);
  const filters = useMemo(() => filtersIn(where), [where]);
  const setFilters = (next: Filter[]) => setSearch({ where: next.length > 0 ? next.map(filterText).join(' AND ') : undefined });
  const shared = useMemo(() => ({ ...EMPTY, filters }), [filters]);
  const suggest = useClauseSuggest('where', shared, time);
  const actions = useQuestionActions(shared, (next) => setFilters(next.filters));
  const markers = useMarkers(time, true, live === '1');
  const save = useMutation({
    mutationFn: (next: kept.Board) => kept.keepBoard(next),
    onSuccess: (saved) => {
      client.setQueryData(kept.board(board.id).queryKey, saved);
      void client.invalidateQueries({ queryKey: kept.boards().queryKey, exact: true });
    },
  });
  const drop = useMutation({
    mutationFn: () => kept.dropBoard(board.id),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: kept.boards().queryKey, exact: true });
      void navigate({ to: '/boards' });
    },
  });
  const places = placed(draft.panels.map((panel) => placeOf(panel.position)));
  const change = (next: kept.Board) => {
    setDraft(next);
    save.mutate(next);
  };
  const settle = (list: Placed[], keep: boolean) => {
    const next = { ...draft, panels: draft.panels.map((panel, i) => ({ ...panel, position: positionOf(list[i] as Placed) })) };
    if (keep) change(next);
    else setDraft(next);
  };
  const panels = draft.panels;
  const patch = (at: number, panel: kept.Panel) => change({ ...draft, panels: panels.map((one, i) => (i === at ? panel : one)) });
  const remove = (at: number) => change({ ...draft, panels: panels.filter((_, i) => i !== at).map((panel, i) => ({ ...panel, position: positionOf(places.filter((_, k) => k !== at)[i] as Placed) })) });
  const add = (panel: kept.Panel) => change({ ...draft, panels: [...panels.map((one, i) => ({ ...one, position: positionOf(places[i] as Placed) })), panel] });
  const addNote = () => add({ type: 'text', text_panel: { content: '## Note\nWhat this board is for.' } });
  return (
    <ValueActions value={(field, value) => actions(field, value).filter((item) => DONE_HERE.has(item.testId ?? ''))}>
      <div className={styles.board} ref={whole}>
        <header className={styles.head}>
          <span className={styles.crumb}>
            <Link to="/boards">Boards</Link> /
          </span>
          {editing ? (
            <>
              <Input key={`name ${draft.name}`} defaultValue={draft.name} aria-label="Name" className={styles.name} onBlur={(event) => event.target.value.trim() !== '' && event.target.value !== draft.name && change({ ...draft, name: event.target.value.trim() })} />
              <Input key={`about ${draft.description}`} defaultValue={draft.description ?? ''} placeholder="what it is about" aria-label="What it is about" className={styles.about} onBlur={(event) => event.target.value !== (draft.description ?? '') && change({ ...draft, description: event.target.value })} />
            </>
          ) : (
            <>
              <h1 data-testid="board-title">{draft.name}</h1>
              <span className="muted cut">{draft.description}</span>
            </>
          )}
          <span className={styles.tools}>
            {save.isPending && <span className="muted">saving</span>}
            {editing && <Button onClick={addNote}>Add a note</Button>}
            {editing && <AddSlo taken={panels.flatMap((panel) => panel.slo_panel?.slo_id ?? [])} onAdd={(slo_id) => add({ type: 'slo', slo_panel: { slo_id } })} />}
            {editing && <Button onClick={() => window.confirm(`Delete the board "${draft.name}"? Its questions stay kept.`) && drop.mutate()}>Delete</Button>}
            <Button aria-pressed={search.own === '1'} title="Each question over the range it was saved with" onClick={() => setSearch({ own: search.own === '1' ? undefined : '1' })}>
              own times
            </Button>
            <Button aria-pressed={editing} onClick={() => setSearch({ edit: editing ? undefined : '1' }, true)} data-testid="board-edit">
              {editing ? 'Done' : 'Edit'}
            </Button>
            <IconButton icon="fit" label="Full screen" onClick={() => void (document.fullscreenElement ? document.exitFullscreen() : whole.current?.requestFullscreen())} />
          </span>
        </header>
        <div className={styles.filters}>
          <TokenField
            main
            label="Filters of every panel"
            testId="board-where"
            items={filters.map(filterText)}
            read={(text) => {
              const read = readFilter(text);
              return 'ok' in read ? { ok: filterText(read.ok) } : read;
            }}
            suggest={suggest}
            placeholder="narrow every panel: field = value"
            onChange={(items) => setFilters(items.flatMap((item) => filtersIn(item)))}
          />
          {draft.preset_filters?.map((preset) => <Preset key={preset.column} preset={preset} time={time} filters={filters} onChange={setFilters} />)}
        </div>
        {save.error && <Failure error={save.error} title="The board could not be saved" />}
        {panels.length === 0 ? (
          <Empty title="Nothing on this board yet">
            <p>
              Ask something in <Link to="/explore">Explore</Link>, then choose <b>Board</b> there. Notes are added here, with <b>Edit</b>.
            </p>
          </Empty>
        ) : (
          <Grid count={panels.length} places={places} editing={editing} onMove={settle}>
            {(at, height) => {
              const panel = panels[at] as kept.Panel;
              const tools = editing && <BareButton icon="close" label="Take this panel away" onClick={() => remove(at)} />;
              if (panel.query_panel) {
                const own = panel.query_panel;
                return (
                  <QueryPanel
                    panel={own}
                    time={time}
                    ownTime={search.own === '1'}
                    filters={filters}
                    live={live === '1'}
                    height={height}
                    markers={markers}
                    onTime={(next) => setSearch({ time: next })}
                    onFilters={(more) => setFilters(more.reduce(withFilter, shared).filters)}
                    tools={
                      editing ? (
                        <>
                          <select className={styles.style} value={own.query_style ?? 'graph'} aria-label="Shown as" onChange={(event) => patch(at, { ...panel, query_panel: { ...own, query_style: event.target.value as kept.PanelStyle } })}>
                            <option value="graph">chart</option>
                            <option value="table">table</option>
                            <option value="combo">both</option>
                          </select>
                          {tools}
                        </>
                      ) : null
                    }
                  />
                );
              }
              if (panel.slo_panel) return <SloPanel id={panel.slo_panel.slo_id} height={height} tools={tools} />;
              if (panel.text_panel) return <NotePanel text={panel.text_panel.content} editing={editing} tools={tools} onChange={(content) => patch(at, { ...panel, text_panel: { content } })} />;
              return (
                <div className={styles.inside}>
                  <header className={styles.title}>
                    <span className="muted">A panel of the kind “{panel.type}”</span>
                    {tools}
                  </header>
                </div>
              );
            }}
          </Grid>
        )}
      </div>
    </ValueActions>
  );
}

/** Objectives that the board does not have yet; nothing where there are none. */
function AddSlo({ taken, onAdd }: { taken: string[]; onAdd: (id: string) => void }) {
  const slos = useQuery({ ...slosApi.slos(), retry: false });
  const rest = (slos.data ?? []).filter((one) => !taken.includes(one.id));
  if (rest.length === 0) return null;
  return (
    <select className={styles.style} value="" aria-label="Add an objective" onChange={(event) => onAdd(event.target.value)}>
      <option value="">Add an objective</option>
      {rest.map((one) => (
        <option key={one.id} value={one.id}>
          {one.name}
        </option>
      ))}
    </select>
  );
}

function NotePanel({ text, editing, tools, onChange }: { text: string; editing: boolean; tools: ReactNode; onChange: (text: string) => void }) {
  if (!editing) return <Note text={text} />;
  return (
    <div className={styles.inside}>
      <header className={styles.title}>
        <span>Note</span>
        {tools}
      </header>
      <textarea key={text} className={styles.writing} defaultValue={text} aria-label="Note" onBlur={(event) => event.target.value !== text && onChange(event.target.value)} />
    </div>
  );
}

function Grid({ count, places, editing, onMove, children }: { count: number; places: Placed[]; editing: boolean; onMove: (places: Placed[], keep: boolean) => void; children: (at: number, height: number) => ReactNode }) {
  const grid = useRef<HTMLDivElement>(null);
  const drag = (at: number, resize: boolean) => (event: React.PointerEvent<HTMLElement>) => {
    if (event.button !== 0 || (event.target as HTMLElement).closest('select, button, a, input, textarea')) return;
    event.preventDefault();
    const element = event.currentTarget;
    const cell = ((grid.current?.clientWidth ?? 1200) + GAP_PX) / COLUMNS;
    const from = { x: event.clientX, y: event.clientY };
    const first = places;
    const place = first[at] as Placed;
    let next = first;
    element.setPointerCapture(event.pointerId);
    const move = (to: PointerEvent) => {
      const [dx, dy] = [(to.clientX - from.x) / cell, (to.clientY - from.y) / (ROW_PX + GAP_PX)];
      next = moved(first, at, resize ? { ...place, w: place.w + dx, h: place.h + dy } : { ...place, x: place.x + dx, y: place.y + dy });
      onMove(next, false);
    };
    const up = () => {
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', up);
      element.removeEventListener('pointercancel', up);
      if (next !== first) onMove(next, true);
    };
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', up);
    element.addEventListener('pointercancel', up);
  };
  return (
    <div ref={grid} className={styles.grid} data-testid="board-grid" data-editing={editing}>
      {Array.from({ length: count }, (_, at) => {
        const { x, y, w, h } = places[at] as Placed;
        return (
          <section key={at} className={styles.panel} data-testid="panel" style={{ gridColumn: `${x + 1} / span ${w}`, gridRow: `${y + 1} / span ${h}` }} onPointerDown={editing ? drag(at, false) : undefined}>
            {children(at, h * ROW_PX + (h - 1) * GAP_PX)}
            {editing && <i className={styles.corner} title="Drag to change the size" onPointerDown={(event) => {
              event.stopPropagation();
              drag(at, true)(event);
            }} />}
          </section>
        );
      })}
    </div>
  );
}
