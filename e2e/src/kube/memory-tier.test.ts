/**
 * The memory tier on a real Kubernetes, as a person would run it: one MemoryGroup beside a PaxosGroup, turned up and down, scaled
 * out and in, rolled and deleted under load whose history is checked.
 */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { HistoryReport } from './history-load.ts'
import { Lab, skipWithoutCluster } from './lab.ts'
import { type Condition, MEMORY_RIGHTS, NAME, podOfReplica, REPLICAS, SERVICE, StorageCluster } from './storage-cluster.ts'

const skip = skipWithoutCluster()
const EVERYTHING_MS = 15 * 60_000
/** What a change of the resource may take until every client goes by it. */
const REACHED_MS = 2000
const MEMORY = 'orders-cache'
const OURS = `app.kubernetes.io/component=memory,app.kubernetes.io/instance=${MEMORY}`

interface Machine {
  readonly pod: string
  readonly ready: boolean
  readonly listed: boolean
  readonly version?: string
}

interface MemoryGroup {
  readonly metadata: { readonly generation: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly phase?: string
    readonly topologyEpoch?: number
    readonly groups?: number
    readonly replicas?: number
    readonly conditions?: readonly Condition[]
    readonly groupStatuses?: readonly { readonly machines: readonly Machine[] }[]
  }
}

let lab: Lab
let cluster: StorageCluster

const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1000).toFixed(1)
const machinesOf = ({ status }: MemoryGroup): readonly Machine[] => status?.groupStatuses?.flatMap(({ machines }) => machines) ?? []

const conditionOf = ({ status }: MemoryGroup, type: string): Condition | undefined => status?.conditions?.find((one) => one.type === type)

const manifest = (spec: Record<string, unknown> = {}, name = MEMORY): string =>
  JSON.stringify({
    apiVersion: 'thermocline.dev/v1alpha1',
    kind: 'MemoryGroup',
    metadata: { name, namespace: 'default' },
    spec: {
      paxosGroupRef: { name: NAME },
      replicas: 2,
      image: cluster.images.first,
      cache: { size: '64Mi' },
      resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '320Mi' } },
      warmUp: { duration: '2s' },
      ...spec,
    },
  })

const apply = (stdin: string) => lab.kubectl(['apply', '--filename', '-'], { stdin })
const patch = (spec: object) => lab.kubectl(['patch', 'memorygroup', MEMORY, '--type', 'merge', '--patch', JSON.stringify({ spec })])
const read = (name = MEMORY) => lab.kubectlJson<MemoryGroup>(['get', 'memorygroup', name])

function until(what: string, holds: (resource: MemoryGroup) => boolean, name = MEMORY): Promise<MemoryGroup> {
  return cluster.until(what, async () => {
    const resource = await read(name)
    const isCurrent = resource.status?.observedGeneration === resource.metadata.generation
    return isCurrent && holds(resource) ? resource : undefined
  })
}

/** As the resource says: so many groups of so many machines, all of which clients know. */
const running = (groups: number, replicas: number): Promise<MemoryGroup> =>
  until(`running with ${groups} groups of ${replicas}`, (one) => {
    const machines = machinesOf(one)
    return (
      one.status?.phase === 'Running' && machines.length === groups * replicas && machines.every(({ ready, listed }) => ready && listed)
    )
  })

