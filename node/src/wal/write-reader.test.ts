import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { LogFixture } from './log.fixture.ts'
import type { Segment } from './segment.ts'
import { WriteReader } from './write-reader.ts'

const fixtures: LogFixture[] = []
after(() => {
  for (const fixture of fixtures) fixture.remove()
})

async function written(instances: number): Promise<LogFixture> {
  const fixture = new LogFixture()
  fixtures.push(fixture)
  await fixture.open(1)
  for (let instance = 1; instance <= instances; instance++) await fixture.accept(7, instance, textOf(instance))
  return fixture
}

const textOf = (instance: number): string => `entry ${instance} `.repeat(10)

async function read({ log }: LogFixture, instance: number): Promise<string | undefined> {
  const found = await log.readEntry(7, instance)
  assert.ok(found !== 'later')
  return found === undefined ? undefined : new TextDecoder().decode(found.entry)
}

test('entries are served as they were written, many askers at once', async () => {
  const fixture = await written(60)
  const all = Array.from({ length: 60 }, (_, i) => i + 1)
  assert.deepEqual(await Promise.all(all.map((instance) => read(fixture, instance))), all.map(textOf))
  assert.deepEqual(fixture.damages, [])
  await fixture.close()
})

test('a bit that has flipped on the disk is told, and nothing of its write is served', async () => {
  const fixture = await written(20)
  const [name] = fixture.segments()
  // Deep in the text of some entry: no length, no magic number, only its checksum can tell.
  fixture.damage(name as string, (bytes) => {
    const at = bytes.indexOf(textOf(10)) + 40
    bytes[at] = (bytes[at] as number) ^ 1
  })
  assert.equal(await read(fixture, 9), textOf(9))
  assert.equal(await read(fixture, 10), undefined)
  assert.equal(fixture.damages.length, 1)
  assert.match(fixture.damages[0] as string, /segment 000001\.log: the write at offset \d+ .* fails its checksum/)
  assert.equal(await read(fixture, 11), textOf(11))
  await fixture.close()
})

test('of a long log that is read here and there, writes are read alone; of one that is read through, all of a stretch', async () => {
  const reads: number[] = []
  const writes = Array.from({ length: 4096 }, (_, at) => at * 1024)
  const bytes = new Uint8Array(4096 * 1024)
  const segment = {
    generation: 1,
    key: {},
    writes,
    end: bytes.length,
    durableEnd: bytes.length,
    name: 'of a test',
    file: {
      read: async (from: number, length: number) => {
        reads.push(length)
        return bytes.subarray(from, from + length)
      },
    },
  } as unknown as Segment
  // What is read is no write, which the reader says; here it counts how much of it there is.
  const reader = new WriteReader(() => {})
  for (let at = 0; at < 4096; at += 256) await reader.read(segment, at * 1024 + 100, 10)
  assert.deepEqual(new Set(reads), new Set([1024]))
  reads.length = 0
  for (let at = 0; at < 256; at++) await reader.read(segment, at * 1024 + 100, 10)
  assert.equal(reads.length, 1)
})
