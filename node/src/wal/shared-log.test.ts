import assert from 'node:assert/strict'
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ThermoclineError } from '@thermocline/protocol'
import type { LogFolder } from '../io/ports.ts'
import { LogFixture, SEGMENT_BYTES } from './log.fixture.ts'
import { WRITE_ALIGN } from './records.ts'
import { SEGMENT_HEAD_BYTES } from './segment.ts'

async function withLog(run: (log: LogFixture) => Promise<void>, wrap?: (folder: LogFolder) => LogFolder): Promise<void> {
  const log = new LogFixture(wrap)
  try {
    await run(log)
  } finally {
    log.remove()
  }
}

const isCorrupt = (error: unknown): boolean => error instanceof ThermoclineError && error.code === 'corrupt'

test('replay hands over every durable record, in order', () =>
  withLog(async (log) => {
    await log.open(1)
    const { self } = log
    log.log.promise(7, 1, 3, self)
    log.log.chosen(9, 4, self, 12)
    log.log.peer({ replica: 2, incarnation: { number: 1, nonce: 'ab'.repeat(8) }, boot: 3, nonce: 'cd'.repeat(8), write: 77 })
    log.log.copyBegin(5)
    log.log.copyEnd(5, 8, self, 2)
    await log.log.durable(log.log.learned(7, 2, self, 9, new TextEncoder().encode('x')))
    await log.close()
    await log.open(2)
    assert.deepEqual(log.records, [
      'boot 1',
      'promise 7/1 3',
      'chosen 9/4 #12',
      'peer 2 boot 3 write 77',
      'copyBegin 5',
      'copyEnd 5/8',
      'learned 7/2 #9 x',
    ])
    await log.close()
  }))

test('marks alone cause no write; they ride in the next one (⚖11)', () =>
  withLog(async (log) => {
    await log.open(1)
    const syncs = log.log.syncs
    log.log.chosen(9, 4, log.self, 12)
    log.log.start()
    assert.equal(log.log.isBusy, false)
    await log.accept(1, 1, 'a')
    assert.equal(log.log.syncs, syncs + 1)
    await log.close()
  }))

test('what is appended while a write is under way goes into one next write', () =>
  withLog(async (log) => {
    await log.open(1)
    const syncs = log.log.syncs
    log.log.promise(1, 1, 1, log.self)
    log.log.start()
    for (let block = 0; block < 50; block++) log.log.promise(block, 1, 1, log.self)
    await log.log.durable(log.log.fillingWrite)
    assert.equal(log.log.syncs, syncs + 2)
    await log.close()
  }))

test('entries are read back by block and instance, across segments, until their segment is recycled', () =>
  withLog(async (log) => {
    await log.open(1)
    for (let instance = 1; instance <= 60; instance++) await log.accept(3, instance, `${instance}-${'x'.repeat(1500)}`)
    const read = async (instance: number): Promise<string | undefined> => {
      const found = await log.log.readEntry(3, instance)
      return typeof found === 'object' ? new TextDecoder().decode(found.entry).split('-')[0] : found
    }
    assert.ok(log.pool.count >= 3, 'more than one segment was written')
    assert.equal(await read(1), '1', 'nothing is recycled before it is released')
    log.pool.release(log.pool.active?.generation ?? 0)
    assert.equal(await read(1), undefined)
    assert.equal(await read(60), '60')
    assert.equal(await read(61), undefined)
    await log.close()
  }))

test('an entry that was damaged after its write is told and not served', () =>
  withLog(async (log) => {
    await log.open(1)
    await log.accept(7, 1, 'one')
    await log.accept(7, 2, 'two')
    const [name] = log.segments()
    // The boot has the first sector behind the head, the entries have those that follow.
    log.damage(name as string, (bytes) => {
      const at = SEGMENT_HEAD_BYTES + WRITE_ALIGN + 100
      bytes[at] = (bytes[at] as number) ^ 1
    })
    assert.equal(await log.log.readEntry(7, 1), undefined)
    assert.match(log.damages.join(), /the write at offset 1024 was durable and fails its checksum now/)
    const whole = await log.log.readEntry(7, 2)
    assert.ok(whole !== undefined && whole !== 'later')
    assert.equal(new TextDecoder().decode(whole.entry), 'two')
  }))

test('a segment that is cut short is corruption', () =>
  withLog(async (log) => {
    await log.open(1)
    await log.accept(7, 1, 'one')
    await log.close()
    const [name] = log.segments()
    for (const keptBytes of [SEGMENT_BYTES - 1, 2048, 0]) {
      truncateSync(join(log.path, name as string), keptBytes)
      await assert.rejects(log.open(2), {
        code: 'corrupt',
        message: `log segment ${name} is cut short: it has ${keptBytes} bytes, not ${SEGMENT_BYTES}`,
      })
    }
  }))

