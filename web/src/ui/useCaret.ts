// Where the caret stands after a completion: put there as soon as the text is drawn, before the next key is read, so that
// one who writes on writes behind what was completed.
import { useCallback, useLayoutEffect, useRef, type RefObject } from 'react';

type Field = HTMLInputElement | HTMLTextAreaElement;

/** Focuses the field once what is set now is drawn, with the caret there or where it was, and does the rest then. */
export type CaretTo = (caret: number | null, then?: () => void) => void;

export function useCaret(field: RefObject<Field | null>): CaretTo {
  const wanted = useRef<{ caret: number | null; then?: () => void } | null>(null);
  useLayoutEffect(() => {
    const { current: place } = wanted;
    if (!place || !field.current) return;
    wanted.current = null;
    field.current.focus();
    if (place.caret !== null) field.current.setSelectionRange(place.caret, place.caret);
    place.then?.();
  });
  return useCallback((caret, then) => {
    wanted.current = { caret, then };
  }, []);
}
