/** What one read pass found, as plain data: the whole input of the plan. */
import type { Incarnation, Topology } from '@thermocline/protocol'
import type { MemoryGroupSpec } from '../api/memory-group.ts'
import type { PaxosGroupStatus } from '../api/paxos-group.ts'

/** The part of a node's `/v1/admin/status` that decisions rest on. */
export interface NodeFacts {
  readonly version: string
  readonly state: 'starting' | 'joining' | 'learning' | 'serving' | 'stopping' | 'failed' | 'foreign'
  readonly reason?: string | undefined
  readonly clusterId: string
  readonly group: number
  readonly replica: number
  /** While the state is `foreign`: whose the volume is, if it says so. */
  readonly owner?: VolumeName | undefined
  readonly incarnation: Incarnation
  /** `fresh`: no topology has filled the slot with this volume, and it has never voted. */
  readonly standing: 'fresh' | 'voter' | 'learner'
  readonly mode: 'Voter' | 'LearnerOnly' | 'Unknown'
  readonly epoch: number
  readonly chosenTotal: number
  readonly learner?:
    | { readonly blocks: number; readonly voting: number; readonly stuck: number; readonly etaMs?: number | undefined }
    | undefined
  readonly writes: { readonly state: 'accepted' | 'disk_full' | 'overloaded' }
}

/** What a volume says of itself. */
export interface VolumeName {
  readonly clusterId: string
  readonly group: number
  readonly replica: number
}

export interface ObservedPod {
  readonly name: string
  readonly uid: string
  readonly resourceVersion?: string | undefined
  /** Undefined until it is scheduled. */
  readonly node: string | undefined
  /** An address for the moment, never an identity. */
  readonly ip: string | undefined
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
  readonly isReady: boolean
  readonly isDeleting: boolean
  /** Hash of the template that it was made from. */
  readonly templateHash: string | undefined
  readonly createdAtMs: number
  /** Why it does not start: unschedulable, an image that can't be pulled, a container that ends again and again. */
  readonly trouble: string | undefined
}

export interface ObservedClaim {
  readonly name: string
  readonly uid: string
  readonly isBound: boolean
  readonly isDeleting: boolean
  readonly requestedBytes: number
  /** What the volume has, 0 before it is bound. */
  readonly capacityBytes: number
  readonly clusterId: string | undefined
  /** The only nodes that the volume can be used on, if it is tied to some; undefined if it is not, or is not known. */
  readonly pinnedTo: readonly string[] | undefined
  /** The volume behind the claim is gone. */
  readonly isLost: boolean
  /** It was seen to hold the data of others, which may be on it still: never deleted by the operator. */
  readonly holdsForeign: boolean
}

export interface ObservedNode {
  readonly isReady: boolean
  readonly isUnschedulable: boolean
  readonly zone: string
}

export interface ObservedReplica {
  readonly group: number
  readonly replica: number
  readonly pod: ObservedPod | undefined
  readonly claim: ObservedClaim | undefined
  /** What the node itself says; undefined if it did not answer, or has no volume of its own to speak of. */
  readonly facts: NodeFacts | undefined
  /** The node says that its volume is not its own. */
  readonly foreign?: { readonly owner: VolumeName | undefined } | undefined
}

export interface ObservedStatefulSet {
  readonly uid: string
  readonly templateHash: string | undefined
  /** Of the resource that it was made from. */
  readonly specHash: string | undefined
  /** Size in its claim template, which can't be edited. */
  readonly claimBytes: number
  readonly isDeleting: boolean
}

/** What a cluster begins with, and keeps. */
export interface Initial {
  /** Per group and replica. */
  readonly volumes: readonly (readonly Incarnation[])[]
  /** It is in every key. */
  readonly sliceDurationMs: number
}

/** Machines of a MemoryGroup beyond these are about to end: no topology that is made while this stands lists them. */
export interface MemoryLimit {
  /** Of the MemoryGroup. */
  readonly uid: string
  readonly groups: number
  readonly replicas: number
}

/** The ConfigMap that says what the cluster began with. */
export interface Bootstrap {
  readonly resourceVersion: string
  readonly clusterId: string
  /** Once all first volumes were there. */
  readonly initial: Initial | undefined
  /** The highest epoch that a topology may have been given, 0 for none: it outlives the resource, as the volumes do. */
  readonly epoch: number
  readonly memoryLimit?: MemoryLimit | undefined
}

/** The MemoryGroup that serves the cluster, as far as the topology depends on it. */
export interface ObservedMemory {
  readonly name: string
  readonly uid: string
  /** Undefined: it is paused, or says what cannot be; what the topology has of it stays. */
  readonly spec: MemoryGroupSpec | undefined
  /** By name. */
  readonly pods: ReadonlyMap<string, ObservedPod>
}

export interface Observed {
  readonly nowMs: number
  readonly status: PaxosGroupStatus
  readonly generation: number
  readonly bootstrap: Bootstrap | undefined
  /** Per group, all its slots. */
  readonly groups: readonly (readonly ObservedReplica[])[]
  readonly statefulSets: readonly (ObservedStatefulSet | undefined)[]
  /** By name; empty if the operator may not see nodes. */
  readonly nodes: ReadonlyMap<string, ObservedNode>
  readonly canSeeNodes: boolean
  /** The newest topology that any node holds. */
  readonly topology: Topology | undefined
  /** `unknown`: MemoryGroups could not be read yet; what the topology says of them stays. */
  readonly memory: ObservedMemory | 'none' | 'unknown'
}
