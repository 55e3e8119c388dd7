// What happened, over every chart of a question: deploys, and the markers that people and tools wrote.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import * as kept from '../../../api/kept';
import * as queries from '../../../api/queries';
import { msFromNano } from '../../../lib/time';
import type { Marker } from '../../../ui/plotParts';

export function useMarkers(time: string | undefined, shown = true, live = false): Marker[] {
  const deploys = useQuery({ ...queries.deploys(time, live), enabled: shown });
  const markers = useQuery({ ...kept.markers(), enabled: shown, retry: false });
  return useMemo(() => {
    if (!shown) return [];
    const told = (deploys.data?.deploys ?? []).map((deploy): Marker => ({ ms: msFromNano(deploy.time_unix_nano), label: deploy.version ?? deploy.service }));
    const written = (markers.data ?? []).map((marker): Marker => {
      const end = marker.end_time ? marker.end_time * 1000 : undefined;
      return { ms: marker.start_time * 1000, end, label: marker.message || marker.type || 'marker', colour: marker.color || undefined };
    });
    return [...told, ...written];
  }, [deploys.data, markers.data, shown]);
}
