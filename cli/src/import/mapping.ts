/** From an item's fields to a record: which series, which time, which value. Pure. */
import { MAX_ID_MS, MAX_SERIES_BYTES, MAX_VALUE_BYTES, ThermoclineError } from '@thermocline/protocol'
import type { Item } from './lines.ts'

export interface Mapping {
  /** A field, or `=` and the series itself. */
  readonly series: string
  readonly time: string
  /** Undefined: the whole line, or for CSV its record as JSON. */
  readonly value: string | undefined
  readonly timeUnit: 'ms' | 's'
  readonly wholeLine: boolean
}

export interface Mapped {
  readonly series: string
  readonly ms: number
  readonly value: Uint8Array
}

/** @throws ThermoclineError `invalid_argument`, naming the field: the line is rejected. */
export function mapItem(item: Item, mapping: Mapping): Mapped {
  const { fields } = item
  if (fields === undefined) throw refused(item.error ?? 'has no fields')
  const series = mapping.series.startsWith('=') ? mapping.series.slice(1) : textOf(fieldOf(fields, mapping.series), mapping.series)
  const seriesBytes = Buffer.byteLength(series)
  if (seriesBytes < 1 || seriesBytes > MAX_SERIES_BYTES) {
    throw refused(`field ${mapping.series}: a series of ${seriesBytes} bytes is not within 1 to ${MAX_SERIES_BYTES}`)
  }
  const value = Buffer.from(valueText(item, fields, mapping), 'utf8')
  if (value.length > MAX_VALUE_BYTES) throw refused(`the value has ${value.length} bytes, more than ${MAX_VALUE_BYTES}`)
  return { series, ms: timeOf(fieldOf(fields, mapping.time), mapping), value }
}

function valueText(item: Item, fields: Readonly<Record<string, unknown>>, mapping: Mapping): string {
  if (mapping.value !== undefined) return textOf(fieldOf(fields, mapping.value), mapping.value)
  return mapping.wholeLine ? item.text : JSON.stringify(fields)
}

/** A field by its name, or, where no such name is, by a path with dots. */
function fieldOf(fields: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(fields, name)) return fields[name]
  let value: unknown = fields
  for (const part of name.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, part)) throw refused(`field ${name} is missing`)
    value = (value as Record<string, unknown>)[part]
  }
  return value
}

function textOf(value: unknown, name: string): string {
  if (value === null || value === undefined) throw refused(`field ${name} is ${String(value)}`)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function timeOf(value: unknown, { time, timeUnit }: Mapping): number {
  const isNumber = typeof value === 'number' || (typeof value === 'string' && /^\s*\d+(\.\d+)?\s*$/.test(value))
  const ms = isNumber ? Math.floor(Number(value) * (timeUnit === 's' ? 1000 : 1)) : Date.parse(String(value))
  if (!Number.isInteger(ms) || ms < 0 || ms > MAX_ID_MS) {
    throw refused(`field ${time}: ${String(JSON.stringify(value)).slice(0, 60)} is no time; expected ISO 8601 or ${timeUnit} since 1970`)
  }
  return ms
}

const refused = (message: string) => new ThermoclineError('invalid_argument', message)
