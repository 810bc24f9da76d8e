/**
 * RocksDB opens an older state of its tables, as with a MANIFEST, a CURRENT or a folder that was put back. Every file of it
 * is whole, and the log has let go of what it lacks: only the number of the flush that the log relies on can tell.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { SmallNode } from '../crash-points/small-node.ts'
import { makeTemporaryFolder, removeTemporaryFolder } from '../temporary-folder.ts'

/** Fills more segments than are kept for peers. */
const ROUNDS = 16
const WRITES = 6
const VALUE = 'x'.repeat(3000)

/** The message with which a node that has the tables of another moment ends. */
async function open(t: TestContext, change: (engine: string, older: string) => void): Promise<unknown> {
  const folder = makeTemporaryFolder()
  t.after(() => removeTemporaryFolder(folder))
  const root = join(folder, 'volume')
  const engine = join(root, 'engine')
  const older = join(folder, 'older')
  const notes = join(folder, 'notes')
  mkdirSync(root)
  let number = 0
  const write = (series: string, count: number): object => ({
    write: Array.from({ length: count }, () => ({ number: ++number, series, ms: number, value: VALUE })),
    notes,
  })
  const life = async (what: (node: SmallNode) => Promise<void>): Promise<void> => {
    const node = new SmallNode()
    t.after(() => node.kill())
    await node.run({ open: root })
    await what(node)
    await node.run({ stop: true })
    await node.kill()
  }
  await life(async (node) => {
    await node.run({ topology: 1 })
    await node.run(write('before', 1))
  })
  cpSync(engine, older, { recursive: true })
  await life(async (node) => {
    // A block of its own, at rest from now on: no gap in the log tells that it is missing.
    await node.run(write('between', 1))
    for (let round = 0; round < ROUNDS; round++) {
      await node.run(write('before', WRITES))
      await node.run({ flush: true })
    }
  })
  change(engine, older)
  const node = new SmallNode()
  t.after(() => node.kill())
  return node.run({ open: root }).then(
    () => node.run({ read: ['between'] }),
    (error: unknown) => (error as Error).message,
  )
}

const OLDER = /the volume has to rejoin: the engine opened an older state: flush \d+, but the log relies on flush \d+/

test('tables as they were before: the volume must rejoin', { timeout: 240_000 }, async (t) => {
  const said = await open(t, (engine, older) => {
    rmSync(engine, { recursive: true })
    cpSync(older, engine, { recursive: true })
  })
  assert.match(String(said), OLDER)
})

test('no tables at all: the volume must rejoin', { timeout: 240_000 }, async (t) => {
  assert.match(String(await open(t, (engine) => rmSync(engine, { recursive: true }))), OLDER)
})

test('tables as they were left: everything is there', { timeout: 240_000 }, async (t) => {
  const found = await open(t, () => {})
  assert.ok(typeof found === 'object' && found !== null, String(found))
  assert.deepEqual(Object.values(found), [VALUE])
})
