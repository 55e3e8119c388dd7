// Panels on a grid of twelve columns: where each lies, and how the others make room for one that is moved.

export interface Placed {
  x: number;
  y: number;
  w: number;
  h: number;
}

export const COLUMNS = 12;
const LEAST = { w: 2, h: 2 };
export const USUAL = { w: 6, h: 6 };

/** Within the grid, whole, and of a size that shows something. */
export function within({ x, y, w, h }: Placed): Placed {
  const wide = Math.max(LEAST.w, Math.min(COLUMNS, Math.round(w)));
  return { x: Math.max(0, Math.min(COLUMNS - wide, Math.round(x))), y: Math.max(0, Math.round(y)), w: wide, h: Math.max(LEAST.h, Math.round(h)) };
}

export function overlap(a: Placed, b: Placed): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/** Places for all: those without one go below, side by side. */
export function placed(list: readonly (Placed | undefined)[]): Placed[] {
  let below = list.reduce((most, one) => Math.max(most, one ? one.y + one.h : 0), 0);
  let left = 0;
  return list.map((one) => {
    if (one) return within(one);
    const place = { x: left, y: below, ...USUAL };
    left += USUAL.w;
    if (left >= COLUMNS) [left, below] = [0, below + USUAL.h];
    return place;
  });
}

/** One panel is put where it is wanted; what it lies on goes below it, and gaps close upwards. */
export function moved(list: readonly Placed[], at: number, wanted: Placed): Placed[] {
  const first = within(wanted);
  const order = list.map((one, i) => ({ i, place: i === at ? first : one })).sort((a, b) => Number(b.i === at) - Number(a.i === at) || a.place.y - b.place.y || a.place.x - b.place.x);
  const out = [...list];
  const done: Placed[] = [];
  for (const { i, place } of order) {
    let now = place;
    while (done.some((other) => overlap(now, other))) now = { ...now, y: now.y + 1 };
    done.push(now);
    out[i] = now;
  }
  return risen(out);
}

/** Every panel as high as those above let it. */
export function risen(list: readonly Placed[]): Placed[] {
  const order = list.map((place, i) => ({ i, place })).sort((a, b) => a.place.y - b.place.y || a.place.x - b.place.x);
  const out = [...list];
  const done: Placed[] = [];
  for (const { i, place } of order) {
    let now = place;
    while (now.y > 0 && !done.some((other) => overlap({ ...now, y: now.y - 1 }, other))) now = { ...now, y: now.y - 1 };
    done.push(now);
    out[i] = now;
  }
  return out;
}
