/** The HTTP port of a real memory node before a real storage node of one replica: what it tells is what its tables and schemas say. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, connect } from '@thermocline/client'
import { parseTopology, type Topology } from '@thermocline/protocol'
import { readConfig } from '../../config.ts'
import { quietDoors } from '../../doors/quiet-doors.fixture.ts'
import { openEngine } from '../../engine/mod.ts'
import { osClock } from '../../io/os/clock.ts'
import { OsLogFolder } from '../../io/os/log-folder.ts'
import { OsPeerNetwork } from '../../io/os/peer-network.ts'
import { OsStateFiles } from '../../io/os/state-files.ts'
import { TcpServer } from '../../io/os/tcp-server.ts'
import { claimedReplica } from '../../paxos/frames.ts'
import { openReplica } from '../../replica/replica.ts'
import { openVolume } from '../../replica/volume.ts'
import { openTier } from '../../tier/tier.ts'
import { StorageNode } from '../storage/storage-node.ts'
import { readMemoryConfig } from './config.ts'
import { fetchHotPagesBy } from './hot-pages.ts'
import { createMemoryHttp } from './http.ts'
import { MemoryNode } from './memory-node.ts'
import { MEMORY_METRICS, MEMORY_PREFIX, VALIDATION_SECONDS } from './metric-table.ts'
import { type MemoryStatus, memoryStatusSchema } from './status.ts'

const CLUSTER_ID = 'ab'.repeat(16)
const ID = '1732233600000-0'
const TIMEOUT_MS = 20_000
const RATIO_PERCENT = 100

const folder = mkdtempSync(join(tmpdir(), 'thermocline-memory-http-'))
const ignore = (): void => {}
const log = { info: ignore, warn: ignore, error: ignore }
let counter = 0
const randomHex = (bytes: number): string => (++counter).toString(16).padStart(bytes * 2, '0')

let storage: StorageNode
let memory: MemoryNode
let http: Awaited<ReturnType<typeof createMemoryHttp>>
let client: Client | undefined
let url = ''

const topologyOf = (epoch: number, part: Partial<Topology> = {}): Topology =>
  parseTopology({
    formatVersion: 1,
    clusterId: CLUSTER_ID,
    epoch,
    groups: [
      {
        group: 0,
        replicas: [{ replica: 0, data: storage.dataAddress, http: '127.0.0.1:1', incarnation: storage.status().incarnation }],
      },
    ],
    ...part,
  })

async function startStorage(): Promise<StorageNode> {
  const flags = [
    '--data',
    folder,
    '--cluster',
    CLUSTER_ID,
    '--replica',
    '0',
    '--listen',
    '127.0.0.1:0',
    '--http',
    '127.0.0.1:0',
    '--memory',
    '256MiB',
  ]
  const config = readConfig(flags, {})
  const stateFiles = new OsStateFiles(folder)
  const volume = await openVolume(stateFiles, { ...config, freshNonce: randomHex(8) })
  const fail = (error: unknown): never => {
    throw new Error(String(error))
  }
  const doors = quietDoors()
  const node = new StorageNode(
    config,
    {
      clock: osClock,
      server: new TcpServer(),
      random: Math.random,
      randomHex,
      stateFiles,
      logFolder: new OsLogFolder(join(folder, 'log')),
      network: new OsPeerNetwork({ replica: 0, ...doors, claimedReplica }),
      ...doors,
      openEngine,
      openReplica,
      dropEngine: () => Promise.resolve(),
      log,
      restart: fail,
      fatal: fail,
    },
    volume,
  )
  await node.start()
  return node
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  const untilMs = performance.now() + TIMEOUT_MS
  while (!(await holds())) {
    assert.ok(performance.now() < untilMs, 'it does not come to be')
    await delay(10)
  }
}

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function ask(path: string): Promise<Answer> {
  const response = await fetch(`${url}${path}`)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

const status = async (): Promise<MemoryStatus> => memoryStatusSchema.parse((await ask('/v1/admin/status')).body)

/** Values by name and labels, and the types by name. */
async function metrics(): Promise<{ values: Map<string, number>; types: Map<string, string> }> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const values = new Map([...text.matchAll(/^(\w+(?:\{[^}]*\})?) (\S+)$/gm)].map(([, name, value]) => [name as string, Number(value)]))
  const types = new Map([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name as string, type as string]))
  return { values, types }
}

before(async () => {
  storage = await startStorage()
  const flags = ['--role', 'memory', '--cluster', CLUSTER_ID, '--storage', storage.dataAddress]
  const config = readMemoryConfig([...flags, '--listen', '127.0.0.1:0', '--cache', '32MiB', '--cache-dir', ''], {})
  memory = new MemoryNode(config, {
    clock: osClock,
    randomHex,
    server: new TcpServer(),
    openTier,
    fetchHotPages: fetchHotPagesBy(osClock),
    ...quietDoors(),
    connect,
    log,
  })
  http = await createMemoryHttp(memory, config, quietDoors())
  memory.httpAddress = await http.listen('127.0.0.1:0')
  url = `http://${memory.httpAddress}`
})

