/** Who a node is in Kubernetes, and the token by which it knows the operator. */
import { adminSecretName } from '../api/names.ts'
import type { Cluster } from './cluster.ts'
import { type KubeObject, metaOf } from './object.ts'
import { serviceAccountName, TOKEN_KEY } from './pod.ts'

/** Has no rights: a node asks Kubernetes nothing. */
export function serviceAccount(cluster: Cluster): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metaOf(cluster, serviceAccountName(cluster)),
    automountServiceAccountToken: false,
  }
}

export function adminSecret(cluster: Cluster, token: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metaOf(cluster, adminSecretName(cluster.name)),
    type: 'Opaque',
    data: { [TOKEN_KEY]: btoa(token) },
  }
}
