/**
 * The Kubernetes API over HTTP, by generic objects: no class per kind and version, so one code serves every version of the
 * server and every custom resource. Watches are answers that never end, one JSON object per line.
 */
import type { IncomingMessage } from 'node:http'
import { LIST_PAGE, MAX_ANSWER_BYTES, MAX_LIST_PAGES, MAX_RETRY_AFTER_MS, REQUEST_TIMEOUT_MS, WATCH_OPEN_TIMEOUT_MS } from './bounds.ts'
import { factsOf } from './discovery.ts'
import { JsonLines } from './json-lines.ts'
import { type Asked, isNotFound, KubeError } from './kube-error.ts'
import type {
  DeleteOptions,
  Eviction,
  Kube,
  KubeObject,
  MergePatch,
  ObjectAt,
  ObjectList,
  Resource,
  Scope,
  ServerFacts,
  WatchEvent,
  WatchOptions,
} from './ports.ts'
import { collectionPath, keyOf, objectPath, RESOURCES, resourceName } from './resources.ts'
import { bodyOf, type Endpoint, exchange, type HttpAnswer, HttpTimeout, openRequest } from './transport.ts'

export interface HttpKubeOptions {
  readonly fieldManager: string
  /** Told of every request: the status, or 0 without an answer. */
  readonly onRequest?: (verb: string, resource: string, status: number) => void
  readonly timeoutMs?: number
}

interface Call {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly contentType?: string
}

const APPLY = 'application/apply-patch+yaml'
const MERGE = 'application/merge-patch+json'

export class HttpKube implements Kube {
  private readonly endpoint: Endpoint
  private readonly fieldManager: string
  private readonly onRequest: (verb: string, resource: string, status: number) => void
  private readonly timeoutMs: number
  private facts: Promise<ServerFacts> | undefined

  constructor(endpoint: Endpoint, { fieldManager, onRequest = () => {}, timeoutMs = REQUEST_TIMEOUT_MS }: HttpKubeOptions) {
    this.endpoint = endpoint
    this.fieldManager = fieldManager
    this.onRequest = onRequest
    this.timeoutMs = timeoutMs
  }

  discover(): Promise<ServerFacts> {
    this.facts ??= this.readFacts().catch((error: unknown) => {
      this.facts = undefined
      throw error
    })
    return this.facts
  }

  private async readFacts(): Promise<ServerFacts> {
    const read = (path: string): Promise<unknown> => this.call({ verb: 'get', resource: path }, { method: 'GET', path })
    return factsOf({ version: await read('/version'), core: await read('/api'), groups: await read('/apis') })
  }

  /** Every client that may discover may read both. Version 3 is small, one document per group; servers before 1.24 have 2 alone. */
  async openApi({ group, version }: Resource): Promise<unknown> {
    const read = (path: string): Promise<unknown> => this.call({ verb: 'get', resource: '/openapi' }, { method: 'GET', path })
    try {
      return await read(group === '' ? `/openapi/v3/api/${version}` : `/openapi/v3/apis/${group}/${version}`)
    } catch (error) {
      if (!isNotFound(error)) throw error
      return await read('/openapi/v2')
    }
  }

  async list(resource: Resource, scope: Scope = {}): Promise<ObjectList> {
    const asked: Asked = { verb: 'list', resource: resourceName(resource) }
    const items: KubeObject[] = []
    let from: string | undefined
    for (let page = 0; page < MAX_LIST_PAGES; page++) {
      const query = queryOf({ labelSelector: scope.labelSelector, limit: String(LIST_PAGE), continue: from })
      const path = `${collectionPath(resource, scope.namespace)}${query}`
      const answer = (await this.call(asked, { method: 'GET', path })) as Partial<RawList>
      if (!Array.isArray(answer.items) || typeof answer.metadata?.resourceVersion !== 'string') {
        throw new KubeError(asked, { status: 0, reason: 'BadAnswer', message: 'expected a list with items and a resourceVersion' })
      }
      // Items of a typed list don't say what they are.
      for (const item of answer.items) items.push({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...item } as KubeObject)
      from = answer.metadata.continue
      if (from === undefined || from === '') return { items, resourceVersion: answer.metadata.resourceVersion }
    }
    throw new KubeError(asked, { status: 0, reason: 'BadAnswer', message: `over ${LIST_PAGE * MAX_LIST_PAGES} objects; narrow the scope` })
  }

