// A service has one colour, everywhere and for ever: the hash of its name.

/** FNV-1a, 32 bits. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    h ^= text.charCodeAt(i);
    h = Math.imul(h, 0x01000193);
  }
  // The last bytes of alike names (`worker-1`, `worker-2`) differ in the low bits only; mix them up.
  h ^= h >>> 15;
  h = Math.imul(h, 0x9e3779b1);
  return (h ^ (h >>> 13)) >>> 0;
}

// Pure red is left out: it means a fault.
const HUE_FIRST = 48;
const HUE_SPAN = 300;

/** A CSS colour that holds in light and dark. Used for fills beside a name, never for text. */
export function serviceColour(name: string): string {
  const h = hash(name);
  const hue = HUE_FIRST + (h % HUE_SPAN);
  const tone = (h >>> 16) % 3;
  const light = [0.58, 0.66, 0.5][tone];
  const dark = [0.68, 0.76, 0.6][tone];
  const chroma = [0.13, 0.11, 0.12][tone];
  return `light-dark(oklch(${light} ${chroma} ${hue}), oklch(${dark} ${chroma} ${hue}))`;
}
