// Groups: filter expressions with a name. A group looks back in time: it holds every trace that matches, old ones too.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { isUnreadable } from '../../api/client';
import * as xray from '../../api/xray';
import type { TraceGroup } from '../../api/types';
import { filterCompletingAt } from '../../lib/filter';
import { BareButton, Button, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import { SearchBar } from '../../ui/SearchBar';
import { Split } from '../../ui/Split';
import { CaretLine, Failure, Loading } from '../../ui/State';
import { useFilterSuggest } from '../common/expression';
import { useSetSearch } from '../common/search';
import { Confirm, Field, SaveError } from './Form';
import { NEW } from './RulePanel';
import styles from './Settings.module.css';

/** The group that is everything; X-Ray always has it. */
const ALL = 'Default';
const NAME_CHARACTERS_MAX = 32;
/** Longer expressions do not fit the line and are shown whole below it. */
const LONG = 40;

export function Groups({ chosen }: { chosen: string | undefined }) {
  const groups = useQuery(xray.groups());
  const setSearch = useSetSearch();
  const choose = (group: string | undefined) => setSearch({ group });
  if (groups.error && !groups.data) return <Failure error={groups.error} onRetry={() => void groups.refetch()} title="The groups could not be read" />;
  if (!groups.data) return <Loading rows={10} label="Reading the groups" />;
  const list = [...groups.data].sort((a, b) => (a.name < b.name ? -1 : 1));
  const group = list.find((one) => one.name === chosen);
  return (
    <Split name="settings" side={chosen === NEW || group ? <GroupPanel key={chosen} group={group} names={list.map((one) => one.name)} onClose={choose} /> : null}>
      <div className={styles.page}>
        <header className={styles.intro}>
          <p>A group is a filter expression with a name. The map, the traces and X-Ray's own API can be limited to it, for any time in the past, since it is asked and not collected.</p>
          <Button primary onClick={() => choose(NEW)} data-testid="group-new">
            <Icon name="plus" size={12} /> New group
          </Button>
        </header>
        {list.length === 0 ? (
          <div className={styles.none} data-testid="empty">
            <h2>No groups yet</h2>
            <p>
              Begin with what matters to you: <code>service("checkout") {'{ fault }'}</code>, or <code>annotation.customer = "acme" AND responsetime &gt; 2</code>.
            </p>
          </div>
        ) : (
          <table className={styles.rules} data-testid="groups">
            <thead>
              <tr>
                <th>Group</th>
                <th>Filter expression</th>
                <th>Insights</th>
                <th aria-label="Links" />
              </tr>
            </thead>
            <tbody>
              {list.map((one) => (
                <tr key={one.name} aria-selected={one.name === chosen} data-testid="group-row" data-group={one.name} onClick={() => choose(one.name === chosen ? undefined : one.name)}>
                  <td className={styles.groupName}>
                    <button
                      type="button"
                      aria-expanded={one.name === chosen}
                      onClick={(event) => {
                        event.stopPropagation();
                        choose(one.name === chosen ? undefined : one.name);
                      }}
                    >
                      {one.name}
                    </button>
                  </td>
                  <td className={styles.expression}>{one.filter_expression === '' ? <span className="muted">every trace</span> : <code title={one.filter_expression}>{one.filter_expression}</code>}</td>
                  <td>
                    {one.insights_enabled ? (
                      <span className={styles.on}>
                        <Icon name="check" size={12} /> on
                      </span>
                    ) : (
                      <span className="muted">off</span>
                    )}
                  </td>
                  <td className={styles.links} onClick={(event) => event.stopPropagation()}>
                    <Link to="/map" search={{ group: one.name === ALL ? undefined : one.name }}>
                      Map
                    </Link>
                    <Link to="/traces" search={{ group: one.name === ALL ? undefined : one.name }}>
                      Traces
                    </Link>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </Split>
  );
}

function GroupPanel({ group, names, onClose }: { group: TraceGroup | undefined; names: string[]; onClose: (name?: string) => void }) {
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [filter, setFilter] = useState(group?.filter_expression ?? '');
  const [insights, setInsights] = useState(group?.insights_enabled ?? false);
  const [touched, setTouched] = useState(false);
  const suggest = useFilterSuggest('24h');
  const again = () => client.invalidateQueries({ queryKey: ['trace-groups'] });
  const wanted = { name: group?.name ?? name.trim(), filter_expression: filter.trim(), insights_enabled: insights };
  const [asked, setAsked] = useState('');
  const save = useMutation({
    mutationFn: () => {
      setAsked(wanted.filter_expression);
      return xray.saveGroup(wanted, group?.name);
    },
    onSuccess: async () => {
      await again();
      onClose(wanted.name);
    },
  });
  const remove = useMutation({
    mutationFn: () => xray.deleteGroup(group?.name ?? ''),
    onSuccess: async () => {
      onClose();
      await again();
    },
  });
  useKeys({ Escape: () => onClose() });
  const isAll = group?.name === ALL;
  const wrongName = group ? undefined : wanted.name === '' ? 'a group has a name' : wanted.name.length > NAME_CHARACTERS_MAX ? `at most ${NAME_CHARACTERS_MAX} characters` : names.includes(wanted.name) ? 'another group has this name' : undefined;
  const changed = group === undefined || group.filter_expression !== wanted.filter_expression || group.insights_enabled !== insights;
  const caret = isUnreadable(save.error) ? save.error : null;
  const submit = () => {
    setTouched(true);
    if (wrongName === undefined && changed) save.mutate();
  };
  return (
    <form
      className={styles.panel}
      data-testid="group-panel"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <header className={styles.panelHead}>
        <h2>{group ? group.name : 'New group'}</h2>
        <BareButton icon="close" label="Close (Esc)" onClick={() => onClose()} />
      </header>
      {!group && (
        <fieldset className={styles.fields}>
          <Field label="Name" wide problem={touched ? wrongName : undefined}>
            <Input autoFocus value={name} data-testid="group-name" onChange={(event) => setName(event.target.value)} onBlur={() => name !== '' && setTouched(true)} />
          </Field>
        </fieldset>
      )}
      <div className={styles.editor}>
        <span>Filter expression</span>
        {isAll ? (
          <p className="muted">Every trace. This group is always there.</p>
        ) : (
          <>
            <SearchBar main={false} value={filter} onSearch={setFilter} onText={setFilter} suggest={suggest} completing={filterCompletingAt} label="Filter expression" testId="group-filter" invalid={caret !== null && filter.trim() === asked} placeholder='service("api") { fault }' />
            {filter.length > LONG && !(caret && filter.trim() === asked) && <p className={styles.whole}>{filter}</p>}
            {caret && filter.trim() === asked && <CaretLine text={asked} error={caret} />}
          </>
        )}
      </div>
      <label className={styles.check}>
        <input type="checkbox" checked={insights} onChange={(event) => setInsights(event.target.checked)} data-testid="group-insights" />
        <span>
          Insights
          <i>watch the share of faults of each node of this group against its own past</i>
        </span>
      </label>
      <SaveError error={caret ? null : (save.error ?? remove.error)} />
      <footer className={styles.actions}>
        <Button primary type="submit" disabled={!changed || save.isPending || (touched && wrongName !== undefined)} data-testid="group-save">
          {save.isPending ? 'Saving' : group ? 'Save' : 'Make the group'}
        </Button>
        {filter.trim() !== '' && (
          <Link to="/traces" search={{ filter: filter.trim() }} >
            See its traces
          </Link>
        )}
        {group && !isAll && <Confirm label="Delete" question={`Delete ${group.name}?`} busy={remove.isPending} onYes={() => remove.mutate()} testId="group-delete" />}
      </footer>
    </form>
  );
}
