/** Processes that peers name: known ones are found whatever else is in the table, unknown ones are counted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter, DecodeError, type ProcessId, writeProcessId } from '@thermocline/protocol'
import { MAX_INTRODUCED, NO_PROCESS, ProcessTable } from './processes.ts'

const process = (replica: number, boot: number, group = 0): ProcessId => ({
  group,
  replica,
  incarnation: { number: 0, nonce: String(replica).repeat(16) },
  boot,
})

function reader(id: ProcessId): ByteReader {
  const w = new ByteWriter(32)
  writeProcessId(w, id)
  return new ByteReader(w.copy())
}

test('each process has one ref, however many there are', () => {
  const table = new ProcessTable()
  const refs = Array.from({ length: 1000 }, (_, boot) => table.intern(process(1, boot + 1)))
  assert.equal(new Set(refs).size, 1000)
  for (const [boot, ref] of refs.entries()) {
    assert.equal(table.intern(process(1, boot + 1)), ref)
    assert.equal(table.get(ref).boot, boot + 1)
  }
  assert.equal(table.read(new ByteReader(new Uint8Array(20))), NO_PROCESS)
})

test('a replica makes so many processes known, and no more; others are not held up by it', () => {
  const table = new ProcessTable()
  const [liar, honest] = [process(1, 1), process(2, 1)]
  const known = table.intern(liar)
  for (let boot = 2; boot < 2 + MAX_INTRODUCED; boot++) table.readFrom(reader(process(1, boot)), liar)
  assert.throws(() => table.readFrom(reader(process(1, 1_000_000)), liar), DecodeError)
  assert.equal(table.readFrom(reader(liar), liar), known, 'what is known is free')
  assert.ok(table.readFrom(reader(process(2, 77)), honest) > 0)
})

test('a process of another group, or of a slot that no group has, is refused', () => {
  const table = new ProcessTable()
  const from = process(1, 1)
  assert.throws(() => table.readFrom(reader(process(1, 5, 3)), from), /group 3 replica 1 is none of group 0/)
  assert.throws(() => table.readFrom(reader(process(9, 5)), from), DecodeError)
})
