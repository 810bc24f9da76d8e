/** A PaxosGroup as the builders see it: its spec with all defaults, and what the operator knows besides. */
import type { PaxosGroupSpec } from '../api/paxos-group.ts'
import type { Owner } from './object.ts'

export interface Cluster extends Owner {
  readonly kind: 'PaxosGroup'
  readonly spec: PaxosGroupSpec
  /** 32 hexadecimal digits. */
  readonly clusterId: string
  /** The domain of the Kubernetes cluster's DNS, like `cluster.local`. */
  readonly clusterDomain: string
  /** Image of nodes whose resource names none. */
  readonly defaultImage: string
  /** What the server knows disruption budgets as: `policy/v1`, or `policy/v1beta1` before 1.21. */
  readonly policyVersion: 'policy/v1' | 'policy/v1beta1'
}

/** Replicas that make a majority. */
export function quorumOf(replicas: number): number {
  return (replicas >> 1) + 1
}
