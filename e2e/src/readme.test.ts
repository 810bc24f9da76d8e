/** What the client's README and API pages show works as written: their code is compiled, strictly, and run against a cluster. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Client, connect } from '@thermocline/client'
import { startCluster } from '@thermocline/client/testing'
import { ERRORS } from '@thermocline/protocol'
import { EXECUTABLE } from './executable.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { Up } from './up.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'client/README.md'), 'utf8')
const api = readFileSync(join(root, 'client/API.md'), 'utf8')
const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string)

let up: Up
const folder = makeTemporaryFolder()
before(async () => {
  up = await Up.fresh()
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
})
after(() => up.stop())

/** Saves a block as a program of its own that talks to the cluster of this test. */
function save(name: string, code: string): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}.ts`)
  writeFileSync(file, code.replaceAll('127.0.0.1:7400', up.endpoints[0] as string))
  return file
}

test('the code of the README compiles under strict types', async () => {
  assert.equal(blocks.length, 2)
  const files = blocks.map((code, at) => save(`compiled-${at}`, code))
  const options = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { typeRoots: [join(root, 'node_modules/@types')], noUnusedLocals: false },
    files,
    include: [],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(options))
  await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder]).catch((error: { stdout: string }) => assert.fail(error.stdout))
})

test('the first block: writes, reads, changes, scans', async () => {
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', save('first', blocks[0] as string)])
  assert.match(stdout, /^\d+-0 changed\n1732233600000-0 hello\n$/)
})

test('the second block: a cluster for tests starts, serves and is gone', async () => {
  const temporary = makeTemporaryFolder()
  const code = (blocks[1] as string).replace('// …', "console.log((await client.append('a', 'b')).id, cluster.pids.length)")
  assert.notEqual(code, blocks[1])
  const env = { ...process.env, THERMOCLINE_BIN: EXECUTABLE, TMPDIR: temporary }
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', save('second', code)], { env })
  assert.match(stdout, /^\d+-0 3\n$/)
  assert.equal((await run('ls', [temporary])).stdout, '')
})

test('client/testing: shapes, disposal, and a test process that dies', async () => {
  const pids: number[] = []
  {
    await using cluster = await startCluster({ executable: EXECUTABLE, replicas: 1, groups: 2 })
    assert.deepEqual([cluster.endpoints.length, cluster.httpEndpoints.length, cluster.pids.length], [2, 2, 2])
    using client = await connect({ endpoints: cluster.endpoints, clusterId: cluster.clusterId })
    await client.put('a', '1-0', 'x')
    assert.equal((await fetch(`${cluster.httpEndpoints[0]}/readyz`)).status, 200)
    pids.push(...cluster.pids)
    await cluster.stop()
  }
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })

  const code = `import { startCluster } from '@thermocline/client/testing'
    const { pids } = await startCluster({ replicas: 1 })
    console.log(pids[0])
    process.kill(process.pid, 'SIGKILL')`
  const env = { ...process.env, THERMOCLINE_BIN: EXECUTABLE }
  const died = await run(process.execPath, ['--disable-warning=ExperimentalWarning', save('dies', code)], { env }).catch(
    (error: { stdout: string }) => error,
  )
  const untilMs = performance.now() + 10_000
  for (;;) {
    try {
      process.kill(Number(died.stdout), 0)
    } catch {
      break
    }
    if (performance.now() > untilMs) assert.fail('the cluster outlives the test process')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }

  await assert.rejects(startCluster({ executable: '/does/not/exist' }), { code: 'unavailable', message: /set THERMOCLINE_BIN/ })
})

test('API.md names calls and codes that there are', () => {
  const calls = [...api.matchAll(/^\| `(\w+)\(/gm)].map(([, name]) => name as string)
  assert.deepEqual(
    calls.filter((name) => !(name in Client.prototype)),
    [],
  )
  const documented = new Set([...calls, ...[...api.matchAll(/`(\w+)\(/g)].map(([, name]) => name as string)])
  const methods = Object.getOwnPropertyNames(Client.prototype).filter((name) => !PRIVATE.has(name))
  assert.deepEqual(
    methods.filter((name) => !documented.has(name)),
    [],
  )
  const errors = api.slice(api.indexOf('## Errors'))
  const codes = [...errors.matchAll(/^\| (`[^|]*)\|/gm)].flatMap(([, cell]) =>
    [...(cell as string).matchAll(/`(\w+)`/g)].map(([, code]) => code as string),
  )
  assert.ok(codes.length > 5)
  assert.deepEqual(
    codes.filter((code) => !(code in ERRORS)),
    [],
  )
})

/** Private in TypeScript only. */
const PRIVATE = new Set(['constructor', 'nextTopology', 'timing', 'write', 'startGet'])
