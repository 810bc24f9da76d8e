/** What values of flags may be, for all roles. */
import { z } from 'zod'

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** Bytes, or a number with KiB, MiB or GiB; `least` in bytes. */
export const size = (least: number) =>
  z
    .string()
    .regex(/^\d+(B|KiB|MiB|GiB)?$/, 'expected bytes, or a number with KiB, MiB or GiB')
    .transform(parseSize)
    .refine((bytes) => bytes >= least, `expected at least ${least / 1024 / 1024}MiB`)

export const address = z.string().regex(/^(\[[0-9a-f:]+\]|[^\s:]+):\d{1,5}$/i, 'expected host:port')

/** Host names or addresses without a port, with commas between, or *. */
export const hosts = z
  .string()
  .transform((text) => (text === '' ? [] : text.split(',').map((one) => one.trim())))
  .pipe(
    z.array(
      z
        .string()
        .regex(/^(?:\*|\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/i, 'expected host names or addresses without a port, an IPv6 one in brackets, or *'),
    ),
  )

/** A whole number from 0 to `most`. */
export const whole = (most: number) =>
  z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .refine((value) => value <= most, `expected at most ${most}`)

export const logLevel = z.enum(['trace', 'debug', 'info', 'warn', 'error'], 'expected trace, debug, info, warn or error')

function parseSize(text: string): number {
  const [, digits = '0', unit = 'B'] = /^(\d+)(B|KiB|MiB|GiB)?$/.exec(text) ?? []
  return Number(digits) * (UNITS[unit] ?? 1)
}
