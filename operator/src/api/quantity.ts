/** Kubernetes quantities and Go-like durations, as people write them in resources. */

const BINARY: Readonly<Record<string, number>> = { Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3, Ti: 1024 ** 4, Pi: 1024 ** 5 }
const DECIMAL: Readonly<Record<string, number>> = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 }
export const BYTES_PATTERN = '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$'
export const DURATION_PATTERN = '^([0-9]+(ms|s|m|h|d))+$'

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Bytes of a quantity like `10Gi`; undefined if it is none. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit = ''] = /^([0-9]+(?:\.[0-9]+)?)(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$/.exec(text) ?? []
  if (digits === undefined) return undefined
  return Math.ceil(Number(digits) * (BINARY[unit] ?? DECIMAL[unit] ?? 1))
}

/** Milliseconds of a duration like `1h30m` or `7d`; undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  if (!new RegExp(DURATION_PATTERN).test(text)) return undefined
  let total = 0
  for (const [, digits, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g)) total += Number(digits) * (UNIT_MS[unit as string] as number)
  return total
}

/** In the largest unit that says it exactly. */
export function formatBytes(bytes: number): string {
  const [unit, size] = Object.entries(BINARY).findLast(([, one]) => bytes > 0 && bytes % one === 0) ?? ['', 1]
  return `${bytes / size}${unit}`
}

/** In the largest unit that says it exactly. */
export function formatDuration(ms: number): string {
  const [unit, size] = Object.entries(UNIT_MS).findLast(([, one]) => ms > 0 && ms % one === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}