test('a torn tail is cut: the writes before it are all there, and the log goes on', () =>
  withLog(async (log) => {
    await log.open(1)
    await log.accept(1, 1, 'kept')
    const end = log.pool.active?.end ?? 0
    await log.accept(1, 2, 'torn')
    await log.close()
    log.damage(log.segments()[0] ?? '', (bytes) => bytes.fill(0xee, end + 40, end + 60))
    await log.open(2)
    assert.deepEqual(log.records, ['boot 1', 'accept 1/1 0 #1 kept'])
    assert.equal(log.replayed.cutTail, true)
    await log.accept(1, 2, 'again')
    await log.close()
    await log.open(3)
    assert.deepEqual(log.records, ['boot 1', 'accept 1/1 0 #1 kept', 'boot 2', 'accept 1/2 0 #2 again'])
    await log.close()
  }))

test('replay makes the newest head and the last write durable anew: only the page cache may have them', () => {
  const written: string[] = []
  const noting = (folder: LogFolder): LogFolder => ({
    list: () => folder.list(),
    create: (name, bytes) => folder.create(name, bytes),
    remove: (name) => folder.remove(name),
    open: async (name) => {
      const file = await folder.open(name)
      return {
        write: (bytes, offset, done) => {
          written.push(`${name} at ${offset}`)
          file.write(bytes, offset, done)
        },
        read: (offset, length) => file.read(offset, length),
        close: () => file.close(),
      }
    },
  })
  return withLog(async (log) => {
    await log.open(1)
    const first = log.pool.active?.name
    for (let instance = 1; log.pool.active?.name === first; instance++) await log.accept(1, instance, 'x'.repeat(3000))
    const last = log.pool.active?.end
    await log.accept(2, 1, 'y')
    const { name } = log.pool.active ?? {}
    await log.close()
    let rewritten: string[] = []
    log.onReplayed = () => {
      rewritten = [...written]
    }
    await log.open(2)
    assert.deepEqual(rewritten, [`${name} at 0`, `${name} at ${last}`])
    await log.close()
  }, noting)
})

test('damage that a later write follows is corruption, whatever byte it hits (⚖12)', () =>
  withLog(async (log) => {
    await log.open(1)
    const from = log.pool.active?.end ?? 0
    await log.accept(1, 1, 'damaged')
    await log.accept(1, 2, 'proof')
    await log.close()
    const name = log.segments()[0] ?? ''
    for (const offset of [0, 4, 9, 13, 17, 21, 27, 40, 80]) {
      log.damage(name, (bytes) => bytes.writeUInt8(bytes.readUInt8(from + offset) ^ 0x40, from + offset))
      await assert.rejects(log.open(2), isCorrupt, `offset ${offset}`)
      log.damage(name, (bytes) => bytes.writeUInt8(bytes.readUInt8(from + offset) ^ 0x40, from + offset))
    }
    await log.open(2)
    assert.equal(log.records.length, 3)
    await log.close()
  }))

test('a missing segment is noticed', () =>
  withLog(async (log) => {
    await log.open(1)
    for (let instance = 1; instance <= 60; instance++) await log.accept(3, instance, 'x'.repeat(1500))
    await log.close()
    const [, second = ''] = log.segments()
    log.damage(second, (bytes) => bytes.fill(0))
    await assert.rejects(log.open(2), isCorrupt)
  }))

