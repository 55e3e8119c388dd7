// What hangs below the buttons of the question: questions asked before, calculated fields, saving to a board.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import * as kept from '../../api/kept';
import { specificationOf, titleOf, type Named, type Question } from '../../lib/question';
import { ago, isRelative, rangeFromParam, relativeMs, RANGE_DEFAULT } from '../../lib/time';
import { parseSearch, stringifySearch } from '../../lib/url';
import { BareButton, Button, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Panel } from '../../ui/Menu';
import { useNow } from '../../ui/Time';
import { paramsOf } from '../common/question/state';
import styles from './Explore.module.css';
import { forget, star, useHistory } from './history';

export function HistoryButton() {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [find, setFind] = useState('');
  const list = useHistory();
  const navigate = useNavigate();
  const now = useNow(10_000);
  const wanted = find.toLowerCase();
  const shown = list.filter((one) => one.title.toLowerCase().includes(wanted)).sort((a, b) => Number(b.starred ?? false) - Number(a.starred ?? false) || b.at - a.at);
  return (
    <>
      <Button ref={anchor} aria-expanded={open} onClick={() => setOpen(!open)} data-testid="history">
        <Icon name="clock" /> History
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="Questions asked before">
          <div className={styles.panel}>
            <Input value={find} placeholder="find a question" aria-label="Find a question" onChange={(event) => setFind(event.target.value)} />
            {shown.length === 0 && <p className="muted">{list.length === 0 ? 'Questions you ask are listed here, in this browser.' : 'No question matches.'}</p>}
            <ul className={styles.past}>
              {shown.map((one) => (
                <li key={one.search}>
                  <button type="button" className={styles.star} aria-pressed={one.starred ?? false} aria-label="Keep at the top" title="Keep at the top" onClick={() => star(one.search)}>
                    {one.starred ? '★' : '☆'}
                  </button>
                  <button
                    type="button"
                    className={styles.pastText}
                    title={one.title}
                    onClick={() => {
                      setOpen(false);
                      void navigate({ to: '/explore', search: parseSearch(one.search) as never });
                    }}
                  >
                    {one.title}
                  </button>
                  <span className="muted">{ago(one.at, now)}</span>
                </li>
              ))}
            </ul>
            {list.length > 0 && <Button onClick={forget}>Forget all but starred</Button>}
          </div>
        </Panel>
      )}
    </>
  );
}

export function CalculatedButton({ question, onChange }: { question: Question; onChange: (calculated: Named[]) => void }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [name, setName] = useState('');
  const [expression, setExpression] = useState('');
  const own = question.calculated;
  const add = () => {
    if (name.trim() === '' || expression.trim() === '') return;
    onChange([...own.filter((one) => one.name !== name.trim()), { name: name.trim(), expression: expression.replace(/\s*\n\s*/g, ' ').trim() }]);
    setName('');
    setExpression('');
  };
  return (
    <>
      <Button ref={anchor} aria-expanded={open} onClick={() => setOpen(!open)} title="Fields calculated for this question" data-testid="calculated">
        ƒ Fields{own.length > 0 ? ` ${own.length}` : ''}
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="Calculated fields">
          <div className={styles.panel}>
            <h2>Fields calculated for this question</h2>
            {own.map((one) => (
              <div key={one.name} className={styles.calculated}>
                <b className="mono">{one.name}</b>
                <code>{one.expression}</code>
                <BareButton icon="close" label={`Take away ${one.name}`} onClick={() => onChange(own.filter((other) => other !== one))} />
              </div>
            ))}
            <form
              className={styles.calculate}
              onSubmit={(event) => {
                event.preventDefault();
                add();
              }}
            >
              <Input value={name} placeholder="name, such as is_slow" aria-label="Name" onChange={(event) => setName(event.target.value)} />
              <textarea value={expression} rows={3} spellCheck={false} placeholder="IF(GTE($duration_ms, 500), &quot;slow&quot;, &quot;quick&quot;)" aria-label="Expression" onChange={(event) => setExpression(event.target.value)} />
              <div>
                <Button primary type="submit" disabled={name.trim() === '' || expression.trim() === ''}>
                  Add
                </Button>
                <span className="muted">
                  For all questions: <Link to="/schema" search={{ tab: 'calculated' }}>Schema</Link>
                </span>
              </div>
            </form>
          </div>
        </Panel>
      )}
    </>
  );
}

