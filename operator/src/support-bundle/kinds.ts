/** Kinds that are collected and that the operator itself has no business with. Pure. */

import type { Resource } from '../runtime/ports.ts'
import { RESOURCES } from '../runtime/resources.ts'

const apps = { group: 'apps', version: 'v1', namespaced: true } as const

export const KINDS = {
  ...RESOURCES,
  deployments: { ...apps, kind: 'Deployment', plural: 'deployments' },
  replicaSets: { ...apps, kind: 'ReplicaSet', plural: 'replicasets' },
  endpointSlices: { group: 'discovery.k8s.io', version: 'v1', kind: 'EndpointSlice', plural: 'endpointslices', namespaced: true },
  volumeAttachments: { group: 'storage.k8s.io', version: 'v1', kind: 'VolumeAttachment', plural: 'volumeattachments', namespaced: false },
} as const satisfies Record<string, Resource>

/** What older servers know these by: before 1.21. */
export const OLDER_VERSIONS: Readonly<Record<string, string>> = { poddisruptionbudgets: 'v1beta1', endpointslices: 'v1beta1' }
