/** One PaxosGroup on a real Kubernetes, as its owner sees it: installed by helm, changed by kubectl, watched by its status. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Images, imagesFor } from './builds.ts'
import { CHART, parseManifests } from './chart.ts'
import { type Comparison, compareRights, grantedRights, type Right, rightsUsedByMetrics } from './granted-verbs.ts'
import type { HistoryReport } from './history-load.ts'
import { HubLoad } from './hub-load.ts'
import type { Lab } from './lab.ts'

export const OPERATOR_NAMESPACE = 'thermocline-system'
export const NAME = 'orders'
export const SERVICE = `${NAME}-storage.default.svc.cluster.local:7400`
export const REPLICAS = 3
/** What the operator does for MemoryGroups alone. */
export const MEMORY_RIGHTS: readonly Right[] = [
  'get memorygroups',
  'patch memorygroups/status',
  'delete services',
  'delete poddisruptionbudgets',
]
const IN_NAMESPACE = ['--namespace', OPERATOR_NAMESPACE] as const
const OPERATORS = [...IN_NAMESPACE, '--selector', 'app.kubernetes.io/component=operator'] as const
const LEASE = 'thermocline-operator'
/** Guards against a hang only: what a step takes is printed. */
const STEP_TIMEOUT_MS = 240_000
const POLL_MS = 500

export interface ReplicaStatus {
  readonly replica: number
  readonly mode: string
  readonly version?: string
  readonly incarnation?: string
}

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

export interface Resource {
  readonly metadata: { readonly generation: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly phase?: string
    readonly topologyEpoch?: number
    readonly groupStatuses?: readonly { readonly replicas: readonly ReplicaStatus[] }[]
    readonly conditions?: readonly Condition[]
    readonly jobs?: readonly { readonly type: string; readonly step: string; readonly message: string }[]
  }
}

export const replicasOf = ({ status }: Resource): readonly ReplicaStatus[] =>
  status?.groupStatuses?.flatMap(({ replicas }) => replicas) ?? []
export const conditionOf = ({ status }: Resource, type: string): Condition | undefined =>
  status?.conditions?.find((one) => one.type === type)
export const podOfReplica = (replica: number): string => `${NAME}-g0-${replica}`
export const claimOfReplica = (replica: number): string => `data-${NAME}-g0-${replica}`

export class StorageCluster {
  readonly lab: Lab
  readonly images: Images
  private readonly used = new Set<Right>()

  private constructor(lab: Lab, images: Images) {
    this.lab = lab
    this.images = images
  }

  /** Installs the operator on a cluster that is up. */
  static async make(lab: Lab): Promise<StorageCluster> {
    const cluster = new StorageCluster(lab, await imagesFor(lab))
    await cluster.install('cluster')
    return cluster
  }

  /** The operator may act everywhere, or with a Role in our namespace alone. */
  async install(scope: 'cluster' | 'namespace'): Promise<void> {
    const [repository, tag] = splitImage(this.images.first)
    await this.lab.helm([
      ...['upgrade', '--install', 'thermocline', CHART, '--namespace', OPERATOR_NAMESPACE, '--create-namespace'],
      // Old servers refuse what they do not know of a definition, unless nothing is validated.
      ...['--server-side=false', '--set', `image.repository=${repository},image.tag=${tag}`],
      ...['--set', scope === 'cluster' ? 'rbac.scope=cluster' : 'rbac.scope=namespace,namespaces={default}', '--wait', '--timeout', '3m'],
    ])
  }

  /** The resource, with other fields of its spec. */
  async apply(spec: Record<string, unknown> = {}): Promise<void> {
    await this.lab.kubectl(['apply', '--filename', '-'], { stdin: this.manifest(spec) })
  }

  manifest(spec: Record<string, unknown> = {}, name = NAME): string {
    return JSON.stringify({
      apiVersion: 'thermocline.dev/v1alpha1',
      kind: 'PaxosGroup',
      metadata: { name, namespace: 'default' },
      spec: {
        groups: 1,
        replicas: REPLICAS,
        image: this.images.first,
        storage: { size: '2Gi' },
        resources: { requests: { cpu: '50m', memory: '256Mi' }, limits: { memory: '512Mi' } },
        replaceAfter: '15s',
        ...spec,
      },
    })
  }

  read(name = NAME): Promise<Resource> {
    return this.lab.kubectlJson<Resource>(['get', 'paxosgroup', name])
  }

