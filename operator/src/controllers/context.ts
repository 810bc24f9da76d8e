/** What a pass is handed. */
import type { Topology } from '@thermocline/protocol'
import type { NodeAdmin } from '../cluster-admin/node-admin.ts'
import type { PodTemplateGrants } from '../plan/pod-template-grants.ts'
import type { Applier, EventRecorder, Resource, World } from '../runtime/mod.ts'
import type { Cluster } from '../specs/cluster.ts'
import type { OperatorMetrics } from '../telemetry/metrics.ts'
import type { Watches } from './watches.ts'

export interface ReconcileContext extends World {
  readonly watches: Watches
  readonly admin: NodeAdmin
  readonly applier: Applier
  readonly events: EventRecorder
  readonly metrics: OperatorMetrics
  readonly budgets: Resource
  readonly policyVersion: Cluster['policyVersion']
  readonly topologies: Map<string, Topology>
  readonly secretsWrittenMs: Map<string, number>
  readonly tokenKey: string
  readonly clusterDomain: string
  readonly defaultImage: string
  /** What podTemplates may set. */
  readonly podTemplateGrants: PodTemplateGrants
  /** False once another operator may lead: nothing more is written. */
  readonly isLeading: () => boolean
}
