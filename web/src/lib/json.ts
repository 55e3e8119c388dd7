// JSON as text that is safe to show: anything prints, nothing throws.

export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? String(value);
}

/** One line for a value of any shape; strings as they are. */
export function inline(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return 'null';
  return typeof value === 'object' ? (JSON.stringify(value) ?? '') : String(value);
}
