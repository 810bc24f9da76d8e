/**
 * The scheduler and the kubelets: pods get a node, volumes are bound, containers start, become ready, end and are restarted.
 * A node that loses power takes its processes with it; its pods stay in the API, not ready, then terminating, until the node
 * returns or is deleted, or somebody removes them by force. That is where operators get stuck, so it is simulated as it is.
 */
import type { KubeObject, ObjectAt } from '../../src/runtime/ports.ts'
import { keyOf, RESOURCES } from '../../src/runtime/resources.ts'
import { claimNames } from './garbage-collector.ts'
import type { NodeFleet } from './node-fleet.ts'
import type { PodProcess, SimVolume, StartProcess } from './pod-process.ts'
import { type Condition, conditionOf, withCondition } from './pod-status.ts'
import { isSame } from './same.ts'
import type { Scheduler } from './scheduler.ts'
import type { Store } from './store.ts'

export interface KubeletTimes {
  /** From the pod's being on a node to its container's start. */
  readonly startMs: readonly [number, number]
  /** From SIGTERM to the end, if the grace period is longer. */
  readonly stopMs: readonly [number, number]
  readonly restartMs: readonly [number, number]
}

export const KUBELET_TIMES: KubeletTimes = { startMs: [500, 5000], stopMs: [200, 5000], restartMs: [1000, 10_000] }

interface Running<P> {
  readonly uid: string
  readonly at: ObjectAt
  readonly node: string
  process: P | undefined
  /** When the next thing happens to it. */
  nextMs: number
  restarts: number
  isStopping: boolean
  /** What was last looked at: while that is the same there is nothing to report. */
  reported: string
}

export class Kubelets<P extends PodProcess> {
  /** Images that can't be pulled. */
  readonly brokenImages = new Set<string>()
  /** By claim uid. */
  readonly volumes = new Map<string, SimVolume>()
  /** A volume stays on the node where it was first mounted. */
  areVolumesLocal = true
  private readonly store: Store
  private readonly scheduler: Scheduler
  private readonly fleet: NodeFleet
  private readonly start: StartProcess<P>
  private readonly times: KubeletTimes
  /** The revision at which volumes were last looked at. */
  private seen = -1
  /** By pod uid. */
  private readonly pods = new Map<string, Running<P>>()

  constructor(parts: { store: Store; scheduler: Scheduler; fleet: NodeFleet; start: StartProcess<P>; times: KubeletTimes }) {
    this.store = parts.store
    this.scheduler = parts.scheduler
    this.fleet = parts.fleet
    this.start = parts.start
    this.times = parts.times
  }

  /** The container of a pod, if it runs and its node is reached. */
  processOf(at: ObjectAt): P | undefined {
    const pod = this.store.get(RESOURCES.pods, at)
    const running = pod && this.pods.get(pod.metadata.uid as string)
    return running !== undefined && this.fleet.isReachable(running.node) ? running.process : undefined
  }

  tick(): void {
    if (this.seen !== this.store.revision) this.tendVolumes()
    this.seen = this.store.revision
    const there = new Set<string>()
    for (const pod of this.store.all(RESOURCES.pods)) {
      there.add(pod.metadata.uid as string)
      const { nodeName } = pod.spec as { nodeName?: string }
      if (nodeName === undefined) this.schedule(pod)
      else if (this.fleet.isReachable(nodeName)) this.runPod(pod, nodeName)
    }
    // Removed by force: the kubelet kills what still runs, once it hears of it.
    for (const [uid, running] of this.pods) {
      if (there.has(uid) || !this.fleet.isReachable(running.node)) continue
      running.process?.stop(true)
      this.pods.delete(uid)
    }
  }

  /** The processes of a node end without warning. */
  losePower(node: string): void {
    for (const running of this.pods.values()) {
      if (running.node !== node) continue
      running.process?.stop(true)
      running.process = undefined
      running.restarts++
      running.nextMs = 0
    }
  }

