// How wide an element is, while it is there.
import { type RefObject, useEffect, useState } from 'react';

export function useWidth(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const place = element.current;
    if (!place) return undefined;
    const sized = new ResizeObserver(() => setWidth(place.clientWidth));
    sized.observe(place);
    return () => sized.disconnect();
  }, [element]);
  return width;
}
