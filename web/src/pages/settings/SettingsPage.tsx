// Settings: what a person decides about how telemetry is sampled and grouped, how errors are told apart and of whom they are
// told, and what is taken out before it is written.
import { getRouteApi } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Tabs } from '../../ui/Tabs';
import { useSetSearch } from '../common/search';
import { Deploys } from './Deploys';
import { Grouping } from './Grouping';
import { Groups } from './Groups';
import { Notifications } from './Notifications';
import { Sampling } from './Sampling';
import { Scrubbing } from './Scrubbing';
import { SourceMaps } from './SourceMaps';

const here = getRouteApi('/settings');
const TABS = [
  { id: 'sampling', label: 'Sampling' },
  { id: 'groups', label: 'Trace groups' },
  { id: 'grouping', label: 'Error grouping' },
  { id: 'notifications', label: 'Notifications' },
  { id: 'deploys', label: 'Deploys' },
  { id: 'source-maps', label: 'Source maps' },
  { id: 'scrubbing', label: 'Scrubbing' },
];

export function SettingsPage() {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const tab = TABS.some((one) => one.id === search.tab) ? (search.tab as string) : 'sampling';
  const shown: Record<string, ReactNode> = {
    sampling: <Sampling chosen={search.rule} />,
    groups: <Groups chosen={search.group} />,
    grouping: <Grouping />,
    notifications: <Notifications />,
    deploys: <Deploys />,
    'source-maps': <SourceMaps />,
    scrubbing: <Scrubbing />,
  };
  return (
    <>
      <Tabs tabs={TABS} value={tab} onChange={(id) => setSearch({ tab: id === 'sampling' ? undefined : id, rule: undefined, group: undefined })} label="Settings" />
      {shown[tab]}
    </>
  );
}
