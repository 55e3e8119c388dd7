// The frame of every page: where one can go, the time range, live, theme, keys.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import * as queries from '../../api/queries';
import { IconButton, LiveButton } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { focusSearch, useKeys } from '../../ui/keys';
import { Menu } from '../../ui/Menu';
import { setTheme, storedTheme, type Theme } from '../../ui/theme';
import { TimeRange } from '../../ui/TimeRange';
import { useSetSearch } from '../common/search';
import styles from './Shell.module.css';

interface Page {
  to: '/' | '/traces' | '/map' | '/explore' | '/logs' | '/errors' | '/metrics' | '/alerts' | '/boards' | '/connect' | '/sql' | '/schema' | '/settings';
  label: string;
  key: string;
  /** Behind "More": always, or where the bar is narrow. */
  more?: 'always' | 'narrow';
}

const PAGES: readonly Page[] = [
  { to: '/', label: 'Home', key: 'h' },
  { to: '/traces', label: 'Traces', key: 't' },
  { to: '/map', label: 'Map', key: 'm' },
  { to: '/explore', label: 'Explore', key: 'x' },
  { to: '/logs', label: 'Logs', key: 'l' },
  { to: '/errors', label: 'Errors', key: 'e' },
  { to: '/metrics', label: 'Metrics', key: 'q', more: 'narrow' },
  { to: '/boards', label: 'Boards', key: 'b' },
  { to: '/alerts', label: 'Alerts', key: 'a' },
  { to: '/connect', label: 'Connect', key: 'c', more: 'narrow' },
  { to: '/sql', label: 'SQL', key: 's', more: 'always' },
  { to: '/schema', label: 'Schema', key: 'f', more: 'always' },
  { to: '/settings', label: 'Settings', key: ',' },
];

/** Pages whose content depends on the time range, and those that can be live. */
const TIMED = /^\/($|traces\/?$|map|explore|boards\/.|alerts\/slos\/.|schema|logs|errors|metrics)/;
const LIVE = /^\/($|traces\/?$|map\/?$|explore\/?$|boards\/.+|logs\/?$|errors\/?$|metrics\/?$)/;

export function Shell() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const search = useSearch({ strict: false });
  const setSearch = useSetSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [keys, setKeys] = useState(false);
  useEffect(() => {
    const here = PAGES.find((page) => (page.to === '/' ? path === '/' : path.startsWith(page.to)));
    document.title = here && here.to !== '/' ? `${here.label} · Cupola` : 'Cupola';
  }, [path]);
  useKeys({
    '/': focusSearch,
    '?': () => setKeys(true),
    r: () => void client.invalidateQueries(),
    ...Object.fromEntries(PAGES.map((page) => [`g ${page.key}`, () => void navigate({ to: page.to })])),
  });
  return (
    <div className={styles.shell}>
      <header className={styles.top}>
        <Link to="/" className={styles.word} aria-label="Cupola, home">
          <img src="/favicon.svg" alt="" />
          <span>Cupola</span>
        </Link>
        <nav className={styles.nav} aria-label="Pages">
          {PAGES.filter((page) => page.to !== '/settings' && page.more !== 'always').map((page) => (
            <Link key={page.to} to={page.to} data-more={page.more} activeOptions={{ exact: page.to === '/', includeSearch: false }} title={`g then ${page.key}`}>
              {page.label}
            </Link>
          ))}
          <More path={path} />
        </nav>
        <div className={styles.tools}>
          {TIMED.test(path) && (
            <>
              <TimeRange time={search.time} onChange={(time) => setSearch({ time })} />
              <IconButton icon="refresh" label="Ask again (r)" onClick={() => void client.invalidateQueries()} />
            </>
          )}
          {LIVE.test(path) && !(path.startsWith('/logs') && search.view !== undefined) && <LiveButton live={search.live === '1'} label={path.startsWith('/logs') ? 'Tail' : 'Live'} onChange={(live) => setSearch({ live: live ? '1' : undefined })} />}
          <Link to="/settings" className={styles.gear} aria-label="Settings" title="Settings (g then ,)">
            <Icon name="sliders" />
          </Link>
          <ThemeButton />
          <IconButton icon="question" label="Keys (?)" onClick={() => setKeys(true)} />
        </div>
      </header>
      <main className={styles.page}>
        <Outlet />
      </main>
      {keys && <Keys onClose={() => setKeys(false)} />}
    </div>
  );
}