  async watch(resource: Resource, options: WatchOptions, onEvent: (event: WatchEvent) => void): Promise<void> {
    const asked: Asked = { verb: 'watch', resource: resourceName(resource) }
    if (options.signal.aborted) return
    const query = queryOf({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
      labelSelector: options.labelSelector,
    })
    try {
      const response = await this.openWatch(asked, {
        method: 'GET',
        path: `${collectionPath(resource, options.namespace)}${query}`,
        timeoutMs: Math.min(this.timeoutMs, WATCH_OPEN_TIMEOUT_MS),
        signal: options.signal,
      })
      await readEvents(asked, response, onEvent, options.signal)
    } catch (error) {
      if (!options.signal.aborted) throw asKubeError(asked, error)
    }
  }

  /** Counted when it begins: it may last for minutes. */
  private async openWatch(asked: Asked, request: Parameters<typeof openRequest>[1]): ReturnType<typeof openRequest> {
    let status = 0
    try {
      const response = await openRequest(this.endpoint, request)
      status = response.statusCode ?? 0
      if (status === 200) return response
      throw errorOf(asked, { status, retryAfter: response.headers['retry-after'], body: await bodyOf(response) })
    } finally {
      this.onRequest(asked.verb, asked.resource, status)
    }
  }

  async get(resource: Resource, at: ObjectAt): Promise<KubeObject | undefined> {
    try {
      return await this.object('get', resource, at, { method: 'GET', path: objectPath(resource, at) })
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  create(resource: Resource, object: KubeObject): Promise<KubeObject> {
    const path = `${collectionPath(resource, object.metadata.namespace)}${queryOf({ fieldManager: this.fieldManager })}`
    return this.object('create', resource, object.metadata, { method: 'POST', path, body: object })
  }

  apply(resource: Resource, object: KubeObject): Promise<KubeObject> {
    return this.applyAt(resource, object, '')
  }

  applyStatus(resource: Resource, object: KubeObject): Promise<KubeObject> {
    return this.applyAt(resource, object, '/status')
  }

  private applyAt(resource: Resource, object: KubeObject, subresource: string): Promise<KubeObject> {
    const query = queryOf({ fieldManager: this.fieldManager, force: 'true' })
    const path = `${objectPath(resource, object.metadata)}${subresource}${query}`
    return this.object('apply', resource, object.metadata, { method: 'PATCH', path, body: object, contentType: APPLY }, subresource)
  }

  patch(resource: Resource, at: ObjectAt, patch: MergePatch): Promise<KubeObject> {
    return this.patchAt(resource, at, patch, '')
  }

  patchStatus(resource: Resource, at: ObjectAt, patch: MergePatch): Promise<KubeObject> {
    return this.patchAt(resource, at, patch, '/status')
  }

  private patchAt(resource: Resource, at: ObjectAt, patch: MergePatch, subresource: string): Promise<KubeObject> {
    const path = `${objectPath(resource, at)}${subresource}${queryOf({ fieldManager: this.fieldManager })}`
    return this.object('patch', resource, at, { method: 'PATCH', path, body: patch, contentType: MERGE }, subresource)
  }

  async delete(resource: Resource, at: ObjectAt, options: DeleteOptions = {}): Promise<boolean> {
    const asked: Asked = { verb: 'delete', resource: resourceName(resource), name: keyOf(at) }
    try {
      await this.call(asked, { method: 'DELETE', path: objectPath(resource, at), body: deleteBody(options) })
      return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  }

  async evict(pod: ObjectAt, options: DeleteOptions = {}): Promise<Eviction> {
    const { policyVersion } = await this.discover()
    const asked: Asked = { verb: 'evict', resource: 'pods', name: keyOf(pod) }
    const body = { apiVersion: `policy/${policyVersion}`, kind: 'Eviction', metadata: { ...pod }, deleteOptions: deleteBody(options) }
    try {
      await this.call(asked, { method: 'POST', path: `${objectPath(RESOURCES.pods, pod)}/eviction`, body })
      return 'evicted'
    } catch (error) {
      if (isNotFound(error)) return 'absent'
      if (error instanceof BudgetRefusal) return 'refused'
      throw error
    }
  }

  private async object(verb: string, resource: Resource, at: ObjectAt, call: Call, subresource = ''): Promise<KubeObject> {
    const asked: Asked = { verb, resource: `${resourceName(resource)}${subresource}`, name: keyOf(at) }
    const answer = (await this.call(asked, call)) as KubeObject
    if (typeof answer?.metadata?.name !== 'string') {
      throw new KubeError(asked, { status: 0, reason: 'BadAnswer', message: 'expected an object with metadata' })
    }
    return answer
  }

  /** The JSON of an answer in the 200s. */
  private async call(asked: Asked, { method, path, body, contentType = 'application/json' }: Call): Promise<unknown> {
    let status = 0
    try {
      const text = body === undefined ? undefined : JSON.stringify(body)
      const answer = await exchange(this.endpoint, { method, path, contentType, body: text, timeoutMs: this.timeoutMs })
      status = answer.status
      if (status < 200 || status > 299) throw errorOf(asked, answer)
      return JSON.parse(answer.body)
    } catch (error) {
      throw asKubeError(asked, error)
    } finally {
      this.onRequest(asked.verb, asked.resource, status)
    }
  }
}

interface RawList {
  readonly items: readonly object[]
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string }
}

/** A 429 that a disruption budget gave, not an overloaded server. */
class BudgetRefusal extends KubeError {}

const apiVersionOf = ({ group, version }: Resource): string => (group === '' ? version : `${group}/${version}`)

function queryOf(values: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) if (value !== undefined) query.set(name, value)
  return `?${query}`
}

function deleteBody({ uid, resourceVersion, gracePeriodSeconds, propagation = 'Background' }: DeleteOptions): object {
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    propagationPolicy: propagation,
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(uid === undefined && resourceVersion === undefined ? {} : { preconditions: { uid, resourceVersion } }),
  }
}

