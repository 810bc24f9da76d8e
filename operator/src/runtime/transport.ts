/**
 * One HTTP request at a time, with its time-out. `node:http` rather than fetch: the agent, the certificates and the proxy
 * that a kubeconfig names are options of it. Nothing is tried again here.
 */
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { type RequestOptions, request as requestHttps } from 'node:https'
import { MAX_ANSWER_BYTES } from './bounds.ts'

/** The API server, and how to be let in: asked before every request, since tokens are renewed. */
export interface Endpoint {
  readonly baseUrl: string
  options(): Promise<RequestOptions>
}

export interface HttpRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly contentType?: string
  /** What may be answered: JSON unless said. */
  readonly accept?: string
  readonly body?: string | undefined
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: string
}

export class HttpTimeout extends Error {
  override readonly name = 'HttpTimeout'
}

/** Resolves with the headers; the time-out is over then, and the caller reads the body or destroys it. */
export async function openRequest(endpoint: Endpoint, asked: HttpRequest): Promise<IncomingMessage> {
  const url = new URL(endpoint.baseUrl.replace(/\/$/, '') + asked.path)
  const own = await endpoint.options()
  const body = asked.body === undefined ? undefined : Buffer.from(asked.body)
  const options: RequestOptions = {
    ...own,
    method: asked.method,
    headers: {
      ...own.headers,
      accept: asked.accept ?? 'application/json',
      'user-agent': 'thermocline-operator',
      ...(body === undefined ? {} : { 'content-type': asked.contentType ?? 'application/json', 'content-length': body.length }),
    },
    ...(asked.signal === undefined ? {} : { signal: asked.signal }),
  }
  return new Promise((resolve, reject) => {
    const request: ClientRequest = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options)
    const timer = setTimeout(() => request.destroy(new HttpTimeout(`no answer within ${asked.timeoutMs} ms`)), asked.timeoutMs)
    request.on('response', (response) => {
      clearTimeout(timer)
      resolve(response)
    })
    request.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    request.end(body)
  })
}

/** The whole answer, within the time-out. */
export async function exchange(endpoint: Endpoint, asked: HttpRequest): Promise<HttpAnswer> {
  const startedMs = performance.now()
  const response = await openRequest(endpoint, asked)
  const leftMs = Math.max(1, asked.timeoutMs - (performance.now() - startedMs))
  const timer = setTimeout(() => response.destroy(new HttpTimeout(`no whole answer within ${asked.timeoutMs} ms`)), leftMs)
  try {
    return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body: await bodyOf(response) }
  } finally {
    clearTimeout(timer)
  }
}

/** Text of what follows the headers, if it is not endless. */
export async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`an answer of over ${MAX_ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
