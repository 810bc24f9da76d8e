/**
 * The Kubernetes API as a bundle needs it: lists that end somewhere, names of Secrets without their data, logs, and pages of pods
 * through the API server's proxy. Reads only. `HttpKube` is for a controller: it wants all or nothing, and JSON.
 */
import type { KubeObject, Resource } from '../runtime/ports.ts'
import { collectionPath, groupVersionOf, objectPath, RESOURCES } from '../runtime/resources.ts'
import type { Endpoint } from '../runtime/transport.ts'
import {
  LOG_LINES,
  LONG_ANSWER,
  MAX_ANSWER_BYTES,
  MAX_LOG_BYTES,
  MAX_LOG_TRANSFER_BYTES,
  MAX_LOOKED_AT,
  MAX_OBJECTS,
  MAX_PAGE_BYTES,
  PAGE_OBJECTS,
} from './bounds.ts'
import { readText, type Text } from './http-text.ts'
import type { Content } from './ports.ts'

/** Only names and labels leave the server, in whatever version of it. */
const NAMES_ONLY = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'

export interface ListScope {
  /** Undefined: all. */
  readonly namespace?: string | undefined
  readonly labelSelector?: string | undefined
  readonly keep?: (object: KubeObject) => boolean
}

export interface Listed {
  readonly items: readonly KubeObject[]
  /** Why these are not all. */
  readonly partial: string | undefined
}

interface Page {
  readonly items?: readonly KubeObject[]
  readonly metadata?: { readonly continue?: string }
}

export class KubeReader {
  private readonly endpoint: Endpoint
  private readonly timeoutMs: number

  constructor(endpoint: Endpoint, timeoutMs: number) {
    this.endpoint = endpoint
    this.timeoutMs = timeoutMs
  }

  /** @throws HttpRefusal and others, with what to say of it. */
  async json(path: string, accept = 'application/json'): Promise<unknown> {
    const text = await readText(this.endpoint, { path, accept, timeoutMs: this.timeoutMs, maxBytes: MAX_PAGE_BYTES, keep: 'beginning' })
    const flaw = flawOf(text)
    if (flaw !== undefined) throw new Error(flaw)
    try {
      return JSON.parse(text.text)
    } catch (cause) {
      throw new Error(`the answer is not JSON: ${text.text.slice(0, 100)}`, { cause })
    }
  }

  async get(kind: Resource, at: { readonly namespace?: string; readonly name: string }): Promise<KubeObject> {
    return (await this.json(objectPath(kind, at))) as KubeObject
  }

  /** Pages, until there is enough. @throws if not even the first page can be had. */
  list(kind: Resource, scope: ListScope): Promise<Listed> {
    return this.pages(kind, scope, 'application/json')
  }

  /** Objects with their metadata only. */
  names(kind: Resource, scope: ListScope): Promise<Listed> {
    return this.pages(kind, scope, NAMES_ONLY)
  }

  private async pages(kind: Resource, { namespace, labelSelector, keep = () => true }: ListScope, accept: string): Promise<Listed> {
    const items: KubeObject[] = []
    let lookedAt = 0
    let from = ''
    const endMs = performance.now() + this.timeoutMs * LONG_ANSWER
    do {
      const query = new URLSearchParams({ limit: String(PAGE_OBJECTS) })
      if (labelSelector !== undefined) query.set('labelSelector', labelSelector)
      if (from !== '') query.set('continue', from)
      let page: Page
      try {
        page = (await this.json(`${collectionPath(kind, namespace)}?${query}`, accept)) as Page
        if (!Array.isArray(page.items)) throw new Error('the answer is not a list')
      } catch (error) {
        if (lookedAt === 0) throw error
        return { items, partial: `after ${lookedAt} objects: ${(error as Error).message}` }
      }
      lookedAt += page.items.length
      // Items of a typed list don't say what they are.
      for (const item of page.items) if (keep(item)) items.push({ apiVersion: groupVersionOf(kind), kind: kind.kind, ...item })
      from = page.metadata?.continue ?? ''
    } while (from !== '' && items.length < MAX_OBJECTS && lookedAt < MAX_LOOKED_AT && performance.now() < endMs)
    return { items, partial: from === '' ? undefined : `only the first ${lookedAt} objects were looked at` }
  }

  /** The end of a container's log. */
  async log(pod: KubeObject, container: string, previous: boolean): Promise<Content> {
    const query = new URLSearchParams({ container, tailLines: String(LOG_LINES), limitBytes: String(MAX_LOG_TRANSFER_BYTES) })
    if (previous) query.set('previous', 'true')
    const path = `${objectPath(RESOURCES.pods, pod.metadata)}/log?${query}`
    return contentOf(await readText(this.endpoint, { path, timeoutMs: this.timeoutMs * LONG_ANSWER, maxBytes: MAX_LOG_BYTES, keep: 'end' }))
  }

  /** A page that a pod serves by HTTP, through the API server. */
  async page(pod: KubeObject, port: number, path: string): Promise<Content> {
    const at = `${objectPath(RESOURCES.pods, pod.metadata)}:${port}`
    const text = await readText(this.endpoint, {
      path: `${at}/proxy${path}`,
      timeoutMs: this.timeoutMs,
      maxBytes: MAX_ANSWER_BYTES,
      keep: 'beginning',
    })
    return contentOf(text)
  }
}

function flawOf({ droppedBytes, isUnfinished }: Text): string | undefined {
  if (isUnfinished) return 'the answer broke off'
  return droppedBytes > 0 ? 'the answer is too long' : undefined
}

/** As an item has it: a part is better than nothing. */
export function contentOf(text: Text): Content {
  return { body: text.text, partial: text.droppedBytes > 0 ? `longer than what is kept, ${text.text.length} characters` : flawOf(text) }
}
