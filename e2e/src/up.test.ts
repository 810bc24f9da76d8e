/** `thermocline up` itself: what it starts, what it keeps, what it refuses, and that it leaves nothing behind. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@thermocline/client'
import { waitForAgreement } from './agreement.ts'
import { runCommand } from './command.ts'
import { EXECUTABLE } from './executable.ts'
import { replicaStatus } from './node-http.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import { Up } from './up.ts'

/** Volumes on tmpfs do for what does not measure; nothing here does. */
const newFolder = () => join(makeTemporaryFolder(), 'data')

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function untilGone(pids: readonly number[], withinMs: number): Promise<void> {
  const untilMs = performance.now() + withinMs
  while (pids.some(isAlive)) {
    if (performance.now() > untilMs) assert.fail(`processes ${pids.filter(isAlive).join(', ')} live on after ${withinMs} ms`)
    await delay(50)
  }
}

test('again on the same data: the same cluster with everything there; inspect reads the stopped volumes', async (t: TestContext) => {
  const folder = newFolder()
  let up = await Up.start(['--data', folder, '--port', '0'])
  const { clusterId, endpoints } = up
  for (const id of ['1-0', '2-0', '3-0']) await up.output('put', 'kept', id, `value ${id}`)
  const before = await waitForAgreement(up.http)
  assert.equal(await up.stop(), 0)
  assert.deepEqual(
    readdirSync(folder).filter((name) => name === 'lock'),
    [],
  )

  const block = await Promise.all(
    [0, 1, 2].map(async (replica) => {
      const { code, stdout, stderr } = await runCommand(['inspect', join(folder, `g0-r${replica}`), '--json'])
      assert.equal(code, 0, stderr)
      const found = JSON.parse(stdout) as {
        volume: { clusterId: string; replica: number; boot: number }
        topology: { epoch: number }
        blocks: { index: number; digest: string }[]
      }
      assert.deepEqual([found.volume.clusterId, found.volume.replica, found.volume.boot, found.topology.epoch], [clusterId, replica, 1, 1])
      return `${found.blocks[0]?.index} ${found.blocks[0]?.digest}`
    }),
  )
  assert.equal(new Set(block).size, 1, block.join(', '))
  const text = await runCommand(['inspect', join(folder, 'g0-r0')])
  assert.match(text.stdout, new RegExp(`cluster ${clusterId}, group 0, replica 0\\n.*boot 1.*\\ntopology epoch 1\\nlog `))

  up = await Up.start(['--data', folder])
  t.diagnostic(`serves again after ${Math.round(up.startedInMs)} ms`)
  assert.deepEqual([up.clusterId, up.endpoints], [clusterId, endpoints])
  assert.equal(await up.output('scan', 'kept'), '3-0\tvalue 3-0\n2-0\tvalue 2-0\n1-0\tvalue 1-0\n')
  assert.ok((await waitForAgreement(up.http)).entries >= before.entries)
  assert.equal((await replicaStatus(up.http[0] as string)).boot, 2)
  assert.equal(await up.stop(), 0)
})

test('a power cut of all processes: what was acknowledged is there', async () => {
  const folder = newFolder()
  let up = await Up.start(['--data', folder, '--port', '0'])
  const client = await connect({ endpoints: up.endpoints })
  const acknowledged: string[] = []
  const writing = (async () => {
    for (let n = 0; ; n++) acknowledged.push((await client.append(`cut-${n % 5}`, String(n))).id)
  })()
  writing.catch(() => {})
  await delay(1500)
  await up.kill()
  client.close()
  await writing.catch(() => {})
  up = await Up.start(['--data', folder])
  const found = new Set<unknown>()
  for (let series = 0; series < 5; series++) for (const { id } of await up.json('scan', `cut-${series}`)) found.add(id)
  assert.ok(acknowledged.length > 50, `only ${acknowledged.length} writes were acknowledged`)
  assert.deepEqual(
    acknowledged.filter((id) => !found.has(id)),
    [],
  )
  await waitForAgreement(up.http)
  await up.stop()
})

test('a second up on the same data is refused; one that was killed is taken over with its nodes', async () => {
  const folder = newFolder()
  const first = await Up.start(['--data', folder, '--port', '0'])
  const second = await runCommand(['up', '--data', folder])
  assert.equal(second.code, 2)
  assert.match(second.stderr, /process \d+ runs a cluster on .* already/)
  await first.output('put', 'a', '1-0', 'x')
  await first.killSupervisor()
  assert.ok(first.pids.every(isAlive), 'nodes serve on without up')
  const third = await Up.start(['--data', folder])
  await untilGone(first.pids, 1000)
  assert.equal(await third.output('get', 'a', '1-0'), 'x')
  await third.stop()
  await untilGone(third.pids, 1000)
})

