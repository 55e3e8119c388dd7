// Severity numbers of OpenTelemetry (1..24) in the six levels people speak of.

export const LEVELS = ['unknown', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof LEVELS)[number];

export function levelFromNumber(severityNumber: number): Level {
  if (severityNumber <= 0 || severityNumber > 24) return 'unknown';
  return LEVELS[Math.floor((severityNumber - 1) / 4) + 1] ?? 'unknown';
}

/** Lowest severity number of a level: what `severity_min` wants. */
export function numberFromLevel(level: string): number | undefined {
  const index = LEVELS.indexOf(level as Level);
  return index <= 0 ? undefined : (index - 1) * 4 + 1;
}
