// One sampling rule: its words, its patterns, what came of it; to change, make or delete it.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import * as xray from '../../api/xray';
import type { SamplingRule, SamplingRuleTold } from '../../api/types';
import { DEFAULT_RULE, everyMinute, PRIORITY, problems, sentence } from '../../lib/sampling';
import { count, exact, percent } from '../../lib/units';
import { Chart } from '../../ui/Chart';
import { BareButton, Button, Input } from '../../ui/Control';
import { useKeys } from '../../ui/keys';
import { Confirm, Field, SaveError } from './Form';
import styles from './Settings.module.css';

/** In the address, the name of the rule or group that is being made. */
export const NEW = '*new';

const BLANK: SamplingRule = { name: '', priority: 1000, fixed_rate: 0.05, reservoir_size: 1, service_name: '*', service_type: '*', host: '*', http_method: '*', url_path: '*', resource_arn: '*', attributes: {} };

function plain(rule: SamplingRule): SamplingRule {
  const { name, priority, fixed_rate, reservoir_size, service_name, service_type, host, http_method, url_path, resource_arn, attributes } = rule;
  return { name, priority, fixed_rate, reservoir_size, service_name, service_type, host, http_method, url_path, resource_arn, attributes };
}

/** As written in the fields; a number is one when it is used. */
interface Draft {
  rule: SamplingRule;
  priority: string;
  rate: string;
  reservoir: string;
  attributes: { key: string; value: string }[];
}

const draftOf = (rule: SamplingRule): Draft => ({
  rule: plain(rule),
  priority: String(rule.priority),
  rate: String(Number((rule.fixed_rate * 100).toPrecision(6))),
  reservoir: String(rule.reservoir_size),
  attributes: Object.entries(rule.attributes).map(([key, value]) => ({ key, value })),
});

const numberOf = (text: string) => (text.trim() === '' ? Number.NaN : Number(text));

function ruleOf(draft: Draft): SamplingRule {
  return {
    ...draft.rule,
    name: draft.rule.name.trim(),
    priority: numberOf(draft.priority),
    fixed_rate: numberOf(draft.rate) / 100,
    reservoir_size: numberOf(draft.reservoir),
    attributes: Object.fromEntries(draft.attributes.filter((one) => one.key.trim() !== '').map((one) => [one.key.trim(), one.value])),
  };
}

/** The next priority that leaves room before the default. */
const freePriority = (rules: SamplingRule[]) => {
  const taken = rules.filter((one) => one.name !== DEFAULT_RULE).map((one) => one.priority);
  return taken.length === 0 ? BLANK.priority : Math.min(PRIORITY.most, Math.max(...taken) + 10);
};

