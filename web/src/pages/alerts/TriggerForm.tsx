// A trigger that is made or changed: one figure of a query, a threshold, how often, and whom to tell.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import * as api from '../../api/alerts';
import type { Threshold, Trigger } from '../../api/alerts';
import * as queries from '../../api/queries';
import { EMPTY, filterText, nameText, questionOf, readFilter, readName, readShown, shownOf, shownText, specificationOf, withShown, type Question, type Read, type Shown } from '../../lib/question';
import { durationTick } from '../../lib/units';
import { BareButton, Button, Choice, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import { Sparkline } from '../../ui/Sparkline';
import { TokenField } from '../../ui/TokenField';
import { numbers } from '../common/question/Charts';
import { useAnswer } from '../common/question/answer';
import { KEYS, questionIn } from '../common/question/state';
import { useClauseSuggest } from '../common/question/suggest';
import { formatOf } from '../../lib/figures';
import { parseSearch } from '../../lib/url';
import { draftOf } from './TriggerPanel';
import { recipientType, Sure } from './parts';
import styles from './Alerts.module.css';

const OPS = (['>', '>=', '<', '<='] as const).map((value) => ({ value, label: value }));
const EVERY = [60, 120, 300, 600, 900, 1800, 3600, 21_600, 86_400];
const TYPES = [
  { value: 'on_change', label: 'When it changes' },
  { value: 'on_true', label: 'Each time it is so' },
] as const;
/** What a query covers, in seconds, where there is room: less than this is a matter of luck. */
const RANGE_LEAST = 300;
/** What it may cover: a day, and as often as this the time between. */
const RANGE_MOST = 86_400;
const RANGE_TIMES = 4;
const rangeFor = (every: number, wanted: number | null | undefined) => Math.min(RANGE_MOST, every * RANGE_TIMES, wanted ?? Math.max(RANGE_LEAST, every));

function textOf<T>(read: (text: string) => Read<T>, write: (one: T) => string): (text: string) => { ok: string } | { error: string } {
  return (text) => {
    const one = read(text);
    return 'ok' in one ? { ok: write(one.ok) } : one;
  };
}
const READ = { calc: textOf(readShown, shownText), where: textOf(readFilter, filterText), by: textOf(readName, nameText) };
function parsed<T>(items: string[], read: (text: string) => Read<T>): T[] {
  return items.flatMap((item) => {
    const one = read(item);
    return 'ok' in one ? [one.ok] : [];
  });
}

/** A trigger has one figure: no heatmap, nothing that looks at the step before. */
function firstOf(question: Question): Question {
  const plain = question.calculations.filter((one) => !/^(HEATMAP|CONCURRENCY|RATE_)/.test(one.op));
  const shown: Shown[] = question.formulas[0] ? [...plain, question.formulas[0]] : [plain[0] ?? { op: 'COUNT' }];
  return { ...withShown(question, shown), orders: [], havings: [], compare: undefined, granularity: undefined };
}

/** What is written last, unless a formula goes over what has names. */
function oneFigure(shown: Shown[]): Shown[] {
  const last = shown.at(-1);
  const isNamed = last !== undefined && 'op' in last && last.name !== undefined;
  return isNamed || shown.some((one) => !('op' in one)) ? shown : shown.slice(-1);
}

/** `from` holds the parameters of a question in Explore. */
export function TriggerForm({ trigger, from, onClose, onSaved, onDeleted = onClose }: { trigger?: Trigger; from?: string; onClose: () => void; onSaved: (id: string) => void; onDeleted?: () => void }) {
  const client = useQueryClient();
  const [question, setQuestion] = useState<Question>(() => {
    if (trigger) return questionOf(trigger.query, trigger.dataset === '__all__' ? undefined : trigger.dataset);
    const said = from === undefined ? {} : parseSearch(from);
    return firstOf(KEYS.some((key) => said[key] !== undefined) ? questionIn(said) : { ...EMPTY, calculations: [{ op: 'COUNT' }] });
  });
  const [name, setName] = useState(trigger?.name ?? '');
  const [description, setDescription] = useState(trigger?.description ?? '');
  const [op, setOp] = useState<Threshold['op']>(trigger?.threshold.op ?? '>');
  const [value, setValue] = useState(trigger ? String(trigger.threshold.value) : '');
  const [every, setEvery] = useState(trigger?.frequency_seconds ?? 300);
  const [type, setType] = useState<string>(trigger?.alert_type ?? 'on_change');
  const [told, setTold] = useState<string[]>(trigger?.recipients.map((one) => one.id) ?? []);
  const [touched, setTouched] = useState(false);
  const recipients = useQuery(api.recipients());
  const services = useQuery(queries.services('24h'));
  const calc = useClauseSuggest('calc', question, '24h');
  const where = useClauseSuggest('where', question, '24h');
  const by = useClauseSuggest('by', question, '24h');
  const range = rangeFor(every, trigger?.query.time_range);
  // The line shows what was usual; the figure is reckoned as the trigger will.
  const usual = useAnswer(question, '3h');
  const answer = useAnswer(question, `${range / 60}m`);
  const format = formatOf(question.formulas.length > 0 ? { op: 'formula' } : (question.calculations[0] ?? { op: 'COUNT' }));
  const remove = useMutation({
    mutationFn: () => api.deleteTrigger(trigger?.dataset ?? '', trigger?.id ?? ''),
    onSuccess: async () => {
      // Nothing asks for it again while the page leaves it.
      onDeleted();
      client.removeQueries({ queryKey: ['alerts', 'triggers', trigger?.id] });
      await client.invalidateQueries({ queryKey: ['alerts'] });
    },
  });
  const dataset = trigger?.dataset ?? question.dataset ?? '__all__';
  const save = useMutation({
    mutationFn: () => {
      const query = { ...specificationOf({ ...question, dataset: undefined, limit: undefined }), time_range: range };
      return api.saveTrigger(dataset, { ...(trigger ? draftOf(trigger) : { disabled: false }), name: name.trim(), description, query, threshold: { ...trigger?.threshold, op, value: Number(value) }, frequency: every, alert_type: type, recipients: told.map((id) => ({ id })) }, trigger?.id);
    },
    onSuccess: async (made) => {
      await client.invalidateQueries({ queryKey: ['alerts'] });
      onSaved(made.id);
    },
  });
  useKeys({ Escape: onClose });
  const wrongValue = value.trim() === '' || !Number.isFinite(Number(value)) ? 'a number' : undefined;
  const wrongName = name.trim() === '' ? 'a trigger has a name' : undefined;
  const groups = answer.told?.answer?.groups ?? [];
  const now = groups[0]?.values[0];
  const before = usual.told?.answer?.groups[0]?.series?.[0];
  const line = useMemo(() => numbers(before), [before]);
  const passing = typeof now === 'number' && wrongValue === undefined ? groups.filter((group) => typeof group.values[0] === 'number' && compare(group.values[0], op, Number(value))).length : null;
  return (
    <form
      className={styles.panel}
      data-testid="trigger-form"
      onSubmit={(event) => {
        event.preventDefault();
        setTouched(true);
        if (wrongName === undefined && wrongValue === undefined) save.mutate();
      }}
    >
      <header className={styles.panelHead}>
        <h2>{trigger ? `Change ${trigger.name}` : 'New trigger'}</h2>
        <BareButton icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <label className={styles.field} data-wrong={touched && wrongName !== undefined}>
        <span>Name</span>
        <Input autoFocus={!trigger} value={name} maxLength={120} data-testid="trigger-name" onChange={(event) => setName(event.target.value)} />
        {touched && wrongName && <i>{wrongName}</i>}
      </label>
      <div className={styles.field}>
        <span>Ask for</span>
        <TokenField label="Ask for" testId="trigger-calc" items={shownOf(question).map(shownText)} read={READ.calc} suggest={calc} placeholder="COUNT" onChange={(items) => setQuestion(withShown(question, oneFigure(parsed<Shown>(items, readShown))))} />
      </div>
      <div className={styles.field}>
        <span>Where</span>
        <TokenField label="Where" testId="trigger-where" items={question.filters.map(filterText)} read={READ.where} suggest={where} placeholder="all events; field = value" onChange={(items) => setQuestion({ ...question, filters: parsed(items, readFilter) })} />
      </div>
      <div className={styles.two}>
        <div className={styles.field}>
          <span>For each</span>
          <TokenField label="For each" testId="trigger-by" items={question.breakdowns.map(nameText)} read={READ.by} suggest={by} separators="," placeholder="all together; a field" onChange={(items) => setQuestion({ ...question, breakdowns: parsed(items, readName) })} />
        </div>
        <label className={styles.field}>
          <span>In</span>
          <select value={question.dataset ?? ''} disabled={trigger !== undefined} onChange={(event) => setQuestion({ ...question, dataset: event.target.value || undefined })}>
            <option value="">all services</option>
            {question.dataset !== undefined && !services.data?.services.some((one) => one.name === question.dataset) && <option value={question.dataset}>{question.dataset}</option>}
            {services.data?.services.map((one) => (
              <option key={one.name} value={one.name}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div className={styles.preview} data-testid="trigger-preview">
        {answer.error ? (
          <p className={styles.wrong}>{answer.error.message}</p>
        ) : (
          <>
            <Sparkline values={line} width={360} height={44} colour="var(--accent)" />
            <p>
              {typeof now === 'number' ? (
                <>
                  <b>{format(now)}</b> over the last {durationTick(range * 1e9)}{groups.length > 1 ? ', the largest group' : ''}
                  {passing !== null && (passing > 0 ? <em> · {groups.length > 1 ? `${passing} of ${groups.length} groups pass` : 'passes'} the threshold</em> : <> · does not pass the threshold</>)}
                </>
              ) : answer.told ? (
                `no events in the last ${durationTick(range * 1e9)}`
              ) : (
                'asking'
              )}
            </p>
          </>
        )}
      </div>
      <div className={styles.threshold} data-wrong={touched && wrongValue !== undefined}>
        <span>Fires when it is</span>
        <Choice label="Comparison" options={OPS} value={op} onChange={setOp} />
        <Input value={value} inputMode="decimal" placeholder="500" aria-label="Threshold" data-testid="trigger-value" onChange={(event) => setValue(event.target.value)} />
        {touched && wrongValue && <i>{wrongValue}</i>}
      </div>
      <div className={styles.threshold}>
        <span>Asked every</span>
        <select value={every} onChange={(event) => setEvery(Number(event.target.value))} data-testid="trigger-every">
          {[...new Set([...EVERY, every])].sort((a, b) => a - b).map((seconds) => (
            <option key={seconds} value={seconds}>
              {durationTick(seconds * 1e9)}
            </option>
          ))}
        </select>
      </div>
      <div className={styles.threshold}>
        <span>Tells</span>
        <Choice label="Tells" options={TYPES} value={type as (typeof TYPES)[number]['value']} onChange={setType} />
      </div>
      <h3>
        Whom to tell <span>made and tried under Recipients</span>
      </h3>
      <div className={styles.people}>
        {recipients.data?.length === 0 && <p className="muted">There are no recipients yet: the trigger's state shows here all the same.</p>}
        {recipients.data?.map((one) => (
          <label key={one.id}>
            <input type="checkbox" checked={told.includes(one.id)} onChange={() => setTold(told.includes(one.id) ? told.filter((id) => id !== one.id) : [...told, one.id])} />
            <span>
              <i>{recipientType(one.type)}</i> <span className="mono">{one.target}</span>
            </span>
          </label>
        ))}
      </div>
      <label className={styles.field}>
        <span>What to do then</span>
        <textarea rows={3} value={description} maxLength={1023} placeholder="stands in every message" onChange={(event) => setDescription(event.target.value)} />
      </label>
      {(save.error ?? remove.error) && (
        <p className={styles.wrong} role="alert" data-testid="trigger-refused">
          <Icon name="alert" size={12} /> {(save.error ?? remove.error)?.message}
        </p>
      )}
      <footer className={styles.actions}>
        <Button primary type="submit" disabled={save.isPending} data-testid="trigger-save">
          {save.isPending ? 'Saving' : trigger ? 'Save' : 'Make the trigger'}
        </Button>
        <Button onClick={onClose}>Cancel</Button>
        <span className={styles.grow} />
        {trigger && <Sure busy={remove.isPending} onYes={() => remove.mutate()} testId="trigger-delete" />}
      </footer>
    </form>
  );
}

function compare(value: number, op: Threshold['op'], threshold: number): boolean {
  return op === '>' ? value > threshold : op === '>=' ? value >= threshold : op === '<' ? value < threshold : value <= threshold;
}
