/** How replicas find each other, and clients the cluster. */
import { DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT } from '@thermocline/protocol'
import { clientServiceName, groupName } from '../api/names.ts'
import type { Cluster } from './cluster.ts'
import { type KubeObject, metaOf, selectorLabels } from './object.ts'

export const NODE_PORTS = [
  { name: 'data', port: DEFAULT_DATA_PORT, targetPort: 'data', protocol: 'TCP' },
  { name: 'http', port: DEFAULT_HTTP_PORT, targetPort: 'http', protocol: 'TCP' },
]

/** Gives each replica of a group a name of its own, ready or not: a replica that learns must be reached, too. */
export function groupService(cluster: Cluster, group: number): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metaOf(cluster, groupName(cluster.name, group), { group }),
    spec: { clusterIP: 'None', publishNotReadyAddresses: true, ports: NODE_PORTS, selector: selectorLabels(cluster, group) },
  }
}

/** Where clients begin: any replica that votes tells them the topology. */
export function clientService(cluster: Cluster): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metaOf(cluster, clientServiceName(cluster.name)),
    spec: { type: 'ClusterIP', ports: NODE_PORTS, selector: selectorLabels(cluster) },
  }
}
