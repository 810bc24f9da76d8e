/** Checks the body of a validation where it arrives (layout: protocol/src/client-messages.ts). */
import { ByteReader, DecodeError, MAX_SERIES_BYTES, MAX_VALIDATE_ITEMS, MAX_VALIDATE_PAGES } from '@thermocline/protocol'

export interface ValidationShape {
  /** One series, which may wait for the disk and for what is under way. */
  readonly isPatient: boolean
  /** Per series. That it is the series' own is checked where the series is read. */
  readonly blocks: Uint16Array
}

const HELD_BYTES = 12
const reader = new ByteReader()

/** What the validation asks about, or in words what is wrong with it. */
export function checkValidateBody(body: Uint8Array): ValidationShape | string {
  try {
    return check(body)
  } catch (error) {
    if (error instanceof DecodeError) return `body: ${error.message}`
    throw error
  }
}

function check(body: Uint8Array): ValidationShape | string {
  reader.reset(body)
  reader.skip(4)
  const patient = reader.u8()
  const items = reader.u16()
  if (patient > 1) return `patient: ${patient}; expected 0 or 1`
  const most = patient === 1 ? 1 : MAX_VALIDATE_ITEMS
  if (items < 1 || items > most) return `items: ${items} of them; expected 1 to ${most}`
  const blocks = new Uint16Array(items)
  for (let i = 0; i < items; i++) {
    blocks[i] = reader.u16()
    const length = reader.u16()
    if (length < 1 || length > MAX_SERIES_BYTES) return `series: has ${length} bytes; expected 1 to ${MAX_SERIES_BYTES}`
    reader.skip(length)
    const pages = reader.u8()
    if (pages < 1 || pages > MAX_VALIDATE_PAGES) return `pages: ${pages} of a series; expected 1 to ${MAX_VALIDATE_PAGES}`
    if (patient === 1 && repeatsPage(body, reader.at, pages)) return 'pages: a page is named twice; expected each once'
    reader.skip(pages * HELD_BYTES)
  }
  reader.finish('validation')
  return { isPatient: patient === 1, blocks }
}

/** A patient validation copies its pages from memory: each once. */
function repeatsPage(body: Uint8Array, at: number, pages: number): boolean {
  if (at + pages * HELD_BYTES > body.length) return false
  const seen = new Set<number>()
  for (let page = 0; page < pages; page++) {
    reader.at = at + page * HELD_BYTES
    seen.add(reader.u48())
  }
  reader.at = at
  return seen.size < pages
}
