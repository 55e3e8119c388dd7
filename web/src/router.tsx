// Every address of the UI, with the parameters each page keeps. Pages are fetched when first visited.
import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, retainSearchParams } from '@tanstack/react-router';
import { parseSearch, searchOf, stringifySearch } from './lib/url';
import { NotFound, PageFailure, PagePending } from './pages/root/Fallbacks';
import { Shell } from './pages/root/Shell';

const rootRoute = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Shell,
  notFoundComponent: NotFound,
  validateSearch: searchOf('time'),
  // The time range goes with a person from page to page.
  search: { middlewares: [retainSearchParams(['time'])] },
});

const home = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  validateSearch: searchOf('live'),
  component: lazyRouteComponent(() => import('./pages/home/HomePage'), 'HomePage'),
});

const traces = createRoute({
  getParentRoute: () => rootRoute,
  path: '/traces',
  validateSearch: searchOf('q', 'filter', 'group', 'service', 'route', 'status', 'min', 'max', 'sort', 'view', 'by', 'live'),
  component: lazyRouteComponent(() => import('./pages/traces/TracesPage'), 'TracesPage'),
});

const trace = createRoute({
  getParentRoute: () => rootRoute,
  path: '/traces/$traceId',
  validateSearch: searchOf('tab', 'span', 'find', 'zoom', 'fold', 'critical', 'typical', 'align', 'flame', 'box', 'node', 'edge', 'logs', 'log', 'doc'),
  component: lazyRouteComponent(() => import('./pages/trace/TracePage'), 'TracePage'),
});

const map = createRoute({
  getParentRoute: () => rootRoute,
  path: '/map',
  validateSearch: searchOf('filter', 'group', 'node', 'edge', 'latency', 'show', 'min', 'max', 'live'),
  component: lazyRouteComponent(() => import('./pages/map/MapPage'), 'MapPage'),
});

const explore = createRoute({
  getParentRoute: () => rootRoute,
  path: '/explore',
  validateSearch: searchOf('calc', 'where', 'by', 'having', 'order', 'limit', 'step', 'compare', 'let', 'dataset', 'tab', 'draw', 'scale', 'marks', 'sel', 'selv', 'selw', 'row', 'live'),
  component: lazyRouteComponent(() => import('./pages/explore/ExplorePage'), 'ExplorePage'),
});

const result = createRoute({
  getParentRoute: () => rootRoute,
  path: '/explore/$dataset/result/$result',
  component: lazyRouteComponent(() => import('./pages/explore/ResultPage'), 'ResultPage'),
});

// A link to a picture elsewhere; here it leads to the chart itself.
const graph = createRoute({
  getParentRoute: () => rootRoute,
  path: '/explore/$dataset/result/$result/graph',
  component: lazyRouteComponent(() => import('./pages/explore/ResultPage'), 'ResultPage'),
});

const boards = createRoute({
  getParentRoute: () => rootRoute,
  path: '/boards',
  validateSearch: searchOf('q'),
  component: lazyRouteComponent(() => import('./pages/boards/BoardsPage'), 'BoardsPage'),
});

const board = createRoute({
  getParentRoute: () => rootRoute,
  path: '/boards/$board',
  validateSearch: searchOf('where', 'full', 'live', 'edit', 'own'),
  component: lazyRouteComponent(() => import('./pages/boards/BoardPage'), 'BoardPage'),
});

const schema = createRoute({
  getParentRoute: () => rootRoute,
  path: '/schema',
  validateSearch: searchOf('q', 'tab', 'signal', 'hidden', 'field'),
  component: lazyRouteComponent(() => import('./pages/schema/SchemaPage'), 'SchemaPage'),
});

const logs = createRoute({
  getParentRoute: () => rootRoute,
  path: '/logs',
  validateSearch: searchOf('q', 'service', 'level', 'receiver', 'group', 'stream', 'trace', 'order', 'log', 'live', 'view', 'insights', 'lang', 'groups', 'find'),
  component: lazyRouteComponent(() => import('./pages/logs/LogsPage'), 'LogsPage'),
});

const errors = createRoute({
  getParentRoute: () => rootRoute,
  path: '/errors',
  validateSearch: searchOf('q', 'service', 'receiver', 'status', 'level', 'environment', 'framework', 'assigned', 'sort', 'live'),
  component: lazyRouteComponent(() => import('./pages/errors/ErrorsPage'), 'ErrorsPage'),
});

const error = createRoute({
  getParentRoute: () => rootRoute,
  path: '/errors/$group',
  validateSearch: searchOf('tab', 'occurrence', 'q'),
  component: lazyRouteComponent(() => import('./pages/error/ErrorPage'), 'ErrorPage'),
});

const metrics = createRoute({
  getParentRoute: () => rootRoute,
  path: '/metrics',
  validateSearch: searchOf('q', 'metric', 'ns', 'agg', 'by', 'where', 'draw', 'live'),
  component: lazyRouteComponent(() => import('./pages/metrics/MetricsPage'), 'MetricsPage'),
});

const alerts = createRoute({
  getParentRoute: () => rootRoute,
  path: '/alerts',
  validateSearch: searchOf('tab', 'q', 'open', 'from'),
  component: lazyRouteComponent(() => import('./pages/alerts/AlertsPage'), 'AlertsPage'),
});

const connect = createRoute({
  getParentRoute: () => rootRoute,
  path: '/connect',
  validateSearch: searchOf('vendor', 'language'),
  component: lazyRouteComponent(() => import('./pages/connect/ConnectPage'), 'ConnectPage'),
});

const sql = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sql',
  validateSearch: searchOf('query', 'view'),
  component: lazyRouteComponent(() => import('./pages/sql/SqlPage'), 'SqlPage'),
});

const settings = createRoute({
  getParentRoute: () => rootRoute,
  path: '/settings',
  validateSearch: searchOf('tab', 'rule', 'group'),
  component: lazyRouteComponent(() => import('./pages/settings/SettingsPage'), 'SettingsPage'),
});

const slos = createRoute({
  getParentRoute: () => rootRoute,
  path: '/alerts/slos',
  validateSearch: searchOf('new'),
  component: lazyRouteComponent(() => import('./pages/alerts/slo/SlosPage'), 'SlosPage'),
});

const slo = createRoute({
  getParentRoute: () => rootRoute,
  path: '/alerts/slos/$slo',
  validateSearch: searchOf('sel', 'selv'),
  component: lazyRouteComponent(() => import('./pages/alerts/slo/SloPage'), 'SloPage'),
});

const routeTree = rootRoute.addChildren([home, traces, trace, map, explore, result, graph, boards, board, schema, logs, errors, error, metrics, alerts, slos, slo, connect, sql, settings]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree,
    context: { client },
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    defaultPendingComponent: PagePending,
    defaultErrorComponent: PageFailure,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: true,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
