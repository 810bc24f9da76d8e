import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ThermoclineError } from '@thermocline/protocol'
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { readCsv } from './csv.ts'
import { Importer } from './importer.ts'
import { type Item, readNdjson } from './lines.ts'
import { type Mapping, mapItem } from './mapping.ts'
import { RejectFile } from './rejects.ts'
import { SequenceTable } from './sequence-table.ts'

const mapping: Mapping = { series: 'user', time: 'at', value: undefined, timeUnit: 'ms', wholeLine: true }

/** The text in chunks of `size` bytes. */
async function* chunked(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield new Uint8Array(bytes.subarray(at, at + size))
}

async function all(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-import-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('NDJSON is cut into lines wherever the chunks end, with numbers and offsets', async () => {
  const text = '{"a":"é"}\r\n\nnope\n[1]\n{"a":2}'
  for (const size of [1, 2, 3, 7, 1000]) {
    const items = await all(readNdjson(chunked(text, size)))
    assert.deepEqual(
      items.map(({ line, endOffset, fields, error }) => [line, endOffset, fields?.a, error?.slice(0, 20)]),
      [
        [1, 12, 'é', undefined],
        [3, 18, undefined, 'the line is not JSON'],
        [4, 22, undefined, 'the line is JSON, bu'],
        [5, 29, 2, undefined],
      ],
    )
  }
})

test('CSV has quotes, line breaks in fields, a byte order mark, and lines that are rejected', async () => {
  const text = '\uFEFFa,b\n1,"x, ""y"""\n2\n3,"p\nq"\n'
  const items = await all(readCsv(chunked(text, 5)))
  assert.deepEqual(
    items.filter(({ fields }) => fields !== undefined).map(({ fields }) => ({ ...fields })),
    [
      { a: '1', b: 'x, "y"' },
      { a: '3', b: 'p\nq' },
    ],
  )
  assert.match(items.find(({ fields }) => fields === undefined)?.error ?? '', /Invalid Record Length/)
  assert.equal(items.at(-1)?.endOffset, Buffer.byteLength(text))
})

test('fields become series, time and value; what does not fit is refused by name', () => {
  const item = (fields: Record<string, unknown>): Item => ({
    line: 1,
    endOffset: 0,
    text: JSON.stringify(fields),
    fields,
    error: undefined,
  })
  const map = (fields: Record<string, unknown>, change: Partial<Mapping> = {}) => {
    const { series, ms, value } = mapItem(item(fields), { ...mapping, ...change })
    return [series, ms, Buffer.from(value).toString()]
  }
  assert.deepEqual(map({ user: 'u', at: 5 }), ['u', 5, '{"user":"u","at":5}'])
  assert.deepEqual(map({ user: 7, at: '1970-01-01T00:00:01Z', v: 'x' }, { value: 'v' }), ['7', 1000, 'x'])
  assert.deepEqual(map({ at: '12.5', v: { deep: [1] } }, { series: '=all', value: 'v.deep', timeUnit: 's' }), ['all', 12_500, '[1]'])
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ at: 5 }, /^field user is missing/],
    [{ user: '', at: 5 }, /^field user: a series of 0 bytes/],
    [{ user: 'u', at: 'soon' }, /^field at: "soon" is no time/],
    [{ user: 'u', at: -1 }, /^field at: -1 is no time/],
    [{ user: 'u', at: null }, /^field at: null is no time/],
    [{ user: 'u', at: 2 ** 50 }, /^field at: /],
    [{ user: null, at: 5 }, /^field user is null/],
  ]
  for (const [fields, message] of cases) assert.throws(() => map(fields), { code: 'invalid_argument', message })
})

test('sequence numbers count per series and time, for any number of them', () => {
  const table = new SequenceTable()
  for (let round = 0; round < 3; round++) {
    for (let at = 0; at < 20_000; at++) assert.equal(table.next(`s${at % 7}`, Math.floor(at / 7)), round)
  }
  for (let at = 0; at < 65_536; at++) table.next('full', 1)
  assert.throws(() => table.next('full', 1), { code: 'invalid_argument' })
})

/** Remembers what is put; fails or waits as told. */
class FakeClient {
  readonly records = new Map<string, string>()
  puts = 0
  most = 0
  failAt = Number.POSITIVE_INFINITY
  private open = 0

  async put(series: string, id: unknown, value: unknown): Promise<{ version: number }> {
    this.puts++
    const turn = this.puts
    this.most = Math.max(this.most, ++this.open)
    await new Promise((resolve) => setTimeout(resolve, turn % 3))
    this.open--
    if (turn >= this.failAt) throw new ThermoclineError('unavailable', 'as the test says')
    const { ms, seq } = id as { ms: number; seq: number }
    this.records.set(`${series}/${ms}-${seq}`, Buffer.from(value as Uint8Array).toString())
    return { version: turn }
  }
}

