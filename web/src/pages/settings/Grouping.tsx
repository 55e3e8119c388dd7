// Grouping: rules by which errors are told apart and called, in their order; what they would do is shown before they hold.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import * as api from '../../api/errorSettings';
import type { ErrorRule, RuleTried } from '../../api/errorSettings';
import { conditionWords, draftOf, OPS, ruleOf, type RuleDraft } from '../../lib/errorSettings';
import { BareButton, Button, Choice, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Split } from '../../ui/Split';
import { Failure, Loading } from '../../ui/State';
import { Ago } from '../../ui/Time';
import { Field, SaveError } from './Form';
import { Idle } from './Idle';
import styles from './Settings.module.css';
import own from './ErrorSettings.module.css';

const BLANK: RuleDraft = { name: '', join: 'all', leaves: [{ path: '', op: 'eq', value: '' }], fingerprint: '', title: '', json: null };
const JOINS = [
  { value: 'all', label: 'All hold' },
  { value: 'any', label: 'Any holds' },
  { value: 'none', label: 'None holds' },
] as const;
/** Where things are in an occurrence's payload. */
const PATHS = ['body.message.body', 'body.trace.exception.class', 'body.trace.exception.message', 'body.trace_chain.*.exception.class', 'body.trace.frames.*.filename', 'body.trace.frames.*.method', 'context', 'environment', 'framework', 'language', 'level', 'platform', 'request.url', 'server.host', 'custom.', 'default_fingerprint', 'default_title'];

export function Grouping() {
  const { data, error, refetch } = useQuery(api.errorRules());
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} title="The rules could not be read" />;
  if (!data) return <Loading rows={8} label="Reading the rules" />;
  return <Rules key={data.in_force_since_unix_nano} kept={data.rules} since={data.in_force_since_unix_nano} />;
}

