/**
 * What a list and its watch say is there, by key; each change tells which objects were touched, as they are and as they
 * were, so that the keys of both can be queued. Pure.
 */
import type { KubeObject, ObjectAt, ObjectList, WatchEvent } from './ports.ts'
import { keyOf } from './resources.ts'

export class ObjectCache {
  private objects = new Map<string, KubeObject>()
  /** Where a watch goes on; undefined: list first. */
  resourceVersion: string | undefined

  get(at: ObjectAt): KubeObject | undefined {
    return this.objects.get(keyOf(at))
  }

  all(): KubeObject[] {
    return [...this.objects.values()]
  }

  get size(): number {
    return this.objects.size
  }

  /** A list is the whole truth of its version: what it does not name is gone. */
  replace({ items, resourceVersion }: ObjectList): KubeObject[] {
    const old = this.objects
    this.objects = new Map(items.map((item) => [keyOf(item.metadata), slim(item)]))
    this.resourceVersion = resourceVersion
    const touched: KubeObject[] = []
    for (const [key, object] of this.objects) {
      const before = old.get(key)
      if (before !== undefined && isSame(before, object)) continue
      if (before !== undefined) touched.push(before)
      touched.push(object)
    }
    for (const [key, object] of old) if (!this.objects.has(key)) touched.push(object)
    return touched
  }

  note(event: WatchEvent): KubeObject[] {
    if (event.type === 'BOOKMARK') {
      this.resourceVersion = event.resourceVersion
      return []
    }
    const object = slim(event.object)
    const key = keyOf(object.metadata)
    const before = this.objects.get(key)
    this.resourceVersion = object.metadata.resourceVersion
    if (event.type === 'DELETED') this.objects.delete(key)
    else this.objects.set(key, object)
    return before === undefined ? [object] : [before, object]
  }
}

const isSame = (a: KubeObject, b: KubeObject): boolean =>
  a.metadata.uid === b.metadata.uid && a.metadata.resourceVersion === b.metadata.resourceVersion

/** Without the half of an object that nobody here reads. */
function slim(object: KubeObject): KubeObject {
  if (object.metadata.managedFields === undefined) return object
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, metadata }
}
