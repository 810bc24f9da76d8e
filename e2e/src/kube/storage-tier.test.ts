/**
 * The storage tier on a real Kubernetes, as a person would run it: installed by helm, made by one PaxosGroup, written and read
 * through its Service, and then everything that happens to a cluster, under load whose history is checked.
 */
import assert from 'node:assert/strict'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { BUILDS, loadBuilds, REPOSITORY } from './builds.ts'
import { HubLoad } from './hub-load.ts'
import { Lab, skipWithoutLab } from './lab.ts'

const skip = skipWithoutLab()
const OPERATOR_NAMESPACE = 'thermocline-system'
const NAME = 'orders'
const SERVICE = `${NAME}-storage.default.svc.cluster.local:7400`
const REPLICAS = 3
/** Guards against a hang only: what a step takes is printed. */
const STEP_TIMEOUT_MS = 240_000
const POLL_MS = 500

interface ReplicaStatus {
  readonly replica: number
  readonly mode: string
  readonly version?: string
  readonly incarnation?: string
}

interface Resource {
  readonly metadata: { readonly generation: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly phase?: string
    readonly topologyEpoch?: number
    readonly groupStatuses?: readonly { readonly replicas: readonly ReplicaStatus[] }[]
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string; readonly message: string }[]
  }
}

const manifest = (spec: Record<string, unknown> = {}, name = NAME): string =>
  JSON.stringify({
    apiVersion: 'thermocline.dev/v1alpha1',
    kind: 'PaxosGroup',
    metadata: { name, namespace: 'default' },
    spec: {
      groups: 1,
      replicas: REPLICAS,
      image: `${REPOSITORY}:${BUILDS.first}`,
      storage: { size: '2Gi' },
      resources: { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '512Mi' } },
      replaceAfter: '15s',
      ...spec,
    },
  })

let lab: Lab

async function install(): Promise<void> {
  await lab.helm([
    ...['upgrade', '--install', 'thermocline', 'charts/thermocline', '--namespace', OPERATOR_NAMESPACE, '--create-namespace'],
    // Old servers refuse what they do not know of a definition, unless nothing is validated.
    ...['--server-side=false', '--set', `image.repository=${REPOSITORY},image.tag=${BUILDS.first}`],
    ...['--set', 'rbac.scope=cluster', '--wait', '--timeout', '3m'],
  ])
}

const apply = (text: string): Promise<string> => lab.kubectl(['apply', '--filename', '-'], { stdin: text })

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const untilMs = performance.now() + STEP_TIMEOUT_MS
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > untilMs) assert.fail(`not ${what} after ${STEP_TIMEOUT_MS} ms:\n${await describeCluster()}`)
    await delay(POLL_MS)
  }
}

async function describeCluster(): Promise<string> {
  const all = [
    ['get', 'paxosgroups,pods,pvc', '--output', 'wide'],
    ['get', 'paxosgroup', NAME, '--output', 'jsonpath={.status}'],
    ['logs', '--namespace', OPERATOR_NAMESPACE, '--selector', 'app.kubernetes.io/component=operator', '--tail', '15'],
  ]
  return (await Promise.all(all.map((args) => lab.tryKubectl(args)))).map(({ stdout, stderr }) => stdout + stderr).join('\n')
}

const read = (name = NAME): Promise<Resource> => lab.kubectlJson<Resource>(['get', 'paxosgroup', name])
const replicasOf = ({ status }: Resource): readonly ReplicaStatus[] => status?.groupStatuses?.flatMap(({ replicas }) => replicas) ?? []
const conditionOf = ({ status }: Resource, type: string) => status?.conditions?.find((one) => one.type === type)

/** As the resource says, and every replica votes. */
function settled(also: (resource: Resource) => boolean = () => true): Promise<Resource> {
  return until('running with every replica a voter', async () => {
    const resource = await read()
    const isCurrent = resource.status?.observedGeneration === resource.metadata.generation
    return isCurrent && resource.status?.phase === 'Running' && also(resource) ? resource : undefined
  })
}

/** Runs the step under load; nothing may fail, and the history must be linearizable. */
async function underLoad(t: TestContext, step: () => Promise<void>): Promise<void> {
  const load = await HubLoad.start(lab, SERVICE)
  const beganMs = performance.now()
  await step().finally(() => delay(500))
  const seconds = ((performance.now() - beganMs) / 1000).toFixed(1)
  const { operations, failures, verdict, longestGapMs } = await load.stop()
  t.diagnostic(`${seconds} s, ${operations} operations, longest gap ${longestGapMs} ms`)
  assert.deepEqual(failures, [])
  assert.equal(verdict, 'linearizable')
}

const inPod = (pod: string, args: readonly string[]): Promise<string> => lab.kubectl(['exec', pod, '--', 'thermocline', ...args])