  async until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const untilMs = performance.now() + STEP_TIMEOUT_MS
    for (;;) {
      const found = await look()
      if (found !== undefined) return found
      if (performance.now() > untilMs) assert.fail(`not ${what} after ${STEP_TIMEOUT_MS} ms:\n${await this.describe()}`)
      await delay(POLL_MS)
    }
  }

  /** The resource, once its status says so. */
  untilStatus(what: string, holds: (resource: Resource) => boolean, name = NAME): Promise<Resource> {
    return this.until(what, async () => {
      const resource = await this.read(name)
      return holds(resource) ? resource : undefined
    })
  }

  /** As the resource says, and every replica votes. */
  settled(also: (resource: Resource) => boolean = () => true): Promise<Resource> {
    return this.untilStatus('running with every replica a voter', (resource) => {
      const isCurrent = resource.status?.observedGeneration === resource.metadata.generation
      return isCurrent && resource.status?.phase === 'Running' && also(resource)
    })
  }

  /** Runs the step under load; nothing may fail, and the history must be linearizable. */
  async underLoad(t: TestContext, step: (load: HubLoad) => Promise<void>): Promise<HistoryReport> {
    const load = await HubLoad.start(this.lab, SERVICE)
    const beganMs = performance.now()
    try {
      await step(load)
      await delay(500)
    } catch (error) {
      await load.stop()
      throw error
    }
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(1)
    const report = await load.stop()
    t.diagnostic(`${seconds} s, ${report.operations} operations, longest gap ${report.longestGapMs} ms`)
    assert.deepEqual(report.failures, [])
    assert.equal(report.verdict, 'linearizable')
    return report
  }

  /** Ends the operator that leads, in the lab by SIGKILL, so that it gives nothing back. What it did so far is noted. */
  async killOperator(): Promise<void> {
    await this.noteRights()
    const { spec } = await this.lab.kubectlJson<{ spec: { holderIdentity: string } }>(['get', 'lease', LEASE, ...IN_NAMESPACE])
    const leader = (await this.operatorPods()).find((pod) => spec.holderIdentity.startsWith(pod))
    if (leader === undefined) throw new Error(`no operator's pod is named as the lease's holder, ${spec.holderIdentity}`)
    if (this.lab.isOwn) await this.lab.killContainer(OPERATOR_NAMESPACE, leader)
    else await this.lab.kubectl(['delete', 'pod', leader, ...IN_NAMESPACE, '--force', '--grace-period', '0'])
  }

  /** Rights that the release grants against those that the operators of this cluster used. */
  async compareRights(rare: readonly Right[]): Promise<Comparison> {
    await this.noteRights()
    const manifest = await this.lab.helm(['get', 'manifest', 'thermocline', '--namespace', OPERATOR_NAMESPACE])
    return compareRights(grantedRights(parseManifests(manifest)), this.used, rare)
  }

  /** For compareRights: an operator's figures end with it. */
  async noteRights(): Promise<void> {
    for (const pod of await this.operatorPods()) {
      const path = `/api/v1/namespaces/${OPERATOR_NAMESPACE}/pods/${pod}:8080/proxy/metrics`
      // One that starts or ends has no figures to give.
      const { stdout, code } = await this.lab.tryKubectl(['get', '--raw', path])
      if (code === 0) for (const right of rightsUsedByMetrics(stdout)) this.used.add(right)
    }
  }

  private async operatorPods(): Promise<string[]> {
    const { items } = await this.lab.kubectlJson<{ items: { metadata: { name: string } }[] }>(['get', 'pods', ...OPERATORS])
    return items.map(({ metadata }) => metadata.name)
  }

  inPod(replica: number, args: readonly string[]): Promise<string> {
    return this.lab.kubectl(['exec', podOfReplica(replica), '--', 'thermocline', ...args])
  }

  async uidOf(kind: string, name: string): Promise<string | undefined> {
    const { code, stdout } = await this.lab.tryKubectl(['get', kind, name, '--output', 'jsonpath={.metadata.uid}'])
    return code === 0 ? stdout : undefined
  }

  async nodeOf(replica: number): Promise<string> {
    return await this.lab.kubectl(['get', 'pod', podOfReplica(replica), '--output', 'jsonpath={.spec.nodeName}'])
  }

  private async describe(): Promise<string> {
    const all = [
      ['get', 'paxosgroups,pods,pvc,nodes', '--output', 'wide'],
      ['get', 'paxosgroup', NAME, '--output', 'jsonpath={.status}'],
      ['logs', ...OPERATORS, '--tail', '15'],
    ]
    return (await Promise.all(all.map((args) => this.lab.tryKubectl(args)))).map(({ stdout, stderr }) => stdout + stderr).join('\n')
  }
}

function splitImage(image: string): [repository: string, tag: string] {
  const at = image.lastIndexOf(':')
  return [image.slice(0, at), image.slice(at + 1)]
}
