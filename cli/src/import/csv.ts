/** CSV with a header line as items: one per record, fields by column. */
import { Readable } from 'node:stream'
import { type CsvError, parse } from 'csv-parse'
import type { Item } from './lines.ts'

interface Parsed {
  readonly record: Record<string, string>
  readonly info: { readonly lines: number; readonly bytes: number }
  readonly raw: string
}

export async function* readCsv(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Item> {
  const skipped: Item[] = []
  const parser = Readable.from(chunks, { objectMode: false }).pipe(
    parse({
      bom: true,
      columns: true,
      info: true,
      raw: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (error: CsvError | undefined, raw: string | undefined) => {
        const { lines = 0, bytes = 0 } = (error ?? {}) as { lines?: number; bytes?: number }
        skipped.push({ line: lines, endOffset: bytes, text: raw ?? '', fields: undefined, error: error?.message ?? 'is not CSV' })
      },
    }),
  )
  for await (const parsed of parser) {
    yield* skipped.splice(0)
    const { record, info, raw } = parsed as Parsed
    yield { line: info.lines, endOffset: info.bytes, text: raw.trimEnd(), fields: record, error: undefined }
  }
  yield* skipped.splice(0)
}
