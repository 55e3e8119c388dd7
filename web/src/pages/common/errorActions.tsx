// What people do with errors, one or many: resolve, snooze, mute, give to somebody, merge; and how to take it back.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useRef, useState, type ReactNode } from 'react';
import * as api from '../../api/errors';
import { unmergeItems } from '../../api/errorSettings';
import type { ErrorChange, ErrorItemTold } from '../../api/errors';
import { plural } from '../../lib/units';
import { Button, Input } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Panel } from '../../ui/Menu';
import styles from './errorActions.module.css';

const HOUR = 3_600;
const DAY = 24 * HOUR;
const SNOOZES = [
  { label: '1 hour', seconds: HOUR },
  { label: '4 hours', seconds: 4 * HOUR },
  { label: '1 day', seconds: DAY },
  { label: '1 week', seconds: 7 * DAY },
  { label: '30 days', seconds: 30 * DAY },
] as const;

/** The name by which this browser's person speaks; nobody signs in. */
const ME = 'cupola.me';
export const myName = (): string => localStorage.getItem(ME) ?? '';
export const rememberMyName = (name: string) => localStorage.setItem(ME, name);

export interface Done {
  text: string;
  undo?: () => void;
}

/** Changes items and remembers how they were, so that it can be taken back. */
export function useErrorChange(onDone?: (done: Done) => void) {
  const client = useQueryClient();
  const again = useCallback(() => Promise.all([client.invalidateQueries({ queryKey: ['errors'] }), client.invalidateQueries({ queryKey: ['people'] })]), [client]);
  const change = useMutation({
    mutationFn: ({ items, change }: { items: ErrorItemTold[]; change: ErrorChange; said: string }) => api.changeErrors(items.map((item) => item.counter), change),
    onSuccess: async (_, { items, said }) => {
      await again();
      const undo = () =>
        void Promise.all(items.map((item) => api.changeErrors([item.counter], before(item)))).then(async () => {
          await again();
          onDone?.({ text: `${plural(items.length, 'error')} as before` });
        });
      onDone?.({ text: `${items.length === 1 ? `#${items[0]?.counter}` : plural(items.length, 'error')} ${said}`, undo });
    },
  });
  const merge = useMutation({
    mutationFn: ({ into, counters }: { into: number; counters: number[]; ids: number[] }) => api.mergeErrors(into, counters),
    onSuccess: async ({ items }, { into, counters, ids }) => {
      await again();
      const id = items[0]?.id;
      const undo = () =>
        void unmergeItems(id ?? 0, ids).then(async () => {
          await again();
          onDone?.({ text: `${plural(counters.length + 1, 'error')} as before` });
        });
      onDone?.({ text: `${plural(counters.length, 'error')} merged into #${into}`, ...(id === undefined ? {} : { undo }) });
    },
  });
  return { change, merge };
}

/** The change that makes an item what it was. */
function before(item: ErrorItemTold): ErrorChange {
  const until = item.snoozed_until_unix_nano;
  return {
    status: item.status,
    ...(item.status === 'resolved' && item.resolved_in_version ? { resolved_in_version: item.resolved_in_version } : {}),
    level: item.level,
    assigned_to: item.assigned_to ?? '',
    snooze_seconds: until ? Math.max(0, Math.round(Number(BigInt(until) / 1_000_000n) / 1000 - Date.now() / 1000)) : 0,
  };
}

interface Props {
  items: ErrorItemTold[];
  change: ReturnType<typeof useErrorChange>['change'];
}

export type Menu = 'resolve' | 'snooze' | 'assign' | 'level' | null;

/** The buttons of one item or of several. Which menu is open is the caller's, so that keys can open them. */
export function ErrorActions({ items, change, open, onOpen, versions = [], children }: Props & { open: Menu; onOpen: (menu: Menu) => void; versions?: string[]; children?: ReactNode }) {
  const apply = (what: ErrorChange, said: string) => {
    onOpen(null);
    if (items.length > 0) change.mutate({ items, change: what, said });
  };
  const all = (status: string) => items.length > 0 && items.every((item) => item.status === status);
  const active = all('active');
  const snoozed = items.some((item) => item.snoozed_until_unix_nano);
  return (
    <div className={styles.actions}>
      {!all('resolved') && (
        <span className={styles.split}>
          <Button primary onClick={() => apply({ status: 'resolved' }, 'resolved')} disabled={change.isPending} data-testid="error-resolve" title="Resolve (e)">
            <Icon name="check" /> Resolve
          </Button>
          <Opener name="resolve" label="Resolve in a version" open={open} onOpen={onOpen} primary>
            <VersionForm versions={versions} onChoose={(version) => apply({ status: 'resolved', resolved_in_version: version }, `resolved in ${version}`)} />
          </Opener>
        </span>
      )}
      {!active && (
        <Button onClick={() => apply({ status: 'active' }, 'reopened')} disabled={change.isPending} data-testid="error-reopen">
          Reopen
        </Button>
      )}
      {active && (
        <Opener name="snooze" label="Snooze" text={snoozed ? 'Snoozed' : 'Snooze'} open={open} onOpen={onOpen}>
          <Choices>
            {SNOOZES.map((one) => (
              <button key={one.seconds} type="button" onClick={() => apply({ snooze_seconds: one.seconds }, `snoozed for ${one.label}`)}>
                {one.label}
              </button>
            ))}
            {snoozed && (
              <button type="button" onClick={() => apply({ snooze_seconds: 0 }, 'awake')}>
                Wake now
              </button>
            )}
          </Choices>
        </Opener>
      )}
      {!all('muted') && (
        <Button onClick={() => apply({ status: 'muted' }, 'muted')} disabled={change.isPending} data-testid="error-mute" title="Known and of no interest: occurrences change nothing (m)">
          Mute
        </Button>
      )}
      <Opener name="assign" label="Assign" text={items.length === 1 && items[0]?.assigned_to ? items[0].assigned_to : 'Assign'} open={open} onOpen={onOpen}>
        <AssignForm current={items.length === 1 ? (items[0]?.assigned_to ?? '') : ''} onChoose={(name) => apply({ assigned_to: name }, name === '' ? 'assigned to nobody' : `assigned to ${name}`)} />
      </Opener>
      {children}
      {change.error && (
        <span className={styles.failed} role="alert">
          <Icon name="alert" size={12} /> {change.error.message}
        </span>
      )}
    </div>
  );
}

function Opener({ name, label, text, open, onOpen, primary, children }: { name: Exclude<Menu, null>; label: string; text?: string; open: Menu; onOpen: (menu: Menu) => void; primary?: boolean; children: ReactNode }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const close = useCallback(() => onOpen(null), [onOpen]);
  return (
    <>
      <Button ref={anchor} primary={primary} aria-haspopup="dialog" aria-expanded={open === name} aria-label={text ? undefined : label} title={label} onClick={() => onOpen(open === name ? null : name)} data-testid={`error-${name}-menu`}>
        {text} <Icon name="down" size={12} />
      </Button>
      {open === name && (
        <Panel anchor={anchor} onClose={close} role="dialog" label={label}>
          {children}
        </Panel>
      )}
    </>
  );
}

const Choices = ({ children }: { children: ReactNode }) => <div className={styles.choices}>{children}</div>;

function VersionForm({ versions, onChoose }: { versions: string[]; onChoose: (version: string) => void }) {
  const [version, setVersion] = useState('');
  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        if (version.trim() !== '') onChoose(version.trim());
      }}
    >
      <label htmlFor="resolve-version">Resolved in version</label>
      <p>Occurrences in older versions do not make it active again.</p>
      <div>
        <Input id="resolve-version" autoFocus className="mono" value={version} placeholder="2.5.0 or a commit" onChange={(event) => setVersion(event.target.value)} />
        <Button primary type="submit" disabled={version.trim() === ''}>
          Resolve
        </Button>
      </div>
      {versions.length > 0 && (
        <Choices>
          {versions.slice(0, 5).map((one) => (
            <button key={one} type="button" className="mono" onClick={() => onChoose(one)}>
              {one}
            </button>
          ))}
        </Choices>
      )}
    </form>
  );
}