  /** The storage behind a claim is gone: Kubernetes calls the claim lost, and nothing that uses it runs any more. */
  loseVolume(claim: KubeObject): void {
    const volume = this.volumes.get(claim.metadata.uid as string)
    if (volume === undefined || volume.isLost) return
    volume.isLost = true
    this.store.delete(RESOURCES.persistentVolumes, { name: `pv-${volume.claimUid}` })
    this.store.amend(RESOURCES.persistentVolumeClaims, claim.metadata, { status: { phase: 'Lost' } }, 'status')
    for (const running of this.pods.values()) {
      const pod = this.store.get(RESOURCES.pods, running.at)
      if (pod === undefined || pod.metadata.uid !== running.uid || !this.lacksVolume(pod)) continue
      running.process?.stop(true)
      running.process = undefined
      running.restarts++
    }
  }

  private lacksVolume(pod: KubeObject): boolean {
    return claimNames(pod).some((name) => this.volumeOf(pod, name)[0]?.[1].isLost === true)
  }

  private schedule(pod: KubeObject): void {
    if (pod.metadata.deletionTimestamp !== undefined) return
    const { namespace } = pod.metadata
    const claims = claimNames(pod).map((name) => this.store.get(RESOURCES.persistentVolumeClaims, { namespace, name }))
    if (claims.some((claim) => claim === undefined || claim.metadata.deletionTimestamp !== undefined)) return
    const pins = claims.map((claim) => this.volumes.get(claim?.metadata.uid as string)?.node)
    const nodeName = this.lacksVolume(pod) ? undefined : this.fleet.choose(pod, new Set(pins.filter((node) => node !== undefined)))
    const { conditions = [] } = (pod.status ?? {}) as { conditions?: Condition[] }
    const scheduled = { type: 'PodScheduled', status: nodeName === undefined ? 'False' : 'True', lastTransitionTime: this.now() }
    const reason = nodeName === undefined ? { reason: 'Unschedulable' } : {}
    const next = withCondition(conditions, { ...scheduled, ...reason })
    this.store.amend(RESOURCES.pods, pod.metadata, { status: { phase: 'Pending', conditions: next } }, 'status')
    if (nodeName === undefined) return
    this.store.amend(RESOURCES.pods, pod.metadata, { spec: { nodeName } })
    for (const claim of claims) this.bind(claim as KubeObject, nodeName)
  }

  private bind(claim: KubeObject, node: string): void {
    const claimUid = claim.metadata.uid as string
    if (this.volumes.has(claimUid)) return
    const volume = {
      claimUid,
      claimName: claim.metadata.name,
      node: this.areVolumesLocal ? node : undefined,
      files: new Map<string, unknown>(),
      isLost: false,
    }
    this.volumes.set(claimUid, volume)
    this.store.create(RESOURCES.persistentVolumes, persistentVolume(`pv-${claimUid}`, volume.node))
    const annotations = { 'volume.kubernetes.io/selected-node': node }
    this.store.amend(RESOURCES.persistentVolumeClaims, claim.metadata, {
      metadata: { annotations },
      spec: { volumeName: `pv-${claimUid}` },
    })
    this.store.amend(
      RESOURCES.persistentVolumeClaims,
      claim.metadata,
      { status: { phase: 'Bound', capacity: wantedCapacity(claim) } },
      'status',
    )
  }

  /** Claims that are gone take their data with them; those that shall grow, grow. */
  private tendVolumes(): void {
    const claims = this.store.all(RESOURCES.persistentVolumeClaims)
    const uids = new Set(claims.map(({ metadata }) => metadata.uid))
    for (const uid of this.volumes.keys()) {
      if (uids.has(uid)) continue
      this.volumes.delete(uid)
      this.store.delete(RESOURCES.persistentVolumes, { name: `pv-${uid}` })
    }
    for (const claim of claims) {
      if (this.volumes.get(claim.metadata.uid as string)?.isLost !== false) continue
      this.store.amend(RESOURCES.persistentVolumeClaims, claim.metadata, { status: { capacity: wantedCapacity(claim) } }, 'status')
    }
  }

