// The few icons there are, drawn on a grid of 16 in one stroke width.
const PATHS = {
  right: 'M6 4l4 4-4 4',
  down: 'M4 6l4 4 4-4',
  left: 'M10 4L6 8l4 4',
  up: 'M4 10l4-4 4 4',
  close: 'M4 4l8 8M12 4l-8 8',
  search: 'M7 11.500a4.500 4.500 0 1 1 0-9 4.500 4.500 0 0 1 0 9zM10.300 10.300L14 14',
  copy: 'M5.500 5.500v-3h8v8h-3M2.500 5.500h8v8h-8z',
  check: 'M3 8.500l3.200 3.200L13 5',
  refresh: 'M13 8a5 5 0 1 1-1.500-3.500M13 2v3h-3',
  pause: 'M5.500 3v10M10.500 3v10',
  play: 'M5 3l8 5-8 5z',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.500v1.500M8 13v1.500M1.500 8H3M13 8h1.500M3.400 3.400l1 1M11.600 11.600l1 1M12.600 3.400l-1 1M4.400 11.600l-1 1',
  moon: 'M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z',
  auto: 'M8 2.500a5.500 5.500 0 1 0 0 11zM8 2.500a5.500 5.500 0 0 1 0 11',
  alert: 'M8 1.800l6.600 11.700H1.400zM8 6.500v3.200M8 11.500v.4',
  link: 'M6.500 9.500l3-3M7 5l1.800-1.800a2.700 2.700 0 0 1 3.900 3.900L11 9M9 11l-1.800 1.800a2.700 2.700 0 0 1-3.900-3.900L5 7',
  lines: 'M2.500 4h11M2.500 8h11M2.500 12h7',
  question: 'M6 6a2 2 0 1 1 2.600 1.900c-.4.200-.6.500-.6 1v.6M8 12v.3',
  sliders: 'M2.500 4.500h4.500M10.500 4.500h3M8.700 2.800v3.400M2.500 11.500h2.500M8.500 11.500h5M6.700 9.800v3.400',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  fit: 'M2.500 6v-3.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10',
  arrange: 'M3 4.500h3v-2H3zM3 13.500h3v-2H3zM10.500 9h3V7h-3zM6 3.500h2.200v9H6M8.200 8h2.300',
  box: 'M2.500 2.500h11v11h-11zM5 5h3v3H5z',
  fold: 'M3 8h10M5.500 2.500L8 5l2.500-2.500M5.500 13.500L8 11l2.500 2.500',
  unfold: 'M3 8h10M5.500 5L8 2.500 10.500 5M5.500 11L8 13.500 10.500 11',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.800V8l2.200 1.600',
  orphan: 'M8 1.500v2M8 5.500v1.500M4 9.500h8v4.500H4z',
  path: 'M2 4h5v4h4v4h3',
  gap: 'M2 8h3M11 8h3M6.500 4.500v7M9.500 4.500v7',
  scales: 'M2.500 5h8M2.500 8h11M2.500 11h5',
  bolt: 'M9 1.500L3.500 9H8l-1 5.500L12.500 7H8z',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 14 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" style={{ flex: 'none', display: 'inline-block', verticalAlign: '-0.15em' }}>
      <path d={PATHS[name]} />
    </svg>
  );
}
