/** `thermocline up` as a process, over a stand-in for the node program. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { nodeStatus, nodeTopology } from './node-api.ts'
import { startTimeOf } from './process-table.ts'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))
const fake = fileURLToPath(new URL('fake-node.fixture.ts', import.meta.url))

interface Event {
  readonly event?: string
  readonly endpoints?: string[]
  readonly http?: string[]
  readonly pids?: number[]
  readonly node?: string
  readonly pid?: number
}

class Up {
  readonly child: ChildProcess
  readonly events: Event[] = []
  readonly exit: Promise<number | null>
  stderr = ''
  private wake: (() => void) | undefined

  constructor(folder: string, args: readonly string[] = [], env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'up', '--json', '--data', folder, ...args], {
      env: { ...process.env, THERMOCLINE_NODE: fake, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(this.child)
    this.exit = new Promise((resolve) =>
      this.child.once('exit', (code) => {
        running.delete(this.child)
        resolve(code)
        this.wake?.()
      }),
    )
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.events.push(JSON.parse(line) as Event)
      this.wake?.()
    })
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
  }

  async until(event: string): Promise<Event> {
    for (;;) {
      const found = this.events.find((one) => one.event === event)
      if (found !== undefined) return found
      if (this.child.exitCode !== null) assert.fail(`up ended before ${event}: ${this.stderr}`)
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.exit
  }
}

const running = new Set<ChildProcess>()
// SIGTERM, not SIGKILL: what is stopped stops its nodes.
after(() => {
  for (const child of running) child.kill('SIGTERM')
})

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'thermocline-up-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const hostOf = (url: string | undefined) => String(url).replace('http://', '')

test('it starts, writes the topology once, stops cleanly, and finds everything again', { timeout: 600_000 }, async (t) => {
  const folder = folderOf(t)
  const first = new Up(folder, ['--port', '0', '--groups', '2'])
  const ready = await first.until('ready')
  assert.equal(ready.pids?.length, 6)
  const topology = await nodeTopology(hostOf(ready.http?.[0]))
  assert.equal(topology.epoch, 1)
  for (const [at, http] of (ready.http ?? []).entries()) {
    const { incarnation, group, replica } = await nodeStatus(hostOf(http))
    assert.deepEqual(topology.groups[group]?.replicas[replica]?.incarnation, incarnation)
    assert.equal(topology.groups[group]?.replicas[replica]?.data, ready.endpoints?.[at])
  }
  assert.equal(statSync(join(folder, 'token')).mode & 0o777, 0o600)
  assert.equal(await first.stop(), 0)
  assert.equal(existsSync(join(folder, 'lock')), false)
  const second = new Up(folder)
  const again = await second.until('ready')
  assert.deepEqual([again.endpoints, again.http], [ready.endpoints, ready.http])
  assert.deepEqual(await nodeTopology(hostOf(again.http?.[5])), topology)
  const third = new Up(folder)
  assert.equal(await third.exit, 2)
  assert.match(third.stderr, /"locked".*process \d+ runs a cluster/)
  assert.equal(await second.stop(), 0)
  const reshaped = new Up(folder, ['--replicas', '5'])
  assert.equal(await reshaped.exit, 2)
  assert.match(reshaped.stderr, /--replicas: 5 differs/)
})

test('a node that dies is started again; a killed up leaves nodes that the next one ends', { timeout: 600_000 }, async (t) => {
  const folder = folderOf(t)
  const first = new Up(folder, ['--port', '0', '--replicas', '1'])
  const { pids, http } = await first.until('ready')
  process.kill(pids?.[0] as number, 'SIGKILL')
  assert.equal((await first.until('exited')).node, 'g0-r0')
  const { pid } = await first.until('started')
  first.child.kill('SIGKILL')
  await first.exit
  const second = new Up(folder)
  const ready = await second.until('ready')
  assert.ok(second.events.some(({ event }) => event === 'cleanup'))
  assert.equal(startTimeOf(pid as number), undefined)
  assert.deepEqual(ready.http, http)
  assert.equal(await second.stop(), 0)
})

test('another document of the same epoch is refused, and so is a taken port; a start that fails says why', {
  timeout: 600_000,
}, async (t) => {
  const folder = folderOf(t)
  const first = new Up(folder, ['--port', '0', '--replicas', '1'])
  const { http } = await first.until('ready')
  // The HTTP port of a cluster with this base would be the one that is taken.
  const base = Number(http?.[0]?.split(':').at(-1)) - 1
  const other = new Up(folderOf(t), ['--port', String(base), '--replicas', '1'])
  assert.equal(await other.exit, 2)
  assert.match(other.stderr, /"port_in_use".*g0-r0/)
  await first.stop()
  const path = join(folder, 'cluster.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"sliceDurationMs": 86400000', '"sliceDurationMs": 3600000'))
  const changed = new Up(folder)
  assert.equal(await changed.exit, 1)
  assert.match(changed.stderr, /"stale_epoch".*who else wrote it/)
  const failing = new Up(folderOf(t), ['--port', '0', '--no-restart'], { FAKE_NODE_FAILS: '1' })
  assert.equal(await failing.exit, 6)
  assert.match(failing.stderr, /g0-r1 does not serve.*fails, as asked/)
})
