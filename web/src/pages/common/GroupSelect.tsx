// The group the page is limited to: one of the saved filter expressions.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import * as xray from '../../api/xray';
import { Button } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Panel } from '../../ui/Menu';
import styles from './GroupSelect.module.css';

/** X-Ray's name for the group that is everything. */
const ALL = 'Default';

export function GroupSelect({ group, onChange }: { group: string | undefined; onChange: (group: string | undefined) => void }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const groups = useQuery(xray.groups());
  const choose = (name: string | undefined) => {
    setOpen(false);
    onChange(name);
    anchor.current?.focus();
  };
  const list = groups.data?.filter((one) => one.name !== ALL) ?? [];
  return (
    <>
      <Button ref={anchor} aria-haspopup="dialog" aria-expanded={open} aria-pressed={group !== undefined} onClick={() => setOpen(!open)} data-testid="group-select" title="Limit the page to a group of traces">
        <span className={styles.label}>{group ?? 'All traces'}</span>
        <Icon name="down" size={12} />
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="Group">
          <div className={styles.list}>
            <button type="button" aria-current={group === undefined} onClick={() => choose(undefined)}>
              All traces
            </button>
            {list.map((one) => (
              <button key={one.name} type="button" aria-current={one.name === group} onClick={() => choose(one.name)} data-testid="group-option">
                {one.name}
                <code>{one.filter_expression || 'every trace'}</code>
              </button>
            ))}
            {groups.error && <p>The groups could not be read: {groups.error.message}</p>}
            {groups.data && list.length === 0 && <p>A group is a filter expression with a name: traces it matches, in the past too.</p>}
            <footer>
              <Link to="/settings" search={{ tab: 'groups' }}>
                Edit groups
              </Link>
            </footer>
          </div>
        </Panel>
      )}
    </>
  );
}
