/** What the API server refuses to change: the traps that an operator falls into. */
import { parseBytes } from '../../src/api/quantity.ts'
import type { KubeObject, Resource } from '../../src/runtime/ports.ts'
import { isSame } from './same.ts'

type Spec = Readonly<Record<string, unknown>>

const MUTABLE: Readonly<Record<string, readonly string[]>> = {
  StatefulSet: ['replicas', 'ordinals', 'template', 'updateStrategy', 'persistentVolumeClaimRetentionPolicy', 'minReadySeconds'],
  PersistentVolumeClaim: ['resources', 'volumeName'],
  Pod: ['nodeName', 'activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds'],
}

/** Why the change is refused, if it is. */
export function checkChange({ kind }: Resource, before: KubeObject, after: KubeObject): string | undefined {
  const mutable = MUTABLE[kind]
  if (mutable === undefined) return undefined
  const [old, now] = [(before.spec ?? {}) as Spec, (after.spec ?? {}) as Spec]
  for (const field of new Set([...Object.keys(old), ...Object.keys(now)])) {
    if (!mutable.includes(field) && !isSame(bySize(old[field]), bySize(now[field]))) {
      return `spec.${field}: may not be changed; only ${mutable.join(', ')} may`
    }
  }
  return undefined
}

/** A size is the same however it is spelled. */
function bySize(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null), (name, inner: unknown) =>
    name === 'storage' && typeof inner === 'string' ? parseBytes(inner) : inner,
  )
}