const input = Array.from({ length: 500 }, (_, n) => JSON.stringify({ user: `u${n % 5}`, at: 1000 + Math.floor(n / 20), n })).join('\n')

function importer(t: TestContext, client: FakeClient, resumeAt?: Checkpoint, signal = new AbortController().signal) {
  const folder = temporary(t)
  const checkpoints: Checkpoint[] = []
  const rejects = new RejectFile(join(folder, 'rejects'), resumeAt?.line ?? 0, () => {})
  const made = new Importer(client, {
    mapping,
    mappingName: 'm',
    inFlight: 16,
    resumeAt,
    rejects,
    onCheckpoint: (checkpoint) => checkpoints.push(checkpoint),
    signal,
  })
  return { made, checkpoints, rejects }
}

test('all lines are written once under ids that follow from the input, a bounded number at a time', async (t) => {
  const client = new FakeClient()
  const { made, checkpoints } = importer(t, client)
  await made.run(readNdjson(chunked(input, 100)))
  assert.equal(client.records.size, 500)
  assert.ok(client.most <= 16)
  assert.equal(client.records.get('u0/1000-1'), '{"user":"u0","at":1000,"n":5}')
  assert.deepEqual([checkpoints.at(-1)?.records, checkpoints.at(-1)?.offset], [500, Buffer.byteLength(input)])
  const before = new Map(client.records)
  await importer(t, client).made.run(readNdjson(chunked(input, 77)))
  assert.deepEqual(client.records, before)
})

test('it goes on at a checkpoint with the same ids, and notices an input that changed', async (t) => {
  const whole = new FakeClient()
  const half = importer(t, whole)
  const cut = input.split('\n').slice(0, 250).join('\n').concat('\n')
  await half.made.run(readNdjson(chunked(cut, 100)))
  const resumeAt = half.checkpoints.at(-1) as Checkpoint
  assert.equal(resumeAt.line, 250)
  const rest = importer(t, whole, resumeAt)
  await rest.made.run(readNdjson(chunked(input, 100)))
  assert.equal(whole.puts, 500)
  assert.equal(whole.records.size, 500)
  assert.equal(rest.made.figures.records, 500)
  const changed = importer(t, whole, resumeAt)
  await assert.rejects(changed.made.run(readNdjson(chunked(input.replace('"n":7}', '"n":8}'), 100))), {
    code: 'invalid_argument',
    message: /differs from what was imported/,
  })
  const shorter = importer(t, whole, resumeAt)
  await assert.rejects(shorter.made.run(readNdjson(chunked(cut.slice(0, 500), 100))), { code: 'invalid_argument' })
})

test('a failed write ends the import after all others ended, without a checkpoint beyond it', async (t) => {
  const client = new FakeClient()
  client.failAt = 200
  const { made, checkpoints } = importer(t, client)
  await assert.rejects(made.run(readNdjson(chunked(input, 100))), { code: 'unavailable' })
  assert.ok(checkpoints.every(({ records }) => records < 200))
  assert.ok(client.puts < 260)
})

test('bad lines are kept with their numbers; a resumed import keeps those before its checkpoint', async (t) => {
  const client = new FakeClient()
  const { made, rejects } = importer(t, client)
  await made.run(readNdjson(chunked('{"user":"u","at":1}\nbad\n{"user":"u"}\n', 10)))
  const kept = readFileSync(rejects.path, 'utf8').trim().split('\n')
  assert.deepEqual(
    kept.map((text) => (JSON.parse(text) as { line: number }).line),
    [2, 3],
  )
  assert.equal((JSON.parse(kept[0] as string) as { text: string }).text, 'bad')
  assert.equal(new RejectFile(rejects.path, 2, () => {}).count, 1)
  assert.equal(new RejectFile(rejects.path, 0, () => {}).count, 0)
  assert.equal(existsSync(rejects.path), false)
})

test('a checkpoint of another import is refused', (t) => {
  const path = join(temporary(t), 'state')
  assert.equal(readCheckpoint(path, 'm'), undefined)
  const checkpoint: Checkpoint = { formatVersion: 1, mapping: 'm', offset: 5, line: 1, records: 1, rejected: 0, hash: '0'.repeat(16) }
  writeCheckpoint(path, checkpoint)
  assert.deepEqual(readCheckpoint(path, 'm'), checkpoint)
  assert.throws(() => readCheckpoint(path, 'other'), { code: 'invalid_argument', message: /other fields/ })
})
