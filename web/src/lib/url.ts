// The page's address holds the state. Every parameter is a plain string, so that addresses can be read and written by hand.

export type Search = Record<string, string | undefined>;

export function parseSearch(text: string): Search {
  const out: Search = {};
  for (const [key, value] of new URLSearchParams(text)) out[key] = value;
  return out;
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== '') params.set(key, String(value));
  }
  // Colons, commas, slashes and parentheses are allowed in a query and read better as themselves.
  const text = params.toString().replace(/%3A/g, ':').replace(/%2C/g, ',').replace(/%2F/g, '/').replace(/%28/g, '(').replace(/%29/g, ')');
  return text === '' ? '' : `?${text}`;
}

/** Keeps the named parameters of a page and nothing else. */
export function searchOf<K extends string>(...keys: K[]) {
  return (raw: Record<string, unknown>): { [P in K]?: string } => {
    const out: { [P in K]?: string } = {};
    for (const key of keys) {
      const value = raw[key];
      if (value !== undefined && value !== null && value !== '') out[key] = String(value);
    }
    return out;
  };
}