/** Ends in peace with the stream, or throws what broke it. */
async function readEvents(
  asked: Asked,
  response: IncomingMessage,
  onEvent: (event: WatchEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const lines = new JsonLines(MAX_ANSWER_BYTES)
  for await (const chunk of response as AsyncIterable<Buffer>) {
    for (const value of lines.push(chunk)) {
      if (signal.aborted) return
      onEvent(eventOf(asked, value))
    }
  }
}

function eventOf(asked: Asked, value: unknown): WatchEvent {
  const { type, object } = value as { type?: string; object?: unknown }
  if (type === 'ERROR') {
    const status = (object as Partial<RawStatus> | undefined)?.code ?? 500
    throw errorOf(asked, { status, retryAfter: undefined, body: JSON.stringify(object) })
  }
  const { metadata } = (object ?? {}) as Partial<KubeObject>
  if (metadata?.resourceVersion !== undefined) {
    if (type === 'BOOKMARK') return { type, resourceVersion: metadata.resourceVersion }
    if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') return { type, object: object as KubeObject }
  }
  throw new KubeError(asked, { status: 0, reason: 'BadAnswer', message: `expected an event with an object, got type ${String(type)}` })
}

interface RawStatus {
  readonly code: number
  readonly reason: string
  readonly message: string
  readonly details: { readonly retryAfterSeconds?: number; readonly causes?: readonly { readonly reason?: string }[] }
}

/** The error of an answer that is none of the 200s. A proxy in between answers other things than a Status. */
function errorOf(asked: Asked, { status, retryAfter, body }: HttpAnswer): KubeError {
  let said: Partial<RawStatus> = {}
  try {
    said = (JSON.parse(body) ?? {}) as Partial<RawStatus>
  } catch {
    said = { message: body.slice(0, 200) }
  }
  const seconds = Number(retryAfter ?? said.details?.retryAfterSeconds)
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : undefined
  const isBudget = status === 429 && said.details?.causes?.some(({ reason }) => reason === 'DisruptionBudget') === true
  return new (isBudget ? BudgetRefusal : KubeError)(asked, {
    status,
    reason: said.reason ?? (status === 410 ? 'Expired' : 'Unknown'),
    message: said.message ?? 'no message',
    retryAfterMs,
  })
}

function asKubeError(asked: Asked, error: unknown): KubeError {
  if (error instanceof KubeError) return error
  const reason = error instanceof HttpTimeout ? 'TimedOut' : error instanceof SyntaxError ? 'BadAnswer' : 'Unreachable'
  return new KubeError(asked, { status: 0, reason, message: error instanceof Error ? error.message : String(error), cause: error })
}
