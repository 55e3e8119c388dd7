// A moment: local time, UTC to the nanosecond on hover.
import { useEffect, useState } from 'react';
import { ago, localTime, msFromNano, utcFromNano } from '../lib/time';

export function Time({ nano, ms = true }: { nano: string; ms?: boolean }) {
  return (
    <time className="mono" dateTime={new Date(msFromNano(nano)).toISOString()} title={utcFromNano(nano)} style={{ whiteSpace: 'nowrap' }}>
      {localTime(msFromNano(nano), Date.now(), ms)}
    </time>
  );
}

/** The present, renewed every second or so, for what counts up. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function Ago({ nano }: { nano: string }) {
  const now = useNow(5000);
  return (
    <time dateTime={new Date(msFromNano(nano)).toISOString()} title={`${localTime(msFromNano(nano), now)} local, ${utcFromNano(nano)}`} style={{ whiteSpace: 'nowrap' }}>
      {ago(msFromNano(nano), now)}
    </time>
  );
}
