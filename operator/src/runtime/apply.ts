/**
 * Server-side apply only if it would change something, so that a pass that finds nothing to change writes nothing.
 *
 * Two questions. Do we want what we last applied? The hash of that stands in an annotation, so a field that we stop naming
 * is seen. Is it still so? Each field that we name is compared with what the cache shows, so an edit by hand is undone.
 *
 * The server may write a value in a way that the comparison does not know; applying again would never end. So what still
 * differs in the answer to an apply is remembered, and not held against the object while we want the same.
 */
import { createHash } from 'node:crypto'
import { canonical } from './canonical.ts'
import { differences } from './difference.ts'
import type { Kube, KubeObject, Log, Resource } from './ports.ts'
import { keyOf, resourceName } from './resources.ts'

export const APPLIED_HASH = 'thermocline.dev/applied-hash'
/** Objects whose answers are remembered. */
const MAX_REMEMBERED = 10_000

export const hashOf = (value: unknown): string => createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16)

export type ApplyDecision =
  | { readonly act: 'none' }
  | {
      readonly act: 'apply'
      readonly object: KubeObject
      readonly why: 'absent' | 'changed' | 'drifted'
      readonly paths: readonly string[]
    }

export function decideApply(
  desired: KubeObject,
  current: KubeObject | undefined,
  tolerated: ReadonlySet<string> = new Set(),
  hash = hashOf(desired),
): ApplyDecision {
  const { metadata } = desired
  const object = { ...desired, metadata: { ...metadata, annotations: { ...metadata.annotations, [APPLIED_HASH]: hash } } }
  if (current === undefined) return { act: 'apply', object, why: 'absent', paths: [] }
  const paths = differences(desired, current).filter((path) => !tolerated.has(path))
  if (current.metadata.annotations?.[APPLIED_HASH] !== hash) return { act: 'apply', object, why: 'changed', paths }
  return paths.length === 0 ? { act: 'none' } : { act: 'apply', object, why: 'drifted', paths }
}

export interface Applied {
  readonly changed: boolean
  /** As the server has it now. */
  readonly object: KubeObject
}

export class Applier {
  private readonly kube: Kube
  private readonly log: Log
  private readonly onWrite: (resource: string) => void
  private readonly tolerated = new Map<string, { readonly hash: string; readonly paths: ReadonlySet<string> }>()

  constructor(kube: Kube, log: Log, onWrite: (resource: string) => void = () => {}) {
    this.kube = kube
    this.log = log
    this.onWrite = onWrite
  }

  /** `current` is what the cache shows. */
  async apply(resource: Resource, desired: KubeObject, current: KubeObject | undefined): Promise<Applied> {
    const key = `${resourceName(resource)} ${keyOf(desired.metadata)}`
    const hash = hashOf(desired)
    const known = this.tolerated.get(key)
    const decision = decideApply(desired, current, known?.hash === hash ? known.paths : undefined, hash)
    if (decision.act === 'none') return { changed: false, object: current as KubeObject }
    this.onWrite(resourceName(resource))
    const object = await this.kube.apply(resource, decision.object)
    this.log.debug({ object: key, why: decision.why, paths: decision.paths }, 'applied')
    this.remember(key, hash, differences(desired, object))
    return { changed: true, object }
  }

  private remember(key: string, hash: string, paths: readonly string[]): void {
    this.tolerated.delete(key)
    if (paths.length === 0) return
    this.log.warn({ object: key, paths }, 'the server has other values than those applied')
    this.tolerated.set(key, { hash, paths: new Set(paths) })
    const [oldest] = this.tolerated.keys()
    if (this.tolerated.size > MAX_REMEMBERED && oldest !== undefined) this.tolerated.delete(oldest)
  }
}
