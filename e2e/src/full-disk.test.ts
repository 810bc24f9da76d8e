/**
 * A full disk, on a small tmpfs of its own (needs root): writes are refused with a clear error and did not happen, reads
 * go on, also after a restart; writes resume when space returns.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Client, connect } from '@thermocline/client'
import { ThermoclineError } from '@thermocline/protocol'
import { Up } from './up.ts'

const VALUE_BYTES = 64 * 1024
const MOST_WRITES = 20_000

const skip = process.getuid?.() !== 0 || process.platform !== 'linux' ? 'needs root to mount a tmpfs' : false

test('a full disk refuses writes, serves reads, and recovers', { skip, timeout: 240_000 }, async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', folder])
  let up: Up | undefined
  try {
    const start = (): Promise<Up> =>
      Up.start(['--data', join(folder, 'cluster'), '--replicas', '1', '--node-memory', '128MiB', '--port', '0'])
    up = await start()
    const written = await fill(up)
    context.diagnostic(`${written} writes of ${VALUE_BYTES} bytes were acknowledged before the volume was full`)
    await check(up, written)
    await up.stop()

    up = await start()
    await check(up, written)
    execFileSync('mount', ['-o', 'remount,size=600m', folder])
    const client = await connect({ endpoints: up.endpoints })
    const { version } = await client.put('after', '1-0', 'there is space again', { timeoutMs: 20_000 })
    assert.equal(version, 1)
    await client.close()
  } finally {
    await up?.stop()
    execFileSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Writes incompressible values until one is refused; returns how many were acknowledged. */
async function fill(up: Up): Promise<number> {
  const client = await connect({ endpoints: up.endpoints })
  const value = new Uint8Array(VALUE_BYTES)
  try {
    for (let i = 0; i < MOST_WRITES; i++) {
      randomFillSync(value)
      value[0] = i % 256
      try {
        await client.put('fill', { ms: i, seq: 0 }, value, { timeoutMs: 3000 })
      } catch (error) {
        assert.ok(error instanceof ThermoclineError)
        assert.match(error.message, /disk_full|volume is full/, 'the error says what is wrong')
        assert.equal(error.outcome, 'not')
        return i
      }
    }
  } finally {
    await client.close()
  }
  assert.fail(`${MOST_WRITES} writes did not fill the volume`)
}

/** Every acknowledged record is there, the refused one is not, and the next write is refused too. */
async function check(up: Up, written: number): Promise<void> {
  const client: Client = await connect({ endpoints: up.endpoints })
  for (const i of [0, Math.floor(written / 2), written - 1]) {
    const record = await client.get('fill', { ms: i, seq: 0 })
    assert.equal(record?.value.length, VALUE_BYTES, `record ${i} is read`)
    assert.equal(record.value[0], i % 256)
  }
  assert.equal(await client.get('fill', { ms: written, seq: 0 }), undefined, 'the refused write did not happen')
  let records = 0
  for await (const record of client.scan('fill', { reverse: false })) {
    assert.equal(record.value.length, VALUE_BYTES)
    records++
  }
  assert.equal(records, written)
  const status = (await (await fetch(`${up.http[0]}/v1/admin/status`)).json()) as { writes: { state: string } }
  assert.equal(status.writes.state, 'disk_full')
  await client.close()
}
