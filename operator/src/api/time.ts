/** Times as resources carry them: UTC with seconds. */

export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** Milliseconds since 1970. @throws RangeError if it is no time. */
export function parseTime(text: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new RangeError(`${text} is not a time like 2026-01-31T12:00:00Z`)
  return ms
}
