// Boards to begin with: questions that every instrumented app can answer.
import * as kept from '../../api/kept';
import { questionFrom, specificationOf, type QuestionSearch } from '../../lib/question';

export interface Starter {
  name: string;
  description: string;
  panels: { title: string; ask: QuestionSearch; style: kept.PanelStyle; draw?: string; place: [x: number, y: number, w: number, h: number] }[];
}

export const STARTERS: readonly Starter[] = [
  {
    name: 'Requests',
    description: 'Rate, errors and duration of what the services are asked',
    panels: [
      { title: 'Requests', ask: { calc: 'COUNT', where: 'span.kind = "server"', by: 'service.name' }, style: 'graph', draw: 'stack', place: [0, 0, 6, 5] },
      { title: 'Failed requests', ask: { calc: 'COUNT', where: 'span.kind = "server" AND error = true', by: 'service.name' }, style: 'graph', draw: 'stack', place: [6, 0, 6, 5] },
      { title: 'How long requests take', ask: { calc: 'HEATMAP(duration_ms)', where: 'span.kind = "server"' }, style: 'graph', place: [0, 5, 6, 5] },
      { title: 'p95 by service', ask: { calc: 'P95(duration_ms)', where: 'span.kind = "server"', by: 'service.name' }, style: 'graph', place: [6, 5, 6, 5] },
      { title: 'Slowest routes', ask: { calc: 'P95(duration_ms), COUNT', where: 'http.route exists AND span.kind = "server"', by: 'service.name, http.route', limit: '12' }, style: 'table', place: [0, 10, 12, 9] },
    ],
  },
  {
    name: 'What calls cost',
    description: 'Databases and other services, as those who call them see it',
    panels: [
      { title: 'Calls to databases', ask: { calc: 'COUNT', where: 'db.system.name exists', by: 'db.system.name' }, style: 'graph', draw: 'stack', place: [0, 0, 6, 5] },
      { title: 'How long databases take', ask: { calc: 'HEATMAP(duration_ms)', where: 'db.system.name exists' }, style: 'graph', place: [6, 0, 6, 5] },
      { title: 'Dearest statements', ask: { calc: 'SUM(duration_ms), COUNT, P95(duration_ms)', where: 'db.system.name exists', by: 'service.name, name', limit: '12' }, style: 'table', place: [0, 5, 12, 8] },
      { title: 'Calls to others', ask: { calc: 'COUNT, P95(duration_ms)', where: 'span.kind = "client"', by: 'service.name, server.address', limit: '12' }, style: 'table', place: [0, 13, 12, 8] },
    ],
  },
  {
    name: 'Exceptions and logs',
    description: 'What goes wrong, and what is said about it',
    panels: [
      { title: 'Exceptions by type', ask: { calc: 'COUNT', where: 'exception.type exists', by: 'exception.type' }, style: 'combo', draw: 'stack', place: [0, 0, 6, 9] },
      { title: 'Log lines by severity', ask: { calc: 'COUNT', where: 'severity exists', by: 'severity' }, style: 'combo', draw: 'stack', place: [6, 0, 6, 9] },
    ],
  },
];

/** Keeps the starter's questions and tells its panels. */
export async function starterPanels(starter: Starter): Promise<kept.Panel[]> {
  return Promise.all(
    starter.panels.map(async ({ title, ask, style, draw, place: [x, y, w, h] }): Promise<kept.Panel> => {
      const ids = await kept.keepQuery({ ...specificationOf(questionFrom(ask)), time_range: 3600 }, title, undefined);
      return { type: 'query', position: { x_coordinate: x, y_coordinate: y, width: w, height: h }, query_panel: { ...ids, query_style: style, ...(draw ? { visualization_settings: { draw } } : {}) } };
    }),
  );
}
