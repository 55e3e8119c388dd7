// A new rule of notification: when it speaks, and what must hold of the error.
import { useState } from 'react';
import type { NotificationFilter, NotificationRule } from '../../api/errorSettings';
import { blankFilter, FILTERS, filterOf, isWhole, LEVELS, operationWords, ruleWords, TRIGGERS, type FilterDraft } from '../../lib/errorSettings';
import { BareButton, Button, Input } from '../../ui/Control';
import own from './ErrorSettings.module.css';

type NewRule = Omit<NotificationRule, 'id'>;

export function NotificationRuleForm({ busy, onAdd, onCancel }: { busy: boolean; onAdd: (rule: NewRule) => void; onCancel: () => void }) {
  const [trigger, setTrigger] = useState('new_item');
  const [drafts, setDrafts] = useState<FilterDraft[]>([blankFilter('level')]);
  const [count, setCount] = useState('10');
  const [minutes, setMinutes] = useState('5');
  const offered = FILTERS.filter((one) => trigger !== 'deploy' || one.deploys);
  const asked = drafts.filter((draft) => offered.some((one) => one.type === draft.type));
  const isRate = trigger === 'occurrence_rate';
  const rate: NotificationFilter[] = isRate ? [{ type: 'rate', period: Number(minutes) * 60, count: Number(count) }] : [];
  const wrong = !asked.every(isWhole) || (isRate && !(Number(count) >= 1 && Number(minutes) >= 1));
  const rule: NewRule = { trigger, filters: [...asked.filter(isWhole).map(filterOf), ...rate], config: {}, status: 'enabled' };
  const change = (draft: FilterDraft, next: FilterDraft) => setDrafts(drafts.map((one) => (one === draft ? next : one)));
  return (
    <form
      className={own.newRule}
      data-testid="rule-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!wrong) onAdd(rule);
      }}
    >
      <div className={own.clause}>
        <span>when</span>
        <select value={trigger} aria-label="What happens" onChange={(event) => setTrigger(event.target.value)} data-testid="rule-trigger">
          {TRIGGERS.map((one) => (
            <option key={one.value} value={one.value}>
              {one.label}
            </option>
          ))}
        </select>
        {isRate && (
          <>
            <Input value={count} inputMode="numeric" aria-label="Occurrences" onChange={(event) => setCount(event.target.value)} />
            <i>times within</i>
            <Input value={minutes} inputMode="numeric" aria-label="Minutes" onChange={(event) => setMinutes(event.target.value)} />
            <i>minutes</i>
          </>
        )}
      </div>
      {asked.map((draft, i) => (
        <FilterView key={i} word={i === 0 ? 'and' : ''} draft={draft} offered={offered} onChange={(next) => change(draft, next)} onRemove={() => setDrafts(drafts.filter((one) => one !== draft))} />
      ))}
      <div className={own.clause}>
        <span />
        <BareButton icon="plus" label="Add a condition" data-testid="rule-condition" onClick={() => setDrafts([...asked, blankFilter('environment')])}>
          condition
        </BareButton>
      </div>
      <footer>
        <span className="muted">{ruleWords(rule)}</span>
        <Button onClick={onCancel}>Cancel</Button>
        <Button primary type="submit" disabled={busy || wrong} data-testid="rule-save">
          {busy ? 'Adding' : 'Add the rule'}
        </Button>
      </footer>
    </form>
  );
}

interface FilterProps {
  word: string;
  draft: FilterDraft;
  offered: typeof FILTERS;
  onChange: (next: FilterDraft) => void;
  onRemove: () => void;
}

function FilterView({ word, draft, offered, onChange, onRemove }: FilterProps) {
  const known = offered.find((one) => one.type === draft.type);
  const value = (event: { target: { value: string } }) => onChange({ ...draft, value: event.target.value });
  return (
    <div className={own.clause} data-testid="rule-filter">
      <span>{word}</span>
      <select value={draft.type} aria-label="What of it" onChange={(event) => onChange(blankFilter(event.target.value))} data-testid="filter-type">
        {offered.map((one) => (
          <option key={one.type} value={one.type}>
            {one.label}
          </option>
        ))}
      </select>
      {draft.type === 'path' && <Input value={draft.path} placeholder="custom.tenant" aria-label="Path in the payload" className={own.path} onChange={(event) => onChange({ ...draft, path: event.target.value })} data-testid="filter-path" />}
      <select value={draft.operation} aria-label="How it is compared" onChange={(event) => onChange({ ...draft, operation: event.target.value })} data-testid="filter-operation">
        {known?.operations.map((one) => (
          <option key={one} value={one}>
            {operationWords(one)}
          </option>
        ))}
      </select>
      {draft.type === 'level' ? (
        <select value={draft.value} aria-label="Level" onChange={value} data-testid="filter-value">
          {LEVELS.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      ) : (
        draft.operation !== 'exists' && <Input value={draft.value} placeholder={known?.hint} aria-label="Value" inputMode={draft.type === 'unique_occurrences' ? 'numeric' : undefined} onChange={value} data-testid="filter-value" />
      )}
      <BareButton icon="close" label="Take this condition away" onClick={onRemove} />
    </div>
  );
}