test('a segment of another volume, or one that lost its head, is corruption and no spare', () =>
  withLog(async (log) => {
    await log.open(1)
    for (let instance = 1; instance <= 30; instance++) await log.accept(3, instance, 'x'.repeat(1500))
    const newest = log.pool.active?.name ?? ''
    await log.close()
    const { crc32 } = await import('node:zlib')
    const change = (bytes: Buffer): void => {
      bytes.writeUInt8(bytes.readUInt8(14) ^ 1, 14)
    }
    log.damage(newest, change)
    await assert.rejects(log.open(2), isCorrupt, 'a bit of the nonce')
    const seal = (bytes: Buffer): void => void bytes.writeUInt32LE(crc32(bytes.subarray(8, SEGMENT_HEAD_BYTES)), 4)
    log.damage(newest, seal)
    await assert.rejects(log.open(2), /is another volume's/)
    log.damage(newest, change)
    log.damage(newest, seal)
    await log.open(2)
    await log.close()
    log.damage(newest, (bytes) => bytes.fill(0, 0, 4096))
    await assert.rejects(log.open(3), /has lost its head/)
  }))

test('a segment that takes the place of another names the flush that holds what was in it', () =>
  withLog(async (log) => {
    await log.open(1)
    const fill = async (): Promise<void> => {
      for (let instance = 1; instance <= 40; instance++) await log.accept(3, instance, 'x'.repeat(1500))
    }
    await fill()
    log.flushNumber = 7
    log.pool.release(log.pool.active?.generation ?? 0)
    await fill()
    await log.close()
    await log.open(2)
    assert.equal(log.flushed, 7)
    await log.close()
  }))

test('records of an earlier life of a recycled segment never continue a new one (⚖11)', () =>
  withLog(async (log) => {
    await log.open(1)
    for (let round = 0; round < 6; round++) {
      for (let instance = 1; instance <= 20; instance++) await log.accept(round, instance, 'x'.repeat(1400))
      log.pool.release(log.pool.active?.generation ?? 0)
    }
    const last = log.log.durableWrite
    assert.ok(log.segments().length <= 4, `segments are recycled: ${log.segments().length}`)
    await log.close()
    await log.open(2)
    assert.equal(log.replayed.lastWrite, last)
    await log.close()
  }))

test('write numbers never repeat, also after boots that left no write', () =>
  withLog(async (log) => {
    await log.open(1)
    const first = await log.accept(1, 1, 'a')
    await log.close()
    // Boots 2 and 3 may each have tried to write first + 1 and been cut short.
    await log.open(4)
    assert.equal(log.durable.at(-1), first + 3)
    await log.close()
  }))

test('a segment of a newer format is refused by name', () =>
  withLog(async (log) => {
    await log.open(1)
    await log.close()
    const [name = ''] = log.segments()
    const { crc32 } = await import('node:zlib')
    log.damage(name, (bytes) => {
      bytes.writeUInt16LE(99, 8)
      bytes.writeUInt32LE(crc32(bytes.subarray(8, SEGMENT_HEAD_BYTES)), 4)
    })
    await assert.rejects(
      log.open(2),
      (error: unknown) => error instanceof ThermoclineError && error.code === 'unsupported_version' && error.message.includes(name),
    )
  }))

test('a failed write ends the log: nothing is written after it', () => {
  let failNext = false
  const wrap = (folder: LogFolder): LogFolder => ({
    ...pass(folder),
    open: async (name) => failing(await folder.open(name)),
    create: async (name, bytes) => failing(await folder.create(name, bytes)),
  })
  const failing = (file: Awaited<ReturnType<LogFolder['open']>>): typeof file => ({
    read: (offset, length) => file.read(offset, length),
    close: () => file.close(),
    write: (bytes, offset, done) => (failNext ? done(new Error('EIO: i/o error, write')) : file.write(bytes, offset, done)),
  })
  return withLog(async (log) => {
    await log.open(1)
    const durable = log.log.durableWrite
    failNext = true
    log.log.promise(1, 1, 1, log.self)
    log.log.start()
    failNext = false
    assert.match(log.failure?.message ?? '', /EIO/)
    log.log.promise(1, 1, 2, log.self)
    log.log.start()
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(log.log.durableWrite, durable)
  }, wrap)
})

test('a full volume stops the log from rolling over, and space brings it back', () => {
  let isFull = false
  const wrap = (folder: LogFolder): LogFolder => ({
    ...pass(folder),
    create: (name, bytes) => (isFull ? Promise.reject(new Error('ENOSPC: no space left on device')) : folder.create(name, bytes)),
  })
  return withLog(async (log) => {
    await log.open(1)
    await waitFor(() => log.pool.hasSpare)
    isFull = true
    const big = new Uint8Array(SEGMENT_BYTES - 4096)
    for (let instance = 1; instance <= 3; instance++) log.log.accept(1, instance, 0, log.self, log.self, 0, log.self, instance, big)
    await waitFor(() => {
      log.log.start()
      return log.pool.isFull
    })
    assert.equal(log.failure, undefined, 'a full volume is no failure')
    isFull = false
    await waitFor(() => {
      log.pool.prepare()
      return !log.pool.isFull
    })
  }, wrap)
})

function pass(folder: LogFolder): LogFolder {
  return {
    list: () => folder.list(),
    open: (name) => folder.open(name),
    create: (name, bytes) => folder.create(name, bytes),
    remove: (name) => folder.remove(name),
  }
}

async function waitFor(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !condition(); tries++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.ok(condition())
}
