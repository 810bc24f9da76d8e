/** What evictions may take of a group: as many replicas as leave a majority. Ready pods are those that vote. */
import { groupName } from '../api/names.ts'
import { type Cluster, quorumOf } from './cluster.ts'
import { type KubeObject, metaOf, selectorLabels } from './object.ts'

export function disruptionBudget(cluster: Cluster, group: number): KubeObject {
  return {
    apiVersion: cluster.policyVersion,
    kind: 'PodDisruptionBudget',
    metadata: metaOf(cluster, groupName(cluster.name, group), { group }),
    spec: { minAvailable: quorumOf(cluster.spec.replicas), selector: { matchLabels: selectorLabels(cluster, group) } },
  }
}
