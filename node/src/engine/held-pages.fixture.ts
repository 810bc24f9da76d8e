/** A cache's side of validation, as simply as possible: pages by name, each with its version, and what a verdict makes of them. */
import { ByteReader, ByteWriter, blockOf, DIRECTORY_SLICE, encodeSeries, NOTHING_HELD, PageVerdict } from '@thermocline/protocol'
import { type ModelRecord, readId } from './model.ts'
import type { Engine } from './port.ts'

export interface HeldPage {
  readonly version: number
  readonly records: ReadonlyMap<bigint, ModelRecord>
  /** Of a directory, newest first. */
  readonly slices: readonly number[]
  /** Nothing was said but its version. */
  readonly isLarge?: boolean
}

const ABSENT: HeldPage = { version: 0, records: new Map(), slices: [] }

export class HeldPages {
  private readonly pages = new Map<string, HeldPage>()
  readonly verdicts = new Set<number>()

  /** Asks how the pages stand, and takes in what has changed. @returns them as they are now, and the applied index. */
  async validate(
    engine: Engine,
    series: string,
    slices: readonly number[],
    mode: 'sync' | 'async',
  ): Promise<{ index: number; pages: HeldPage[] }> {
    const body = this.request(series, slices)
    let answer = new Uint8Array(2_000_000)
    let length = mode === 'sync' ? engine.validate(body, 0, body.length, new Float64Array(1), 1, answer) : 3
    if (length === 3) {
      answer = (await engine.validateAsync(body, 0, body.length)) as Uint8Array<ArrayBuffer>
      length = answer.length
    }
    const reader = new ByteReader(answer, 0, length)
    reader.skip(3)
    const index = reader.u48()
    const pages = slices.map((slice) => this.take(`${series}/${slice}`, slice, reader))
    reader.finish('validation')
    return { index, pages }
  }

  forget(series: string, slice: number): void {
    this.pages.delete(`${series}/${slice}`)
  }

  request(series: string, slices: readonly number[]): Uint8Array {
    const writer = new ByteWriter(256)
    const name = encodeSeries(series)
    writer.u32(0)
    writer.u8(1)
    writer.u16(1)
    writer.u16(blockOf(name))
    writer.u16(name.length)
    writer.put(name)
    writer.u8(slices.length)
    for (const slice of slices) {
      writer.u48(slice)
      writer.u48(this.pages.get(`${series}/${slice}`)?.version ?? NOTHING_HELD)
    }
    return writer.copy()
  }

  private take(key: string, slice: number, reader: ByteReader): HeldPage {
    const kind = reader.u8()
    this.verdicts.add(kind)
    const held = this.pages.get(key)
    if (kind === PageVerdict.unchanged) {
      if (held === undefined) throw new Error(`${key}: unchanged, and nothing was held`)
      return held
    }
    const page = kind === PageVerdict.absent ? ABSENT : readPage(kind, slice, held, reader)
    if (kind !== PageVerdict.large) this.pages.set(key, page)
    return page
  }
}

function readPage(kind: number, slice: number, held: HeldPage | undefined, reader: ByteReader): HeldPage {
  const version = reader.u48()
  if (kind === PageVerdict.large) return { ...ABSENT, version, isLarge: true }
  const count = reader.u32()
  if (slice === DIRECTORY_SLICE) return { version, records: new Map(), slices: Array.from({ length: count }, () => reader.u48()) }
  const records = new Map(kind === PageVerdict.records ? held?.records : [])
  for (let left = count; left > 0; left--) {
    const id = readId(reader)
    records.set(id, { id, version: reader.u48(), value: reader.take(reader.u32()).slice() })
  }
  return { version, records, slices: [] }
}
