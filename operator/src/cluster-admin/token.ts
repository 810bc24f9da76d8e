/**
 * The token by which a cluster's nodes know the operator: made from the operator's key and the cluster's name and id, so that it
 * need not be stored, and the Secret that hands it to the nodes is written and never read.
 */
import { createHmac } from 'node:crypto'

export function adminToken(key: string, at: { readonly namespace: string; readonly name: string; readonly clusterId: string }): string {
  return createHmac('sha256', key)
    .update(JSON.stringify([at.namespace, at.name, at.clusterId]))
    .digest('hex')
}
