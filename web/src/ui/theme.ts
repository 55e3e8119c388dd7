// Light, dark, or as the system says. Canvas drawings ask here for real colours, since a canvas knows no CSS variables.
import { useSyncExternalStore } from 'react';

export type Theme = 'auto' | 'light' | 'dark';
const KEY = 'cupola.theme';
const CHANGED = 'cupola-theme';

export function storedTheme(): Theme {
  const theme = document.documentElement.dataset.theme;
  return theme === 'light' || theme === 'dark' ? theme : 'auto';
}

export function setTheme(theme: Theme): void {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === 'auto') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be switched off; the choice then holds until the page is left.
  }
  window.dispatchEvent(new Event(CHANGED));
}

function subscribe(changed: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)');
  system.addEventListener('change', changed);
  window.addEventListener(CHANGED, changed);
  return () => {
    system.removeEventListener('change', changed);
    window.removeEventListener(CHANGED, changed);
  };
}

const snapshot = () => `${storedTheme()} ${matchMedia('(prefers-color-scheme: dark)').matches}`;

/** A text that changes whenever the colours do. */
export function useThemeKey(): string {
  return useSyncExternalStore(subscribe, snapshot);
}

/** What a CSS colour (`var(--x)`, `light-dark(...)`) is at this place and moment. */
export function resolveColour(colour: string, place: HTMLElement): string {
  const probe = document.createElement('i');
  probe.style.color = colour;
  place.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
