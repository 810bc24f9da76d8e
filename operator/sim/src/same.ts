/** Whether two values are one as JSON: the order of keys and what is undefined don't matter. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  if (Array.isArray(a)) return a.length === (b as unknown[]).length && a.every((item, at) => isSame(item, (b as unknown[])[at]))
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const name in x) if (!isSame(x[name], y[name])) return false
  for (const name in y) if (y[name] !== undefined && x[name] === undefined) return false
  return true
}
