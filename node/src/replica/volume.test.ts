import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ThermoclineError } from '@thermocline/protocol'
import type { StateFiles } from '../io/ports.ts'
import { openVolume, VOLUME_FILE } from './volume.ts'

const OWNER = { clusterId: 'ab'.repeat(16), group: 0, replica: 1, freshNonce: '0123456789abcdef' }

function memoryFiles(): StateFiles & { content: Map<string, Uint8Array> } {
  const content = new Map<string, Uint8Array>()
  return {
    content,
    read: async (name) => content.get(name),
    replace: async (name, bytes) => {
      content.set(name, bytes)
    },
  }
}

function put(files: ReturnType<typeof memoryFiles>, text: string): void {
  files.content.set(VOLUME_FILE, new TextEncoder().encode(text))
}

const code = (wanted: string) => (error: unknown) => error instanceof ThermoclineError && error.code === wanted

test('a fresh volume is formatted once; every process raises the boot before it goes on (⚖1)', async () => {
  const files = memoryFiles()
  const first = await openVolume(files, OWNER)
  assert.deepEqual(first.incarnation, { number: 0, nonce: OWNER.freshNonce })
  assert.equal(first.boot, 1)
  const second = await openVolume(files, { ...OWNER, freshNonce: 'f'.repeat(16) })
  assert.deepEqual(second.incarnation, first.incarnation, 'the volume keeps its identity')
  assert.equal(second.boot, 2)
  assert.match(new TextDecoder().decode(files.content.get(VOLUME_FILE)), /"boot": 2/, 'and the raise is on disk')
})

test('a volume of another cluster, group or replica is refused, and left as it was', async () => {
  const files = memoryFiles()
  await openVolume(files, OWNER)
  const before = files.content.get(VOLUME_FILE)
  await assert.rejects(openVolume(files, { ...OWNER, clusterId: 'cd'.repeat(16) }), code('wrong_cluster'))
  await assert.rejects(openVolume(files, { ...OWNER, replica: 2 }), code('wrong_cluster'))
  await assert.rejects(openVolume(files, { ...OWNER, group: 4 }), code('wrong_cluster'))
  assert.equal(files.content.get(VOLUME_FILE), before)
})

test('a newer format is refused by name, a damaged file as corrupt', async () => {
  const files = memoryFiles()
  await openVolume(files, OWNER)
  put(files, new TextDecoder().decode(files.content.get(VOLUME_FILE)).replace('"formatVersion": 2', '"formatVersion": 3'))
  await assert.rejects(openVolume(files, OWNER), (error: unknown) => code('unsupported_version')(error) && /format 3/.test(String(error)))
  put(files, '{"formatVersion": 2')
  await assert.rejects(openVolume(files, OWNER), /volume\.json is not JSON; remove what is in the data directory/)
  await assert.rejects(openVolume(files, OWNER), code('corrupt'))
  put(files, '{"formatVersion": 2, "clusterId": "x"}')
  await assert.rejects(openVolume(files, OWNER), (error: unknown) => code('corrupt')(error) && /clusterId/.test(String(error)))
})

test('a file that reads well and says something else than was written is refused', async () => {
  const files = memoryFiles()
  await openVolume(files, OWNER)
  const text = new TextDecoder().decode(files.content.get(VOLUME_FILE))
  for (const [from, to] of [
    ['"boot": 1', '"boot": 0'],
    ['0123456789abcdef', '0123456789abcdee'],
    ['"number": 0', '"number": 1'],
    ['"fresh"', '"voter"'],
  ] as const) {
    assert.ok(text.includes(from))
    put(files, text.replace(from, to))
    await assert.rejects(openVolume(files, OWNER), (error: unknown) => code('corrupt')(error) && /fails its checksum/.test(String(error)))
  }
})