function AssignForm({ current, onChoose }: { current: string; onChoose: (name: string) => void }) {
  const people = useQuery(api.people());
  const [name, setName] = useState('');
  const wanted = name.trim().toLowerCase();
  const shown = (people.data?.people ?? []).filter((one) => one.toLowerCase().includes(wanted) && one !== current).slice(0, 8);
  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        if (name.trim() !== '') onChoose(name.trim());
      }}
    >
      <label htmlFor="assign-name">Give it to</label>
      <div>
        <Input id="assign-name" autoFocus value={name} placeholder="a name" autoComplete="off" onChange={(event) => setName(event.target.value)} data-testid="assign-name" />
        <Button primary type="submit" disabled={name.trim() === ''}>
          Assign
        </Button>
      </div>
      <Choices>
        {shown.map((one) => (
          <button key={one} type="button" onClick={() => onChoose(one)}>
            {one}
          </button>
        ))}
        {current !== '' && (
          <button type="button" onClick={() => onChoose('')}>
            Take it from {current}
          </button>
        )}
      </Choices>
    </form>
  );
}

/** What was just done, with the way back. */
export function DoneBar({ done, onClose }: { done: Done | null; onClose: () => void }) {
  if (!done) return null;
  return (
    <div className={styles.done} role="status" data-testid="done">
      <Icon name="check" size={12} /> {done.text}
      {done.undo && (
        <button
          type="button"
          onClick={() => {
            onClose();
            done.undo?.();
          }}
        >
          Undo
        </button>
      )}
      <button type="button" aria-label="Close" onClick={onClose}>
        <Icon name="close" size={12} />
      </button>
    </div>
  );
}