after(async () => {
  await client?.close()
  await memory.stop()
  await http.close()
  // Whoever still watches the topology is answered, and holds the process no longer.
  await storage.installTopology(topologyOf(5))
  await storage.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('before the storage tier has a topology it is sound, not ready, and says why', async () => {
  void memory.start()
  const ready = await ask('/readyz')
  assert.deepEqual([ready.status, ready.body.status], [503, 'starting'])
  assert.equal((await fetch(`${url}/healthz`)).status, 200)
  assert.equal((await status()).reason, 'the storage tier has not told its topology yet')
  const none = await ask('/v1/admin/topology')
  assert.deepEqual([none.status, none.body.code], [404, 'not_found'])
  const { types } = await metrics()
  assert.equal(types.get(`${MEMORY_PREFIX}requests_total`), 'counter')
})

test('every metric of the table is exported, and none else', async () => {
  await storage.installTopology(topologyOf(1))
  await until(() => memory.state === 'serving')
  const machines = [[{ data: memory.dataAddress, http: memory.httpAddress, zone: '' }]]
  const part = { groups: machines, newerThanMs: 0, ratioPercent: RATIO_PERCENT, warmUpMs: 0 }
  await storage.installTopology(topologyOf(2, { memory: part }))
  await until(() => memory.topology()?.epoch === 2)
  client = await connect({ endpoints: [storage.dataAddress], clusterId: CLUSTER_ID })
  await client.put('alice', ID, 'one')
  for (let turn = 0; turn < 3; turn++) assert.equal(new TextDecoder().decode((await client.get('alice', ID))?.value), 'one')

  const { values, types } = await metrics()
  const wanted = new Map<string, string>(Object.entries(MEMORY_METRICS).map(([name, { type }]) => [`${MEMORY_PREFIX}${name}`, type]))
  wanted.set(`${MEMORY_PREFIX}${VALIDATION_SECONDS.name}`, 'histogram')
  const own = new Map([...types].filter(([name]) => name.startsWith('thermocline_')))
  assert.deepEqual(own, wanted)
  for (const name of wanted.keys())
    assert.ok(
      [...values.keys()].some((sample) => sample.startsWith(name)),
      `${name} has no value`,
    )
})

test('the figures are what happened', async () => {
  const { values } = await metrics()
  const value = (name: string): number | undefined => values.get(`${MEMORY_PREFIX}${name}`)
  assert.equal(value('requests_total'), 3)
  assert.equal(value('responses_total{result="answered"}'), 3)
  assert.equal(value('pages_looked_up_total'), 3)
  assert.equal(value('pages_found_total'), 2)
  assert.equal(value('validated_pages_total'), 3)
  assert.equal(value('verdicts_total{verdict="unchanged"}'), 2)
  assert.equal(value('validation_seconds_count{lane="held"}'), 2)
  assert.equal(value('validation_seconds_bucket{lane="missing",le="+Inf"}'), 1)
  assert.ok((value('validation_seconds_sum{lane="missing"}') ?? 0) > 0)
  assert.equal(value('validations_failed_total'), 0)
  assert.deepEqual([value('epoch'), value('traffic_ratio'), value('newer_than_seconds')], [2, 1, 0])
  assert.deepEqual([value('warm_up_state{state="warm"}'), value('state{state="serving"}')], [1, 1])
  const { cache, traffic, epoch } = await status()
  assert.deepEqual([cache?.requests, cache?.answered, traffic?.ratioPercent, epoch], [3, 3, RATIO_PERCENT, 2])
})

test('a request has one error form, and the document names all routes', async () => {
  const wrong = await ask('/v1/cache/pages?ring=999')
  assert.deepEqual([wrong.status, wrong.body.code], [400, 'invalid_argument'])
  assert.match(String(wrong.body.message), /querystring/)
  assert.equal((await ask('/nothing')).body.code, 'not_found')
  const { body } = await ask('/openapi.json')
  assert.deepEqual(
    new Set(Object.keys(body.paths as object)),
    new Set(['/healthz', '/metrics', '/readyz', '/v1/admin/status', '/v1/admin/topology', '/v1/cache/pages']),
  )
})

test('a long poll of the topology is answered when a newer one comes', async () => {
  const poll = ask('/v1/admin/topology?after=2&waitMs=20000')
  await storage.installTopology(topologyOf(3))
  assert.equal((await poll).body.epoch, 3)
  assert.equal((await fetch(`${url}/v1/admin/topology?after=3`)).status, 204)
})

test('when the cluster is restored the cache begins anew, and clients read on (⚖18)', async () => {
  const machines = [[{ data: memory.dataAddress, http: memory.httpAddress, zone: '' }]]
  const part = { groups: machines, newerThanMs: 0, ratioPercent: RATIO_PERCENT, warmUpMs: 0 }
  const before = (await status()).cache
  assert.ok((before?.requests ?? 0) > 0)
  await storage.installTopology(topologyOf(4, { memory: part, restoreGeneration: 1 }))
  await until(async () => memory.state === 'serving' && (await status()).epoch === 4)
  const reader = client as Client
  await until(() => reader.topology().epoch === 4)
  for (let turn = 0; turn < 2; turn++) assert.equal(new TextDecoder().decode((await reader.get('alice', ID))?.value), 'one')
  await until(async () => ((await status()).cache?.requests ?? 0) > 0)
  const { page, unchanged } = memory.stats() as NonNullable<ReturnType<MemoryNode['stats']>>
  assert.ok(page >= 1, 'the page was sent anew')
  assert.ok(unchanged <= 1)
})
