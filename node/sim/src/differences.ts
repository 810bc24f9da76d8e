/** How what clients were told they had read differs from the state after the index that the answer named; undefined if it does not. */
import { formatRecordId, parseRecordId, type RecordId, type ScanRange } from '@thermocline/protocol'
import type { ModelBlock, ModelRecord } from '../../src/engine/model.ts'
import { bigOf } from './operations.ts'

/** What the library tells of a record. */
export type Found = { readonly id: string; readonly version: number; readonly value: Uint8Array } | undefined

export function recordDifference(series: string, id: RecordId, found: Found, model: ModelBlock): string | undefined {
  const there = model.get(series, bigOf(id))
  if (isSame(found, there)) return undefined
  return `${series} ${formatRecordId(id)} was read as ${say(found)}; there is ${sayModel(there)}`
}

/** @param isWhole the scan found nothing more in its range. */
export function scanDifference(
  series: string,
  range: ScanRange,
  records: readonly (Found & object)[],
  isWhole: boolean,
  model: ModelBlock,
): string | undefined {
  const all = model.scan(series, bigOf(range.from), bigOf(range.to), range.reverse)
  if (records.length > range.limit) return `${series}: ${records.length} records were scanned, more than ${range.limit}`
  if (isWhole && records.length !== all.length)
    return `${series}: all ${records.length} records from ${formatRecordId(range.from)} to ${formatRecordId(range.to)} were scanned; there are ${all.length}`
  for (const [at, record] of records.entries()) {
    const there = all[at]
    if (there === undefined || bigOf(parseRecordId(record.id)) !== there.id || !isSame(record, there))
      return `${series}: ${say(record)} was scanned at place ${at}; there is ${sayModel(there)}`
  }
  return undefined
}

export function pagesDifference(
  series: string,
  slices: readonly number[],
  versions: readonly number[],
  model: ModelBlock,
): string | undefined {
  const wrong = slices.findIndex((slice, at) => versions[at] !== model.pageVersion(series, slice))
  if (wrong < 0) return undefined
  const slice = slices[wrong] as number
  return `${series}: page ${slice} was told to have version ${versions[wrong]}; it has ${model.pageVersion(series, slice)}`
}

function isSame(found: Found, there: ModelRecord | undefined): boolean {
  if (found === undefined || there === undefined) return found === undefined && there === undefined
  return found.version === there.version && Buffer.compare(found.value, there.value) === 0
}

const textOf = (value: Uint8Array): string => Buffer.from(value.subarray(0, 40)).toString()
const say = (found: Found): string => (found === undefined ? 'none' : `${found.id} of version ${found.version}, ${textOf(found.value)}`)

function sayModel(there: ModelRecord | undefined): string {
  if (there === undefined) return 'none'
  const id = formatRecordId({ ms: Number(there.id >> 16n), seq: Number(there.id & 0xffffn) })
  return `${id} of version ${there.version}, ${textOf(there.value)}`
}
