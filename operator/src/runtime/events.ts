/**
 * Tells people what the operator does, as Events of the core group: those every version from 1.20 to 1.36 takes, and whose
 * count `kubectl describe` shows. Telling never fails and never holds up a reconcile: what the server refuses is dropped.
 */

import { type EventEntry, EventLog, type Happening } from './event-log.ts'
import { isNotFound } from './kube-error.ts'
import type { KubeObject, World } from './ports.ts'
import { RESOURCES } from './resources.ts'
import { sleep } from './sleep.ts'

export interface EventSource {
  /** Who speaks: `thermocline-operator`. */
  readonly component: string
  /** This process. */
  readonly instance: string
}

export class EventRecorder {
  private readonly world: World
  private readonly source: EventSource
  private readonly log = new EventLog()
  private readonly stopping = new AbortController()
  private writing: Promise<void> | undefined
  private named = 0

  constructor(world: World, source: EventSource) {
    this.world = world
    this.source = source
  }

  record(happening: Happening): void {
    if (this.stopping.signal.aborted) return
    this.log.note(happening, this.world.clock.wallMs())
    this.writing ??= this.write().finally(() => {
      this.writing = undefined
    })
  }

  /** What waits for its turn is dropped. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.writing
  }

  private async write(): Promise<void> {
    const { clock, log } = this.world
    const { signal } = this.stopping
    while (!signal.aborted) {
      const next = this.log.next(clock.nowMs())
      if (next === undefined) return
      if ('waitMs' in next) {
        await sleep(clock, next.waitMs, signal)
        continue
      }
      try {
        await this.writeOne(next)
      } catch (error) {
        log.debug({ reason: next.reason, error: String(error) }, 'an event was not written')
      }
    }
  }

  private async writeOne(entry: EventEntry): Promise<void> {
    const { kube } = this.world
    const namespace = entry.object.metadata.namespace ?? 'default'
    const counted = { count: entry.count, lastTimestamp: seconds(entry.lastMs) }
    if (entry.writtenAs !== undefined) {
      try {
        await kube.patch(RESOURCES.events, { namespace, name: entry.writtenAs }, counted)
        return
      } catch (error) {
        // The server forgets events after an hour.
        if (!isNotFound(error)) throw error
      }
    }
    const name = this.nameOf(entry)
    await kube.create(RESOURCES.events, { ...this.eventOf(entry, namespace, name), ...counted })
    entry.writtenAs = name
  }

  private nameOf({ object }: EventEntry): string {
    const unique = [this.world.clock.wallMs(), this.named++, this.world.random() * 0xffffffff].map((part) => Math.floor(part).toString(16))
    return `${object.metadata.name}.${unique.join('')}`
  }

  private eventOf({ object, type, reason, message, firstMs }: EventEntry, namespace: string, name: string): KubeObject {
    const { component, instance } = this.source
    const { name: objectName, namespace: objectNamespace, uid, resourceVersion } = object.metadata
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        ...(objectNamespace === undefined ? {} : { namespace: objectNamespace }),
        name: objectName,
        uid,
        resourceVersion,
      },
      type,
      reason,
      message,
      source: { component },
      reportingComponent: component,
      reportingInstance: instance,
      firstTimestamp: seconds(firstMs),
    }
  }
}

/** Kubernetes' Time has no fractions. */
const seconds = (wallMs: number): string => new Date(wallMs).toISOString().replace(/\.\d+Z$/, 'Z')
