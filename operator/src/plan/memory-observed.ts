/** What one read pass over a MemoryGroup found, as plain data: the whole input of its plan. */
import type { Topology } from '@thermocline/protocol'
import type { MemoryGroupStatus } from '../api/memory-group.ts'
import type { MemoryLimit, ObservedNode, ObservedPod } from './observed.ts'

/** The part of a memory node's `/v1/admin/status` that is told. */
export interface MemoryFacts {
  readonly version: string
  readonly state: string
  readonly clusterId: string
  readonly group: number
  readonly machine: number
}

export interface ObservedMachine {
  readonly group: number
  readonly machine: number
  readonly pod: ObservedPod | undefined
  /** What the node itself says; undefined if it did not answer. */
  readonly facts: MemoryFacts | undefined
}

export interface ObservedMemorySet {
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  /** Uid of what it ends with; undefined once somebody has made an orphan of it. */
  readonly owner: string | undefined
  readonly templateHash: string | undefined
  readonly replicas: number
  /** Machines below it are not made anew by a change of the template. */
  readonly partition: number
  readonly isDeleting: boolean
}

export interface ObservedMemoryPart {
  readonly machines: readonly ObservedMachine[]
  readonly set: ObservedMemorySet | undefined
  /** Its Service or its budget is there. */
  readonly hasObjects: boolean
}

/** The cluster that is served, once its storage tier has begun. */
export interface ObservedStorage {
  readonly clusterId: string
  /** Storage groups in force. */
  readonly groups: number
  /** The newest topology that any node holds. */
  readonly topology: Topology | undefined
  /** Of every replica that there is, the epoch that it holds; undefined: it did not answer. */
  readonly epochs: readonly (number | undefined)[]
  /** The highest epoch that any topology may have been given. */
  readonly namedEpoch: number
  readonly limit: MemoryLimit | undefined
  /** Of the ConfigMap that the limit stands in. */
  readonly resourceVersion: string
}

export interface ObservedMemoryGroup {
  readonly nowMs: number
  readonly status: MemoryGroupStatus
  readonly generation: number
  readonly storage: ObservedStorage | undefined
  /** All groups that are wanted or there. */
  readonly parts: readonly ObservedMemoryPart[]
  readonly nodes: ReadonlyMap<string, ObservedNode>
}