/** What happened at a time, written on the axis of every chart. */
export function MarkButton({ start, end }: { start: number; end: number | undefined }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [message, setMessage] = useState('');
  const client = useQueryClient();
  const keep = useMutation({
    mutationFn: () => kept.keepMarker({ start_time: Math.floor(start / 1000), ...(end === undefined ? {} : { end_time: Math.ceil(end / 1000) }), message: message.trim(), type: 'note' }),
    onSuccess: () => {
      setOpen(false);
      setMessage('');
      return client.invalidateQueries({ queryKey: kept.markers().queryKey });
    },
  });
  return (
    <>
      <Button ref={anchor} aria-expanded={open} title="Write what happened here on every chart" onClick={() => setOpen(!open)} data-testid="mark">
        Mark
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="Mark this time">
          <form
            className={styles.panel}
            onSubmit={(event) => {
              event.preventDefault();
              keep.mutate();
            }}
          >
            <label>
              What happened
              <Input autoFocus value={message} placeholder="cache switched off" onChange={(event) => setMessage(event.target.value)} />
            </label>
            {keep.error && <p className={styles.fault}>{keep.error.message}</p>}
            <Button primary type="submit" disabled={message.trim() === '' || keep.isPending}>
              Mark it
            </Button>
          </form>
        </Panel>
      )}
    </>
  );
}

/** A range that moves with time is kept as its length, any other as it is. */
export function timedSpecification(question: Question, time: string | undefined) {
  const specification = specificationOf(question);
  if (question.compare !== undefined) specification.compare_time_offset_seconds = question.compare;
  if (isRelative(time)) return { ...specification, time_range: Math.round((relativeMs(time ?? RANGE_DEFAULT) ?? 900_000) / 1000) };
  const { start, end } = rangeFromParam(time, 0);
  return { ...specification, start_time: Math.floor(start / 1000), end_time: Math.ceil(end / 1000) };
}

/** A trigger that asks the first figure of this question. */
export function TriggerButton({ question }: { question: Question }) {
  const navigate = useNavigate();
  const open = () => void navigate({ to: '/alerts', search: { tab: 'triggers', open: 'trigger:*new', from: stringifySearch({ ...paramsOf(question) }) } });
  return (
    <Button onClick={open} title="Be told when a figure of this passes a threshold" data-testid="explore-trigger">
      <Icon name="plus" /> Trigger
    </Button>
  );
}

const PANEL = { width: 6, height: 6 };

export function SaveButton({ question, time, draw }: { question: Question; time: string | undefined; draw: string }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [name, setName] = useState('');
  const [wanted, setWanted] = useState('');
  const [board, setBoard] = useState('');
  const [state, setState] = useState<{ saving: boolean; error?: string; saved?: kept.Board }>({ saving: false });
  const client = useQueryClient();
  const boards = useQuery({ ...kept.boards(), enabled: open });
  const save = async () => {
    setState({ saving: true });
    try {
      const ids = await kept.keepQuery(timedSpecification(question, time), name.trim() || titleOf(question).slice(0, 300), question.dataset);
      const known = boards.data?.find((one) => one.id === board);
      const below = (known?.panels ?? []).reduce((most, one) => Math.max(most, (one.position?.y_coordinate ?? 0) + (one.position?.height ?? 4)), 0);
      const panel: kept.Panel = {
        type: 'query',
        position: { x_coordinate: 0, y_coordinate: below, ...PANEL },
        query_panel: { ...ids, ...(question.dataset ? { dataset: question.dataset } : {}), query_style: question.breakdowns.length > 0 ? 'combo' : 'graph', visualization_settings: { draw } },
      };
      const saved = await kept.keepBoard(known ? { ...known, panels: [...known.panels, panel] } : { name: wanted.trim() || 'Board', panels: [panel] });
      await client.invalidateQueries({ queryKey: ['kept', 'boards'] });
      setState({ saving: false, saved });
    } catch (error) {
      setState({ saving: false, error: (error as Error).message });
    }
  };
  return (
    <>
      <Button
        ref={anchor}
        aria-expanded={open}
        data-testid="save"
        onClick={() => {
          setState({ saving: false });
          setOpen(!open);
        }}
      >
        <Icon name="plus" /> Board
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="Save to a board">
          {state.saved ? (
            <div className={styles.panel} data-testid="saved">
              <p>
                Saved to <Link to="/boards/$board" params={{ board: state.saved.id }}>{state.saved.name}</Link>.
              </p>
            </div>
          ) : (
            <form
              className={styles.panel}
              onSubmit={(event) => {
                event.preventDefault();
                void save();
              }}
            >
              <label>
                Name
                <Input value={name} placeholder={titleOf(question)} onChange={(event) => setName(event.target.value)} data-testid="save-name" />
              </label>
              <label>
                Board
                <select className={styles.select} value={board} onChange={(event) => setBoard(event.target.value)}>
                  <option value="">a new board</option>
                  {boards.data?.map((one) => (
                    <option key={one.id} value={one.id}>
                      {one.name}
                    </option>
                  ))}
                </select>
              </label>
              {board === '' && (
                <label>
                  Its name
                  <Input value={wanted} placeholder="Board" onChange={(event) => setWanted(event.target.value)} data-testid="save-board" />
                </label>
              )}
              {state.error && <p className={styles.fault}>{state.error}</p>}
              <Button primary type="submit" disabled={state.saving} data-testid="save-now">
                {state.saving ? 'Saving' : 'Save'}
              </Button>
            </form>
          )}
        </Panel>
      )}
    </>
  );
}