  private runPod(pod: KubeObject, node: string): void {
    const { nowMs } = this.scheduler
    const running = this.runningOf(pod, node)
    if (pod.metadata.deletionTimestamp !== undefined) {
      this.endPod(pod, running)
      return
    }
    if (running.process?.hasExited?.() === true) {
      running.process = undefined
      running.restarts++
      running.nextMs = nowMs + this.scheduler.random.between(...this.times.restartMs)
    }
    if (running.process === undefined && nowMs >= running.nextMs && !this.isImageBroken(pod) && !this.lacksVolume(pod)) {
      const volumes = new Map(claimNames(pod).flatMap((name) => this.volumeOf(pod, name)))
      running.process = this.start({ pod, node, volumes, restarts: running.restarts })
    }
    this.report(pod, running)
  }

  private runningOf(pod: KubeObject, node: string): Running<P> {
    const uid = pod.metadata.uid as string
    let running = this.pods.get(uid)
    if (running === undefined) {
      const { namespace, name } = pod.metadata
      const nextMs = this.scheduler.nowMs + this.scheduler.random.between(...this.times.startMs)
      running = { uid, at: { namespace, name }, node, process: undefined, nextMs, restarts: 0, isStopping: false, reported: '' }
      this.pods.set(uid, running)
    }
    return running
  }

  private endPod(pod: KubeObject, running: Running<P>): void {
    const { nowMs, random } = this.scheduler
    const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000
    if (!running.isStopping) {
      running.isStopping = true
      running.nextMs = nowMs + Math.min(graceMs, random.between(...this.times.stopMs))
    }
    if (nowMs < running.nextMs && running.process !== undefined) return
    running.process?.stop(false)
    running.process = undefined
    this.pods.delete(running.uid)
    this.store.delete(RESOURCES.pods, pod.metadata, { uid: running.uid, gracePeriodSeconds: 0 })
  }

  private volumeOf(pod: KubeObject, name: string): [string, SimVolume][] {
    const claim = this.store.get(RESOURCES.persistentVolumeClaims, { namespace: pod.metadata.namespace, name })
    const volume = claim && this.volumes.get(claim.metadata.uid as string)
    return volume === undefined ? [] : [[name, volume]]
  }

  private isImageBroken(pod: KubeObject): boolean {
    return containersOf(pod).some(({ image }) => image !== undefined && this.brokenImages.has(image))
  }

  private report(pod: KubeObject, running: Running<P>): void {
    const { process, restarts, at } = running
    const ready = process?.isReady() === true
    const found = `${ready} ${process !== undefined} ${restarts} ${pod.metadata.resourceVersion}`
    if (found === running.reported) return
    running.reported = found
    const state =
      process === undefined
        ? { waiting: { reason: this.isImageBroken(pod) ? 'ImagePullBackOff' : restarts > 0 ? 'CrashLoopBackOff' : 'ContainerCreating' } }
        : { running: {} }
    const containerStatuses = containersOf(pod).map(({ name, image }) => ({ name, image, ready, restartCount: restarts, state }))
    const { conditions = [], phase } = (pod.status ?? {}) as { conditions?: Condition[]; phase?: string }
    const next = withCondition(conditions, { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: this.now() })
    const status = {
      phase: process !== undefined || phase === 'Running' ? 'Running' : 'Pending',
      podIP: `10.0.${hashOfText(keyOf(at)) % 256}.${hashOfText(pod.metadata.uid as string) % 256}`,
      conditions: next,
      containerStatuses,
    }
    if (conditionOf(pod, 'Ready') === undefined || !isSame(pod.status, status)) {
      this.store.amend(RESOURCES.pods, at, { status }, 'status')
    }
  }

  private now(): string {
    return new Date(this.scheduler.wallMs).toISOString()
  }
}

const containersOf = ({ spec }: KubeObject): { name: string; image?: string }[] =>
  (spec as { containers?: { name: string; image?: string }[] }).containers ?? []

/** Tied to its node, if it is. */
function persistentVolume(name: string, node: string | undefined): KubeObject {
  const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }]
  const spec = node === undefined ? {} : { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } } }
  return { apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name }, spec }
}

const wantedCapacity = ({ spec }: KubeObject): object =>
  (spec as { resources?: { requests?: object } } | undefined)?.resources?.requests ?? {}

function hashOfText(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) >>> 0
  return hash
}
