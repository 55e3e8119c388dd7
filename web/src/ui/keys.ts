// Keys of a page. A binding is one key (`/`, `j`, `Escape`) or two in a row (`g t`). While text is being written only
// Escape is heard.
import { useEffect, useRef } from 'react';

export type Bindings = Record<string, (event: KeyboardEvent) => void>;
const SEQUENCE_MS = 900;

function writing(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return Boolean(element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)));
}

export function useKeys(bindings: Bindings): void {
  const current = useRef(bindings);
  useEffect(() => {
    current.current = bindings;
  });
  useEffect(() => {
    let first = '';
    let at = 0;
    const heard = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (writing(event.target) && event.key !== 'Escape') return;
      const sequence = first !== '' && event.timeStamp - at < SEQUENCE_MS ? `${first} ${event.key}` : '';
      const binding = current.current[sequence] ?? current.current[event.key];
      first = event.key;
      at = event.timeStamp;
      if (!binding) return;
      event.preventDefault();
      binding(event);
    };
    window.addEventListener('keydown', heard);
    return () => window.removeEventListener('keydown', heard);
  }, []);
}

/** Focuses the page's search field, if there is one. */
export function focusSearch(): void {
  const field = document.querySelector<HTMLInputElement>('[data-search]');
  field?.focus();
  field?.select();
}