/** Sum over pods of what a node's metric says. */
async function figure(pods: readonly string[], metric: string): Promise<number> {
  const each = await Promise.all(
    pods.map(async (pod) => {
      const text = await lab.kubectl(['get', '--raw', `/api/v1/namespaces/default/pods/${pod}:7401/proxy/metrics`])
      const values = [...text.matchAll(new RegExp(`^${metric}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))]
      return values.reduce((sum, [, value]) => sum + Number(value), 0)
    }),
  )
  return each.reduce((sum, value) => sum + value, 0)
}

const storagePods = Array.from({ length: REPLICAS }, (_, replica) => podOfReplica(replica))
const refused = (): Promise<number> => figure(storagePods, 'thermocline_requests_refused_total')
const memoryReads = async (): Promise<number> => {
  const pods = machinesOf(await read()).filter(({ ready }) => ready)
  return await figure(
    pods.map(({ pod }) => pod),
    'thermocline_memory_requests_total',
  )
}

/** Which processes run: pods by uid, and how often each container was restarted. */
async function processes(): Promise<string[]> {
  const format = 'jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{"\\n"}{end}'
  const text = await lab.kubectl(['get', 'pods', '--selector', 'app.kubernetes.io/name=thermocline', '--output', format])
  return text.trim().split('\n').sort()
}

/** No request fails, the history is linearizable, and the storage tier refuses nothing. */
async function underLoad(t: TestContext, step: () => Promise<void>): Promise<HistoryReport> {
  const before = await refused()
  const report = await cluster.underLoad(t, step)
  assert.equal((await refused()) - before, 0, 'requests that the storage tier refused')
  return report
}

describe('memory tier on Kubernetes', { skip, timeout: EVERYTHING_MS }, () => {
  before(
    async () => {
      lab = await Lab.open()
      await lab.up(REPLICAS)
      cluster = await StorageCluster.make(lab)
    },
    // Images are built first.
    { timeout: EVERYTHING_MS },
  )
  after(() => lab.down())

  test('a MemoryGroup waits for its PaxosGroup, makes a tier of it, and reads are served there', async (t) => {
    await apply(manifest())
    const waits = await until('waiting', (one) => conditionOf(one, 'Accepted')?.status === 'False')
    assert.match(
      conditionOf(waits, 'Accepted')?.message ?? '',
      /spec\.paxosGroupRef\.name: there is no PaxosGroup orders in this namespace/,
    )
    await cluster.apply()
    await cluster.settled()
    const beganMs = performance.now()
    const resource = await running(1, 2)
    t.diagnostic(`available ${seconds(beganMs)} s after the storage tier`)
    assert.equal(conditionOf(resource, 'Available')?.status, 'True')
    const before = await memoryReads()
    await cluster.inPod(0, ['put', '--endpoints', SERVICE, 'alice', '1732233600000-0', 'hello'])
    assert.equal((await cluster.inPod(1, ['get', '--endpoints', SERVICE, 'alice', '1732233600000-0'])).trim(), 'hello')
    assert.match(await cluster.inPod(2, ['scan', '--endpoints', SERVICE, 'alice']), /hello/)
    assert.ok((await memoryReads()) >= before + 2, 'the memory nodes served the reads')
    assert.match(await lab.kubectl(['get', 'mmg', MEMORY]), /orders +1 +2 +2\/2 +100 +Running/)
    assert.match(await cluster.inPod(0, ['status', '--endpoints', SERVICE]), /./)
  })

  test('bad resources are refused, by the server or in a condition, with what to do', async () => {
    const byServer: readonly [RegExp, Record<string, unknown>][] = [
      [/spec\.replicas.*should be less than or equal to 16/s, { replicas: 17 }],
      [/spec\.trafficPercent/, { trafficPercent: 101 }],
      [/unknown field.*namespace/, { paxosGroupRef: { name: NAME, namespace: 'other' } }],
    ]
    for (const [wanted, spec] of byServer) {
      const { code, stderr } = await lab.tryKubectl(['apply', '--filename', '-'], { stdin: manifest(spec, 'bad') })
      assert.notEqual(code, 0)
      assert.match(stderr, wanted)
    }
    const byOperator: readonly [string, RegExp, Record<string, unknown>][] = [
      ['larger', /^spec\.resources\.limits\.memory: 320Mi is less than spec\.cache\.size, 1Gi, and 192Mi/, { cache: { size: '1Gi' } }],
      ['foreign', /^spec\.paxosGroupRef\.name: there is no PaxosGroup elsewhere/, { paxosGroupRef: { name: 'elsewhere' } }],
      ['second', /^spec\.paxosGroupRef\.name: MemoryGroup orders-cache was there first and serves PaxosGroup orders/, {}],
    ]
    for (const [name, , spec] of byOperator) await apply(manifest(spec, name))
    for (const [name, wanted] of byOperator) {
      const found = await until('refused', (one) => conditionOf(one, 'Accepted')?.status === 'False', name)
      assert.match(conditionOf(found, 'Accepted')?.message ?? '', wanted)
    }
    await lab.kubectl(['delete', 'memorygroup', ...byOperator.map(([name]) => name)])
  })

  test('traffic and split point reach every client within 2 s, and nothing is restarted', async (t) => {
    const before = await processes()
    const changes: readonly [object, boolean][] = [
      [{ trafficPercent: 0 }, false],
      [{ trafficPercent: 100 }, true],
      // The load's records are as old as can be.
      [{ newerThan: '3d' }, false],
      [{ newerThan: null, trafficPercent: 50 }, true],
    ]
    const made: { readonly what: string; readonly epoch: number; readonly atMs: number }[] = []
    const { epochs } = await underLoad(t, async () => {
      for (const [spec, goesThere] of changes) {
        const epoch = (await read()).status?.topologyEpoch ?? 0
        const atMs = Date.now()
        await patch(spec)
        const resource = await until('in force', (one) => (one.status?.topologyEpoch ?? 0) > epoch)
        made.push({ what: JSON.stringify(spec), epoch: resource.status?.topologyEpoch ?? 0, atMs })
        await delay(1000)
        const reads = await memoryReads()
        await delay(1000)
        assert.equal((await memoryReads()) > reads, goesThere, `${JSON.stringify(spec)}: reads go to the memory tier`)
      }
    })
    for (const { what, epoch, atMs } of made) {
      const tookMs = (epochs[epoch] ?? Number.POSITIVE_INFINITY) - atMs
      t.diagnostic(`${what}: every client goes by it ${tookMs} ms after kubectl was started`)
      assert.ok(tookMs <= REACHED_MS, `${what}: ${tookMs} ms`)
    }
    assert.deepEqual(await processes(), before)
    await patch({ trafficPercent: 100 })
  })

  test('scaled out and in under load, while the operator is killed, and by groups', async (t) => {
    const before = await processes()
    await underLoad(t, async () => {
      let beganMs = performance.now()
      await lab.kubectl(['scale', 'memorygroup', MEMORY, '--replicas', '4'])
      await running(1, 4)
      t.diagnostic(`out to 4 after ${seconds(beganMs)} s`)
      const kept = await processes()
      assert.deepEqual(
        before.filter((one) => !kept.includes(one)),
        [],
        'nothing was restarted',
      )
      beganMs = performance.now()
      await lab.kubectl(['scale', 'memorygroup', MEMORY, '--replicas', '1'])
      await until('leaving the topology', ({ status }) => status?.phase === 'Scaling')
      await cluster.killOperator()
      await until('in', ({ status }) => status?.replicas === 1)
      const beganToEnd = seconds(beganMs)
      await running(1, 1)
      t.diagnostic(
        `in to 1: machines began to end after ${beganToEnd} s, the operator's end included, and were gone after ${seconds(beganMs)} s`,
      )
      beganMs = performance.now()
      await patch({ replicas: 2, groups: 2 })
      await running(2, 2)
      t.diagnostic(`out to 2 groups of 2 after ${seconds(beganMs)} s`)
      beganMs = performance.now()
      await patch({ groups: null })
      await cluster.until('without the second group', async () => {
        const { code } = await lab.tryKubectl(['get', 'statefulset', `${MEMORY}-m1`])
        return code === 0 ? undefined : true
      })
      const groupBeganToEnd = seconds(beganMs)
      await running(1, 2)
      t.diagnostic(
        `in to the storage tier's one group: machines began to end after ${groupBeganToEnd} s, and were gone after ${seconds(beganMs)} s`,
      )
    })
    const left = await lab.kubectl(['get', 'statefulsets,services,poddisruptionbudgets', '--selector', OURS, '--output', 'name'])
    assert.doesNotMatch(left, /-m1/)
  })

  test('another build is rolled out under load, one machine at a time, and a pod is deleted', async (t) => {
    await underLoad(t, async () => {
      const beganMs = performance.now()
      await patch({ image: cluster.images.second })
      await until('of one build', (one) => one.status?.phase === 'Running' && machinesOf(one).every(({ version }) => version === '0.1.1'))
      t.diagnostic(`rolled out after ${seconds(beganMs)} s`)
      await lab.kubectl(['delete', 'pod', `${MEMORY}-m0-0`, '--wait=false'])
      await until('without it', ({ status }) => status?.phase === 'Degraded')
      await running(1, 2)
    })
  })

  test('deleted under load: reads go on, and nothing of it is left', async (t) => {
    await cluster.noteRights()
    await underLoad(t, async () => {
      await lab.kubectl(['delete', 'memorygroup', MEMORY])
      await cluster.until('gone', async () => {
        const kinds = 'pods,statefulsets,services,poddisruptionbudgets,serviceaccounts'
        const left = await lab.kubectl(['get', kinds, '--selector', OURS, '--output', 'name'])
        return left.trim() === '' ? true : undefined
      })
      await delay(2000)
    })
    const topology = await lab.kubectl(['get', '--raw', `/api/v1/namespaces/default/pods/${podOfReplica(0)}:7401/proxy/v1/admin/topology`])
    assert.equal((JSON.parse(topology) as { memory?: object }).memory, undefined)
    const { missing, unused } = await cluster.compareRights([])
    assert.deepEqual(
      [missing, unused.filter((right) => MEMORY_RIGHTS.includes(right))],
      [[], []],
      'rights of the operator that were missing, or are for MemoryGroups alone and were not used',
    )
  })
})