test('the same epoch with another content is refused', async () => {
  const folder = newFolder()
  await (await Up.start(['--data', folder, '--port', '0', '--replicas', '1'])).stop()
  const file = join(folder, 'cluster.json')
  writeFileSync(file, readFileSync(file, 'utf8').replace('"zone": "local-0"', '"zone": "elsewhere"'))
  const { code, stderr } = await runCommand(['up', '--data', folder])
  assert.notEqual(code, 0)
  assert.match(stderr, /g0-r0 has a topology of epoch 1 that is not the one of .*cluster\.json, epoch 1/)
})

test('a port in use is named, with whose it would be', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const { code, stderr } = await runCommand(['up', '--data', newFolder(), '--port', String(port)])
  server.close()
  assert.equal(code, 2)
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port}, the data port of g0-r0, is taken`))
})

test('another shape than the folder has, or a folder that is none, is refused', async () => {
  const folder = newFolder()
  await (await Up.start(['--data', folder, '--port', '0', '--replicas', '1'])).stop()
  const shape = await runCommand(['up', '--data', folder, '--replicas', '3'])
  assert.deepEqual([shape.code, /--replicas: 3 differs from the cluster in .*, which has 1/.test(shape.stderr)], [2, true])
  const file = await runCommand(['up', '--data', join(folder, 'cluster.json')])
  assert.deepEqual([file.code, /--data: .* cannot be used as a directory/.test(file.stderr)], [2, true])
  const even = await runCommand(['up', '--data', newFolder(), '--replicas', '2'])
  assert.deepEqual([even.code, /--replicas: 2 is not 1, 3 or 5/.test(even.stderr)], [2, true])
  const memory = await runCommand(['up', '--data', newFolder(), '--port', '0', '--node-memory', '12'])
  assert.deepEqual([memory.code, /--memory: "12": expected at least 128MiB/.test(memory.stderr)], [2, true])
})

test('--ephemeral leaves nothing behind', async () => {
  const folder = makeTemporaryFolder()
  const caches = makeTemporaryFolder()
  const child = spawn(EXECUTABLE, ['up', '--ephemeral', '--port', '0', '--json', '--memory', '1', '--cache', '32MiB'], {
    env: { ...process.env, TMPDIR: folder, THERMOCLINE_CACHE_DIR: caches, THERMOCLINE_VERSION_CACHE_DIR: caches },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  while (!said.includes('"ready"') && child.exitCode === null) await delay(50)
  assert.equal(child.exitCode, null)
  const { pids } = JSON.parse(said.split('\n').find((line) => line.includes('"ready"')) ?? '') as { pids: number[] }
  assert.equal(readdirSync(folder).length, 1)
  assert.equal(readdirSync(caches).length, 4)
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  await untilGone(pids, 1000)
  assert.deepEqual([readdirSync(folder), readdirSync(caches)], [[], []])
})

test('nodes do not outlive an up whose reader or terminal is gone', async () => {
  for (const end of ['stdout', 'SIGHUP'] as const) {
    const folder = makeTemporaryFolder()
    const child = spawn(EXECUTABLE, ['up', '--ephemeral', '--port', '0'], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (end === 'stdout') child.stdout.once('data', () => child.stdout.destroy())
    else child.stdout.on('data', (chunk: Buffer) => chunk.toString().includes('Ctrl-C') && child.kill('SIGHUP'))
    assert.deepEqual(await once(child, 'exit'), [0, null])
    assert.deepEqual(readdirSync(folder), [], `after ${end}`)
  }
})

test('two groups: every series is served by its owner, from any endpoint', async () => {
  const up = await Up.fresh('--groups', '2')
  assert.equal(up.endpoints.length, 6)
  const counts = await Promise.all(
    up.endpoints.map(async (endpoint, at) => {
      using client = await connect({ endpoints: [endpoint] })
      await Promise.all(Array.from({ length: 40 }, (_, n) => client.put(`groups-${n}`, `${at}-0`, `from ${at}`)))
      return (await Promise.all(Array.from({ length: 40 }, (_, n) => client.get(`groups-${n}`, `${at}-0`)))).filter(Boolean).length
    }),
  )
  assert.deepEqual(counts, [40, 40, 40, 40, 40, 40])
  const chosen = await Promise.all(up.http.map(async (http) => (await replicaStatus(http)).blocks.known))
  assert.ok(Math.min(...chosen) > 5, `blocks per replica: ${chosen.join(', ')}`)
  // HTTP on a replica of the wrong group redirects to one of the right group.
  for (const http of up.http) assert.equal(await (await fetch(`${http}/v1/series/groups-7/records/3-0`)).text(), 'from 3')
  await waitForAgreement(up.http.slice(0, 3))
  await waitForAgreement(up.http.slice(3))
  assert.match(await up.output('status'), /2 groups of 3/)
  await up.stop()
})

test('one replica: a cluster for trying things out', async () => {
  const up = await Up.fresh('--replicas', '1')
  assert.match(await up.output('append', 'a', 'x'), /^\d+-0\n$/)
  await up.stop()
})

test('a replica whose volume was wiped is said plainly and learns anew; a lost majority is refused', async (t: TestContext) => {
  const folder = newFolder()
  let up = await Up.start(['--data', folder, '--port', '0'])
  await up.output('put', 'wiped', '1-0', 'still here')
  await up.stop()
  rmSync(join(folder, 'g0-r1'), { recursive: true })
  up = await Up.start(['--data', folder])
  t.diagnostic(`serves after ${Math.round(up.startedInMs)} ms`)
  assert.ok(up.events.some(({ event }) => event === 'warning'))
  assert.equal(await up.output('get', 'wiped', '1-0'), 'still here')
  await up.output('put', 'wiped', '2-0', 'and new')
  const untilMs = performance.now() + 60_000
  while ((await up.run(['status'])).code !== 0) {
    if (performance.now() > untilMs) assert.fail('the wiped replica does not vote again')
    await delay(100)
  }
  await up.stop()
  for (const lost of ['g0-r0', 'g0-r2']) rmSync(join(folder, lost), { recursive: true })
  const { code, stderr } = await runCommand(['up', '--data', folder])
  assert.equal(code, 6)
  assert.match(stderr, /g0-r0 and g0-r2 of 3 replicas in .* are new or other volumes/)
})

test('a volume of a newer format, of another cluster or of another slot is refused by name', async () => {
  const folder = newFolder()
  await (await Up.start(['--data', folder, '--port', '0', '--replicas', '1'])).stop()
  const volume = join(folder, 'g0-r0', 'volume.json')
  const original = readFileSync(volume, 'utf8')
  const refusal = async (change: (text: string) => string) => {
    writeFileSync(volume, change(original))
    const { code, stderr } = await runCommand(['up', '--data', folder])
    assert.notEqual(code, 0)
    assert.equal(readFileSync(volume, 'utf8'), change(original), 'nothing is written to a volume that is refused')
    return stderr
  }
  assert.match(
    await refusal((text) => text.replace(/"formatVersion": \d+/, '"formatVersion": 99')),
    /volume\.json: the volume has format 99/,
  )
  assert.match(
    await refusal((text) => text.replace(/"clusterId": "[0-9a-f]{32}"/, `"clusterId": "${'a'.repeat(32)}"`)),
    /belongs to cluster a{32}/,
  )
  assert.match(
    await refusal((text) => text.replace('"replica": 0', '"replica": 2')),
    /belongs to group 0 replica 2, not to group 0 replica 0/,
  )
  assert.match(await refusal(() => '{'), /volume\.json is not JSON/)
  writeFileSync(volume, original)
  await (await Up.start(['--data', folder])).stop()
})

test('a data directory that two nodes want belongs to the first', async () => {
  const up = await Up.fresh('--replicas', '1')
  const data = join(up.folder, 'g0-r0')
  const args = ['node', '--data', data, '--replica', '0', '--cluster', up.clusterId, '--listen', '127.0.0.1:0', '--http', '127.0.0.1:0']
  const { code, stderr } = await runCommand(args, { timeoutMs: 20_000 })
  assert.notEqual(code, 0)
  assert.match(stderr, /locked: .*data directory|locked: .*another process/i)
  assert.match(await up.output('append', 'a', 'x'), /^\d+-0\n$/)
  await up.stop()
})

test('a folder of nobody: inspect says what it wants', async () => {
  const folder = mkdtempSync(join(makeTemporaryFolder(), 'empty-'))
  const { code, stderr } = await runCommand(['inspect', folder])
  assert.deepEqual([code, /DATADIR: .* holds no volume\.json; expected the --data of a node/.test(stderr)], [2, true])
  assert.ok(existsSync(folder) && readdirSync(folder).length === 0)
})
