/** What runs in simulated pods: the hooks by which simulated Thermocline nodes, or anything else, are attached. */
import type { KubeObject } from '../../src/runtime/ports.ts'

/** The disk behind a claim: outlives pods, goes with the claim. What is on it is the process's business. */
export interface SimVolume {
  readonly claimUid: string
  readonly claimName: string
  /** Where it can be mounted, if it can't move. */
  node: string | undefined
  readonly files: Map<string, unknown>
  /** What is behind the claim is gone. */
  isLost: boolean
}

export interface Start {
  readonly pod: KubeObject
  readonly node: string
  /** By the name of the claim. */
  readonly volumes: ReadonlyMap<string, SimVolume>
  /** Of this pod, so far. */
  readonly restarts: number
}

/** A running container. Give it more methods (an admin API) and find it by `SimCluster.processOf`. */
export interface PodProcess {
  /** What the readiness probe finds. */
  isReady(): boolean
  /** It ended by itself: it is started again. */
  hasExited?(): boolean
  /** Asked to end (SIGTERM), and ended when this returns; `isKilled`: it was not asked (power loss, force). */
  stop(isKilled: boolean): void
}

export type StartProcess<P extends PodProcess> = (start: Start) => P

/** A process that is ready at once. */
export const idleProcess = (): PodProcess => ({ isReady: () => true, stop: () => {} })
