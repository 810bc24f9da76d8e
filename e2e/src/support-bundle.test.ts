/** `support-bundle` of a cluster without Kubernetes, one of whose replicas is gone: what is there, what is said, what is not in it. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { runProgram } from './program.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { Up } from './up.ts'

const GONE = 2
const USER_DATA = 'a-value-of-some-user'

interface Result {
  readonly path: string
  readonly failed: number
  readonly missing: readonly { readonly path: string; readonly reason: string }[]
}

let up: Up
before(async () => {
  up = await Up.fresh('--no-restart')
  await up.output('put', 'alice', '1-0', USER_DATA)
  process.kill(up.pids[GONE] as number, 'SIGKILL')
  while (!up.events.some(({ event }) => event === 'exited')) await delay(20)
})
after(() => up.stop())

/** Makes a bundle and unpacks it. */
async function collect(...args: readonly string[]): Promise<{ result: Result; read: (path: string) => string; all: string }> {
  const folder = makeTemporaryFolder()
  const { code, stdout, stderr } = await up.run(['support-bundle', ...args, '--output', join(folder, 'bundle.tar.gz'), '--json'])
  assert.equal(code, 0, stderr)
  const result = JSON.parse(stdout) as Result
  await runProgram('tar', ['xzf', result.path, '-C', folder])
  const root = join(folder, readdirSync(folder).find((name) => name.startsWith('thermocline-support-')) as string)
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const all = files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')).join('\n')
  return { result, read: (path) => readFileSync(join(root, path), 'utf8'), all }
}

function assertNodes({ result, read, all }: Awaited<ReturnType<typeof collect>>): void {
  for (const replica of [0, 1]) {
    const status = JSON.parse(read(`nodes/g0-r${replica}/status.json`)) as { state: string; clusterId: string }
    assert.deepEqual([status.state, status.clusterId], ['serving', up.clusterId])
    assert.equal((JSON.parse(read(`nodes/g0-r${replica}/topology.json`)) as { epoch: number }).epoch, 1)
    assert.match(read(`nodes/g0-r${replica}/metrics.txt`), /^thermocline_\w+/m)
  }
  assert.deepEqual(
    result.missing.map(({ path }) => path).toSorted((a, b) => a.localeCompare(b)),
    [`nodes/g0-r${GONE}/metrics.txt`, `nodes/g0-r${GONE}/status.json`, `nodes/g0-r${GONE}/topology.json`],
  )
  assert.match(result.missing[0]?.reason ?? '', /ECONNREFUSED/)
  assert.match(read('index.txt'), new RegExp(`failed +nodes/g0-r${GONE}/status\\.json`))
  assert.ok(!all.includes(USER_DATA) && !all.includes(readFileSync(join(up.folder, 'token'), 'utf8').trim()))
}

test('by endpoints: every replica that the topology names is asked', async () => {
  assertNodes(await collect('--endpoints', up.endpoints.slice(0, 1).join(',')))
})

test('by HTTP ports, too', async () => {
  assertNodes(await collect('--endpoints', (up.http[1] as string).replace('http://', '')))
})

test('by the folder: logs and the names of its files come with it', async () => {
  const bundle = await collect('--cluster', up.folder)
  assertNodes(bundle)
  assert.match(bundle.read(`cluster/g0-r${GONE}.log`), /"msg":/)
  assert.match(bundle.read('cluster/files.txt'), / token\n/)
  assert.equal((JSON.parse(bundle.read('cluster/cluster.json')) as { clusterId: string }).clusterId, up.clusterId)
  assert.match(bundle.read('machine.json'), /"cpus"/)
})
