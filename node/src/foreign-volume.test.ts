/** The program on a volume that is another's: refused as it is, or waited with until somebody who may orders it out of the way. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { OsStateFiles } from './io/os/state-files.ts'
import { openVolume, VOLUME_FILE } from './replica/volume.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const [OURS, THEIRS] = ['ab'.repeat(16), 'cd'.repeat(16)]
const TOKEN = 'a-token-of-thirty-two-characters'

interface Volume {
  readonly folder: string
  readonly data: string
}

async function foreignVolume(t: TestContext): Promise<Volume> {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-foreign-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const data = join(folder, 'node')
  mkdirSync(data)
  await openVolume(new OsStateFiles(data), { clusterId: THEIRS, group: 1, replica: 2, freshNonce: '0'.repeat(16) })
  writeFileSync(join(folder, 'token'), TOKEN, { mode: 0o600 })
  return { folder, data }
}

function start(t: TestContext, { folder, data }: Volume, ...more: readonly string[]): ChildProcess {
  const own = ['--data', data, '--replica', '0', '--cluster', OURS, '--token-file', join(folder, 'token'), '--version-cache-dir', '']
  const args = ['--disable-warning=ExperimentalWarning', MAIN, ...own, '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', ...more]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  return child
}

/** The HTTP address, from the line that says it. */
async function listening(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk)
    const address = /"http":"(127[^"]+)"/.exec(text)?.[1]
    if (address !== undefined) return `http://${address}`
  }
  throw new Error(`it ended: ${text}`)
}

test('by default the program says whose the volume is, and ends', async (t) => {
  const volume = await foreignVolume(t)
  const child = start(t, volume)
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said += String(chunk)
  })
  const [code] = await once(child, 'exit')
  assert.equal(code, 2)
  assert.match(said, /wrong_cluster: the data directory belongs to cluster (cd){16}/)
})

for (const [what, damage, owner, aside] of [
  ['another’s', undefined, { clusterId: THEIRS, group: 1, replica: 2 }, `node.foreign-${THEIRS}-g1-r2`],
  ['nobody knows whose', '{', undefined, 'node.foreign-unknown'],
] as const) {
  test(`a volume that is ${what} is waited with, untouched, and moved aside on order; the next process begins on an empty one`, async (t) => {
    const volume = await foreignVolume(t)
    const file = join(volume.data, VOLUME_FILE)
    if (damage !== undefined) writeFileSync(file, damage)
    const before = readFileSync(file)
    const child = start(t, volume, '--foreign-volume', 'wait')
    const http = await listening(child)
    const status = (await (await fetch(`${http}/v1/admin/status`)).json()) as Record<string, unknown>
    assert.deepEqual([status.state, status.replica, status.clusterId, status.owner], ['foreign', 0, OURS, owner])
    const order = (token: string) =>
      fetch(`${http}/v1/admin/volume/set-aside`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    assert.equal((await order('another')).status, 401)
    assert.deepEqual(readFileSync(file), before)
    const ended = once(child, 'exit')
    assert.deepEqual(await (await order(TOKEN)).json(), { path: join(volume.folder, aside) })
    assert.equal((await ended)[0], 75)
    assert.deepEqual(readFileSync(join(volume.folder, aside, VOLUME_FILE)), before)
    const next = await listening(start(t, volume, '--foreign-volume', 'wait'))
    const fresh = (await (await fetch(`${next}/v1/admin/status`)).json()) as Record<string, unknown>
    assert.deepEqual([fresh.state, fresh.standing], ['joining', 'fresh'])
    assert.ok(readdirSync(volume.folder).includes(aside))
  })
}