/** The pages that have no place in the bar. Those that are there when it is wide stand here too. */
function More({ path }: { path: string }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const navigate = useNavigate();
  const pages = PAGES.filter((page) => page.more !== undefined);
  const here = pages.find((page) => page.more === 'always' && path.startsWith(page.to));
  const items = pages.map((page) => ({ label: page.label, hint: `g ${page.key}`, testId: `more-${page.label.toLowerCase()}`, onSelect: () => void navigate({ to: page.to }) }));
  return (
    <>
      <button ref={anchor} type="button" className={styles.more} aria-haspopup="menu" aria-expanded={open} data-status={here ? 'active' : undefined} data-testid="more" onClick={() => setOpen(!open)}>
        {here?.label ?? 'More'}
        <Icon name="down" size={11} />
      </button>
      {open && <Menu anchor={anchor} items={items} onClose={() => setOpen(false)} />}
    </>
  );
}

const NEXT: Record<Theme, Theme> = { auto: 'light', light: 'dark', dark: 'auto' };
const THEME_ICON = { auto: 'auto', light: 'sun', dark: 'moon' } as const;
const THEME_LABEL = { auto: 'Colours as the system says', light: 'Light', dark: 'Dark' };

function ThemeButton() {
  const [theme, set] = useState<Theme>(storedTheme);
  return (
    <IconButton
      icon={THEME_ICON[theme]}
      label={`${THEME_LABEL[theme]}; change to ${THEME_LABEL[NEXT[theme]].toLowerCase()}`}
      data-testid="theme"
      onClick={() => {
        setTheme(NEXT[theme]);
        set(NEXT[theme]);
      }}
    />
  );
}

function Keys({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { data } = useQuery(queries.health());
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className={styles.keys} onClose={onClose} onClick={(event) => event.target === dialog.current && dialog.current.close()} aria-label="Keys">
      <h2>Keys</h2>
      <dl>
        {PAGES.map((page) => [
          <dt key={`${page.to} key`}>
            <kbd>g</kbd> <kbd>{page.key}</kbd>
          </dt>,
          <dd key={page.to}>{page.label}</dd>,
        ])}
        <dt>
          <kbd>/</kbd>
        </dt>
        <dd>search</dd>
        <dt>
          <kbd>j</kbd> <kbd>k</kbd>
        </dt>
        <dd>next, previous in a list or trace</dd>
        <dt>
          <kbd>Enter</kbd>
        </dt>
        <dd>open what is marked</dd>
        <dt>
          <kbd>←</kbd> <kbd>→</kbd>
        </dt>
        <dd>fold, unfold a span; its parent, its first child</dd>
        <dt>
          <kbd>f</kbd>
        </dt>
        <dd>flame view of a trace, and back</dd>
        <dt>
          <kbd>z</kbd> <kbd>0</kbd>
        </dt>
        <dd>zoom to the span, show the whole trace</dd>
        <dt>
          <kbd>n</kbd> <kbd>N</kbd>
        </dt>
        <dd>next, previous match in a trace</dd>
        <dt>
          <kbd>x</kbd>
        </dt>
        <dd>choose an error; with Shift and a click, all between</dd>
        <dt>
          <kbd>e</kbd> <kbd>v</kbd> <kbd>o</kbd>
        </dt>
        <dd>resolve, resolve in a version, reopen an error</dd>
        <dt>
          <kbd>m</kbd> <kbd>s</kbd> <kbd>a</kbd>
        </dt>
        <dd>mute, snooze, assign an error</dd>
        <dt>
          <kbd>r</kbd>
        </dt>
        <dd>ask again</dd>
        <dt>
          <kbd>Esc</kbd>
        </dt>
        <dd>close</dd>
      </dl>
      <footer>{data ? `Cupola ${data.version}, data in ${data.data_dir}` : 'Cupola'}</footer>
    </dialog>
  );
}