describe('storage tier on Kubernetes', { skip, timeout: 40 * 60_000 }, () => {
  before(async () => {
    lab = await Lab.open()
    await lab.up(REPLICAS)
    await loadBuilds(lab)
    await install()
  })
  after(async () => {
    await lab.down()
  })

  test('one resource makes a cluster, which serves through its Service', async (t) => {
    const beganMs = performance.now()
    await apply(manifest())
    await settled()
    t.diagnostic(`available after ${((performance.now() - beganMs) / 1000).toFixed(1)} s`)
    const id = (await inPod(`${NAME}-g0-0`, ['append', '--endpoints', SERVICE, 'alice', 'hello'])).trim()
    assert.equal((await inPod(`${NAME}-g0-1`, ['get', '--endpoints', SERVICE, 'alice', id])).trim(), 'hello')
    assert.match(await lab.kubectl(['get', 'pxg', NAME]), /Running/)
  })

  test('growth is refused in words until a release can move data, and what runs goes on', async () => {
    await lab.kubectl(['scale', 'paxosgroup', NAME, '--replicas', '2'])
    const refused = await until('refused', async () => {
      const resource = await read()
      return conditionOf(resource, 'Accepted')?.status === 'False' ? resource : undefined
    })
    assert.match(conditionOf(refused, 'Accepted')?.message ?? '', /spec\.groups: the cluster has 1, 2 are wanted; .*set it back to 1/)
    assert.equal(conditionOf(refused, 'Available')?.status, 'True')
    await lab.kubectl(['scale', 'paxosgroup', NAME, '--replicas', '1'])
    await settled()
  })

  test('bad resources are refused, by the server or in a condition, with what to do', async () => {
    const byServer = await lab.tryKubectl(['apply', '--filename', '-'], { stdin: manifest({ replicas: 7 }, 'seven') })
    assert.notEqual(byServer.code, 0)
    assert.match(byServer.stderr, /spec\.replicas.*should be less than or equal to 5/s)
    await apply(manifest({ replicas: 4 }, 'four'))
    const refused = await until('refused', async () => {
      const resource = await read('four')
      return conditionOf(resource, 'Accepted') === undefined ? undefined : resource
    })
    assert.match(conditionOf(refused, 'Accepted')?.message ?? '', /spec\.replicas: must be 3 or 5/)
    await lab.kubectl(['delete', 'paxosgroup', 'four'])
  })

  test('a pod is deleted under load', async (t) => {
    await underLoad(t, async () => {
      const { metadata } = await lab.kubectlJson<{ metadata: { uid: string } }>(['get', 'pod', `${NAME}-g0-1`])
      await lab.kubectl(['delete', 'pod', `${NAME}-g0-1`])
      await until('a new pod', async () => {
        const found = await lab.tryKubectl(['get', 'pod', `${NAME}-g0-1`, '--output', 'jsonpath={.metadata.uid}'])
        return found.code === 0 && found.stdout !== metadata.uid ? true : undefined
      })
      await settled()
    })
  })

  test('a pod and its claim are deleted under load: it learns under a new incarnation, and votes again', async (t) => {
    await underLoad(t, async () => {
      await lab.kubectl(['delete', 'pvc', `data-${NAME}-g0-2`, '--wait=false'])
      await lab.kubectl(['delete', 'pod', `${NAME}-g0-2`])
      const resource = await settled((one) => replicasOf(one)[2]?.incarnation?.startsWith('1:') === true)
      assert.equal(replicasOf(resource)[2]?.mode, 'Voter')
    })
  })

  test('another build is rolled out under load, while the operator that leads is killed', async (t) => {
    await underLoad(t, async () => {
      await apply(manifest({ image: `${REPOSITORY}:${BUILDS.second}` }))
      await until('mixed', async () => {
        const versions = new Set(replicasOf(await read()).map(({ version }) => version))
        return versions.has(BUILDS.first) && versions.has(BUILDS.second) ? true : undefined
      })
      await lab.kubectl(['delete', 'pod', '--namespace', OPERATOR_NAMESPACE, '--all', '--wait=false'])
      await settled((one) => replicasOf(one).every(({ version }) => version === BUILDS.second))
    })
  })

  test('a broken image stops after one replica, and is mended by writing a good one', async (t) => {
    await underLoad(t, async () => {
      await apply(manifest({ image: `${REPOSITORY}:nowhere` }))
      const stuck = await until('stuck', async () => {
        const resource = await read()
        return /nowhere|ErrImage|ImagePull/.test(conditionOf(resource, 'Degraded')?.message ?? '') ? resource : undefined
      })
      assert.equal(conditionOf(stuck, 'Available')?.status, 'True')
      assert.equal(replicasOf(stuck).filter(({ mode }) => mode === 'Voter').length, REPLICAS - 1)
      await apply(manifest({ image: `${REPOSITORY}:${BUILDS.second}` }))
      await settled()
    })
  })

  test('a node is drained under load, and comes back', async (t) => {
    await underLoad(t, async () => {
      await lab.kubectl(['drain', 'n2', '--ignore-daemonsets', '--delete-emptydir-data', '--timeout', '120s'])
      // A second drain would take the majority: the budget refuses it.
      const second = await lab.tryKubectl(['drain', 'n3', '--ignore-daemonsets', '--delete-emptydir-data', '--timeout', '5s'])
      assert.notEqual(second.code, 0)
      await lab.kubectl(['uncordon', 'n2', 'n3'])
      await settled()
    })
  })

  test('uninstalled and installed again, the resource deleted and made again: the data is there', async () => {
    await inPod(`${NAME}-g0-0`, ['put', '--endpoints', SERVICE, 'bob', '1732233600000-0', 'kept'])
    await lab.helm(['uninstall', 'thermocline', '--namespace', OPERATOR_NAMESPACE, '--wait'])
    assert.equal((await inPod(`${NAME}-g0-0`, ['get', '--endpoints', SERVICE, 'bob', '1732233600000-0'])).trim(), 'kept')
    await lab.kubectl(['delete', 'paxosgroup', NAME])
    await install()
    await apply(manifest({ image: `${REPOSITORY}:${BUILDS.second}` }))
    await settled()
    assert.equal((await inPod(`${NAME}-g0-0`, ['get', '--endpoints', SERVICE, 'bob', '1732233600000-0'])).trim(), 'kept')
  })
})