export function RulePanel({ rule, rules, onClose }: { rule: SamplingRuleTold | undefined; rules: SamplingRuleTold[]; onClose: (name?: string) => void }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState(() => draftOf(rule ?? { ...BLANK, priority: freePriority(rules) }));
  const [touched, setTouched] = useState(false);
  const again = () => client.invalidateQueries({ queryKey: ['sampling-rules'] });
  const wanted = ruleOf(draft);
  const save = useMutation({
    mutationFn: () => xray.saveRule(wanted, rule?.name),
    onSuccess: async () => {
      await again();
      onClose(rule ? rule.name : wanted.name);
    },
  });
  const remove = useMutation({
    mutationFn: () => xray.deleteRule(rule?.name ?? ''),
    onSuccess: async () => {
      onClose();
      await again();
    },
  });
  useKeys({ Escape: () => onClose() });
  const isDefault = rule?.name === DEFAULT_RULE;
  const wrong = problems(wanted, rules.filter((one) => one !== rule).map((one) => one.name));
  const told = (field: string) => (touched || field !== 'name' ? wrong.find((one) => one.field === field)?.message : undefined);
  const changed = rule === undefined || JSON.stringify(plain(rule)) !== JSON.stringify(wanted);
  const text = (field: 'service_name' | 'service_type' | 'host' | 'http_method' | 'url_path' | 'resource_arn', label: string, hint: string) => (
    <Field label={label}>
      <Input value={draft.rule[field]} placeholder={hint} disabled={isDefault} data-testid={`rule-${field}`} className={styles.mono} onChange={(event) => setDraft({ ...draft, rule: { ...draft.rule, [field]: event.target.value } })} />
    </Field>
  );
  return (
    <form
      className={styles.panel}
      data-testid="rule-panel"
      onSubmit={(event) => {
        event.preventDefault();
        setTouched(true);
        if (wrong.length === 0 && changed) save.mutate();
      }}
    >
      <header className={styles.panelHead}>
        <h2>{rule ? rule.name : 'New rule'}</h2>
        <BareButton icon="close" label="Close (Esc)" onClick={() => onClose()} />
      </header>
      <p className={styles.sentence} data-testid="rule-sentence">
        {wrong.some((one) => one.field !== 'name') ? 'Not a rule yet.' : sentence({ ...wanted, name: isDefault ? DEFAULT_RULE : wanted.name })}
      </p>
      {rule && rule.effect.length > 0 && <EffectChart rule={rule} />}
      <fieldset className={styles.fields}>
        {!rule && (
          <Field label="Name" wide problem={told('name')}>
            <Input autoFocus value={draft.rule.name} data-testid="rule-name" onChange={(event) => setDraft({ ...draft, rule: { ...draft.rule, name: event.target.value } })} onBlur={() => draft.rule.name !== '' && setTouched(true)} />
          </Field>
        )}
        <Field label="Priority" hint="lowest first" problem={isDefault ? undefined : told('priority')}>
          <Input inputMode="numeric" value={isDefault ? String(PRIORITY.last) : draft.priority} disabled={isDefault} data-testid="rule-priority" onChange={(event) => setDraft({ ...draft, priority: event.target.value })} />
        </Field>
        <Field label="Reservoir" hint="first of each second" problem={told('reservoir_size')}>
          <Input inputMode="numeric" value={draft.reservoir} data-testid="rule-reservoir" onChange={(event) => setDraft({ ...draft, reservoir: event.target.value })} />
        </Field>
        <Field label="Rate, %" hint="of the rest" problem={told('fixed_rate')}>
          <Input inputMode="decimal" value={draft.rate} data-testid="rule-rate" onChange={(event) => setDraft({ ...draft, rate: event.target.value })} />
        </Field>
      </fieldset>
      <h3>
        Requests it is for <span>* stands for anything, ? for one character</span>
      </h3>
      <fieldset className={styles.fields} data-two="true">
        {text('http_method', 'Method', '')}
        {text('url_path', 'Path', '')}
        {text('service_name', 'Service', '')}
        {text('service_type', 'Service type', 'AWS::ECS::Container')}
        {text('host', 'Host', '')}
        {text('resource_arn', 'Resource ARN', '')}
      </fieldset>
      {!isDefault && (
        <>
          <h3>
            With attributes <span>{told('attributes')}</span>
          </h3>
          <div className={styles.attributes}>
            {draft.attributes.map((one, i) => (
              <div key={i}>
                <Input value={one.key} placeholder="key" aria-label={`Attribute ${i + 1}, key`} className={styles.mono} onChange={(event) => setDraft({ ...draft, attributes: draft.attributes.with(i, { ...one, key: event.target.value }) })} />
                <Input value={one.value} placeholder="value, * for any" aria-label={`Attribute ${i + 1}, value`} className={styles.mono} onChange={(event) => setDraft({ ...draft, attributes: draft.attributes.with(i, { ...one, value: event.target.value }) })} />
                <BareButton icon="close" label="Take this attribute away" onClick={() => setDraft({ ...draft, attributes: draft.attributes.toSpliced(i, 1) })} />
              </div>
            ))}
            <BareButton icon="plus" label="Add an attribute" onClick={() => setDraft({ ...draft, attributes: [...draft.attributes, { key: '', value: '' }] })}>
              attribute
            </BareButton>
          </div>
        </>
      )}
      <SaveError error={save.error ?? remove.error} />
      <footer className={styles.actions}>
        <Button primary type="submit" disabled={!changed || save.isPending || (touched && wrong.length > 0)} data-testid="rule-save">
          {save.isPending ? 'Saving' : rule ? 'Save' : 'Make the rule'}
        </Button>
        {rule && changed && <Button onClick={() => setDraft(draftOf(rule))}>Undo changes</Button>}
        {rule && !isDefault && <Confirm label="Delete" question={`Delete ${rule.name}?`} busy={remove.isPending} onYes={() => remove.mutate()} testId="rule-delete" />}
        {isDefault && <span className="muted">Takes what no other rule does; it cannot be deleted.</span>}
      </footer>
    </form>
  );
}

function EffectChart({ rule }: { rule: SamplingRuleTold }) {
  const effect = everyMinute(rule.effect, Date.now() / 1000);
  const first = effect[0];
  if (!first) return null;
  return (
    <div className={styles.chart}>
      <Chart
        title="Requests per minute"
        kind="bars"
        height={104}
        start={first.minute_unix * 1000}
        step={60_000}
        format={count}
        series={[
          { label: 'kept', colour: 'var(--accent)', values: effect.map((minute) => minute.sampled) },
          { label: 'not kept', colour: 'var(--bar-quiet)', values: effect.map((minute) => Math.max(0, minute.requests - minute.sampled)) },
        ]}
      />
      <p>
        Last ten minutes: {rule.requests > 0 ? `${exact(rule.sampled)} of ${exact(rule.requests)} kept (${percent(rule.sampled / rule.requests)}), ${exact(rule.borrowed)} of them borrowed before a quota was given` : 'no requests'}; {rule.clients === 1 ? 'one client follows' : `${exact(rule.clients)} clients follow`} this rule.
      </p>
    </div>
  );
}