function Rules({ kept, since }: { kept: ErrorRule[]; since: string }) {
  const client = useQueryClient();
  const [rules, setRules] = useState(kept);
  const [open, setOpen] = useState<number | null>(null);
  const changed = JSON.stringify(rules) !== JSON.stringify(kept);
  const save = useMutation({ mutationFn: () => api.putErrorRules(rules), onSuccess: () => client.invalidateQueries({ queryKey: ['error-rules'] }) });
  const tried = useMutation({ mutationFn: () => api.tryErrorRules(rules) });
  const move = (from: number, to: number) => {
    const next = [...rules];
    const [one] = next.splice(from, 1);
    if (one) next.splice(to, 0, one);
    setRules(next);
    setOpen(null);
  };
  const put = (rule: ErrorRule) => {
    setRules(open === null || open >= rules.length ? [...rules, rule] : rules.map((one, i) => (i === open ? rule : one)));
    setOpen(null);
  };
  const side = open === null ? null : <RuleForm key={`${open} ${rules.length}`} rule={rules[open]} onPut={put} onClose={() => setOpen(null)} />;
  return (
    <Split name="settings" side={side}>
      <div className={styles.page}>
        <header className={styles.intro}>
          <p>Errors are told apart by where they were thrown. A rule changes that for the occurrences it holds for: the first that holds counts. Rules hold for what comes from now on; what is grouped stays where it is.</p>
          <Button onClick={() => tried.mutate()} disabled={tried.isPending || rules.length === 0} data-testid="grouping-try">
            {tried.isPending ? 'Trying' : 'Try on the latest'}
          </Button>
          <Button primary onClick={() => setOpen(rules.length)} data-testid="grouping-new">
            <Icon name="plus" size={12} /> New rule
          </Button>
        </header>
        {changed && (
          <div className={own.unsaved} role="status">
            <span>These rules are not in force yet.</span>
            <Button primary onClick={() => save.mutate()} disabled={save.isPending} data-testid="grouping-save">
              {save.isPending ? 'Saving' : 'Put in force'}
            </Button>
            <Button onClick={() => setRules(kept)}>As it was</Button>
          </div>
        )}
        <div className={own.inset}>
          <SaveError error={save.error ?? tried.error} />
        </div>
        {rules.length === 0 ? (
          <div className={styles.none} data-testid="empty">
            <h2>No rules: errors are grouped by themselves</h2>
            <p>
              A rule is of use where that is not as you think of them: to tell the same error of two tenants apart, give it the fingerprint <code>{'{{default_fingerprint}} {{custom.tenant}}'}</code>; to put time-outs of many places together, the fingerprint <code>timeout</code>.
            </p>
          </div>
        ) : (
          <table className={styles.rules} data-testid="grouping">
            <thead>
              <tr>
                <th className="num">#</th>
                <th>Where</th>
                <th>Then it is grouped by and called</th>
                <th aria-label="Actions" />
              </tr>
            </thead>
            <tbody>
              {rules.map((rule, i) => (
                <tr key={i} aria-selected={open === i} data-testid="grouping-row" onClick={() => setOpen(open === i ? null : i)}>
                  <td className="num">{i + 1}</td>
                  <td className={styles.what}>
                    <button
                      type="button"
                      onClick={(event) => {
                        event.stopPropagation();
                        setOpen(open === i ? null : i);
                      }}
                    >
                      {rule.name ?? conditionWords(rule.condition)}
                    </button>
                    {rule.name && <span>{conditionWords(rule.condition)}</span>}
                  </td>
                  <td className={own.then}>
                    {rule.fingerprint && <code>{rule.fingerprint}</code>}
                    {rule.title && <span>“{rule.title}”</span>}
                  </td>
                  <td className={own.order} onClick={(event) => event.stopPropagation()}>
                    <BareButton icon="up" label="Earlier" disabled={i === 0} onClick={() => move(i, i - 1)} />
                    <BareButton icon="down" label="Later" disabled={i === rules.length - 1} onClick={() => move(i, i + 1)} />
                    <BareButton
                      icon="close"
                      label="Take away"
                      onClick={() => {
                        setRules(rules.filter((_, other) => other !== i));
                        setOpen(null);
                      }}
                    />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {kept.length > 0 && !changed && (
          <p className={styles.note}>
            In force since <Ago nano={since} />.
          </p>
        )}
        <Idle />
        {tried.data && <Tried occurrences={tried.data.occurrences} rules={rules} />}
      </div>
    </Split>
  );
}

function Tried({ occurrences, rules }: { occurrences: RuleTried[]; rules: ErrorRule[] }) {
  const held = occurrences.filter((one) => one.rule !== null);
  return (
    <section className={own.tried} data-testid="grouping-tried">
      <h2>
        {held.length} of the latest {occurrences.length} occurrences <span className="muted">would be grouped or called otherwise</span>
      </h2>
      <table>
        <tbody>
          {held.slice(0, 30).map((one) => (
            <tr key={one.number}>
              <td className="cut" title={one.title}>
                {one.title}
              </td>
              <td className="muted">{rules[one.rule ?? 0]?.name ?? `rule ${(one.rule ?? 0) + 1}`}</td>
              <td className="cut" title={one.would_be_title}>
                {one.would_be_title}
              </td>
              <td className="mono cut" title={one.would_be_fingerprint}>
                {one.would_be_fingerprint}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function RuleForm({ rule, onPut, onClose }: { rule: ErrorRule | undefined; onPut: (rule: ErrorRule) => void; onClose: () => void }) {
  const [draft, setDraft] = useState<RuleDraft>(() => (rule ? draftOf(rule) : BLANK));
  const [wrong, setWrong] = useState<Error | null>(null);
  const set = (patch: Partial<RuleDraft>) => setDraft({ ...draft, ...patch });
  const leaf = (i: number, patch: Partial<RuleDraft['leaves'][number]>) => set({ leaves: draft.leaves.map((one, at) => (at === i ? { ...one, ...patch } : one)) });
  const empty = (draft.json === null && draft.leaves.every((one) => one.path.trim() === '')) || (draft.fingerprint.trim() === '' && draft.title.trim() === '');
  return (
    <form
      className={styles.panel}
      data-testid="grouping-form"
      onSubmit={(event) => {
        event.preventDefault();
        try {
          onPut(ruleOf(draft));
        } catch (failure) {
          setWrong(failure as Error);
        }
      }}
    >
      <header className={styles.panelHead}>
        <h2>{rule ? (rule.name ?? 'Rule') : 'New rule'}</h2>
        <BareButton icon="close" label="Close" onClick={onClose} />
      </header>
      <fieldset className={styles.fields}>
        <Field label="Name" wide>
          <Input value={draft.name} placeholder="what it is for" onChange={(event) => set({ name: event.target.value })} />
        </Field>
      </fieldset>
      <h3>Where</h3>
      {draft.json !== null ? (
        <label className={own.text}>
          <textarea rows={10} value={draft.json} spellCheck={false} aria-label="Condition" onChange={(event) => set({ json: event.target.value })} />
        </label>
      ) : (
        <>
          {draft.leaves.length > 1 && <Choice label="Join" options={JOINS} value={draft.join} onChange={(join) => set({ join })} />}
          <datalist id="payload-paths">
            {PATHS.map((path) => (
              <option key={path} value={path} />
            ))}
          </datalist>
          {draft.leaves.map((one, i) => (
            <div key={i} className={own.leaf}>
              <Input value={one.path} list="payload-paths" placeholder="body.trace.exception.class" aria-label="Where in the payload" className={styles.mono} data-testid="leaf-path" onChange={(event) => leaf(i, { path: event.target.value })} />
              <select value={one.op} aria-label="Comparison" onChange={(event) => leaf(i, { op: event.target.value })}>
                {OPS.map((op) => (
                  <option key={op.value} value={op.value}>
                    {op.label}
                  </option>
                ))}
              </select>
              <Input value={one.value} placeholder={OPS.find((op) => op.value === one.op)?.list ? 'a, b' : /^n?eq$/.test(one.op) ? 'nothing' : 'value'} aria-label="Value" className={styles.mono} data-testid="leaf-value" onChange={(event) => leaf(i, { value: event.target.value })} />
              <BareButton icon="close" label="Without this condition" disabled={draft.leaves.length === 1} onClick={() => set({ leaves: draft.leaves.filter((_, at) => at !== i) })} />
            </div>
          ))}
          <Button onClick={() => set({ leaves: [...draft.leaves, { path: '', op: 'eq', value: '' }] })}>
            <Icon name="plus" size={12} /> Condition
          </Button>
        </>
      )}
      <h3>Then</h3>
      <fieldset className={styles.fields}>
        <Field label="Group by" wide hint="a template: {{default_fingerprint}}, {{custom.tenant}}, group-item-12">
          <Input value={draft.fingerprint} placeholder="{{default_fingerprint}} {{custom.tenant}}" className={styles.mono} data-testid="rule-fingerprint" onChange={(event) => set({ fingerprint: event.target.value })} />
        </Field>
        <Field label="Call it" wide hint="{{default_title}}, {{body.message.body}}">
          <Input value={draft.title} placeholder="{{default_title}}" className={styles.mono} data-testid="rule-title" onChange={(event) => set({ title: event.target.value })} />
        </Field>
      </fieldset>
      <SaveError error={wrong} />
      <footer className={styles.actions}>
        <Button primary type="submit" disabled={empty} data-testid="grouping-put">
          {rule ? 'Change' : 'Add'}
        </Button>
        <Button onClick={onClose}>Cancel</Button>
      </footer>
    </form>
  );
}
