/** GET of text, within a time and a size: the beginning or the end of what is longer. A refusal is an error that says why. */
import { type Endpoint, HttpTimeout, openRequest } from '../runtime/transport.ts'

export interface TextRequest {
  readonly path: string
  readonly timeoutMs: number
  readonly accept?: string
  readonly maxBytes: number
  /** What is kept of a longer text. */
  readonly keep: 'beginning' | 'end'
}

export interface Text {
  readonly text: string
  /** Bytes that are not in the text. */
  readonly droppedBytes: number
  /** The rest did not come in time. */
  readonly isUnfinished: boolean
}

export class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * A text that has begun to come is worth having though it never ends: a log of a kubelet that hangs, metrics of a node that dies.
 * @throws HttpRefusal for any status but 200; HttpTimeout; Error without an answer.
 */
export async function readText(endpoint: Endpoint, { path, timeoutMs, accept = '*/*', maxBytes, keep }: TextRequest): Promise<Text> {
  const startedMs = performance.now()
  const response = await openRequest(endpoint, { method: 'GET', path, accept, timeoutMs })
  const leftMs = Math.max(1, timeoutMs - (performance.now() - startedMs))
  const timer = setTimeout(() => response.destroy(new HttpTimeout(`no whole answer within ${timeoutMs} ms`)), leftMs)
  const kept = new KeptBytes(maxBytes, keep)
  let isUnfinished = false
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      kept.push(chunk)
      if (kept.isFull) break
    }
  } catch (error) {
    if (kept.bytes === 0) throw error
    isUnfinished = true
  } finally {
    clearTimeout(timer)
  }
  const status = response.statusCode ?? 0
  if (status !== 200) throw new HttpRefusal(status, refusalOf(status, kept.text()))
  return { text: kept.text(), droppedBytes: kept.droppedBytes, isUnfinished }
}

/** Some bytes of many. */
class KeptBytes {
  bytes = 0
  droppedBytes = 0
  private readonly chunks: Buffer[] = []
  private readonly most: number
  private readonly keep: 'beginning' | 'end'

  constructor(most: number, keep: 'beginning' | 'end') {
    this.most = most
    this.keep = keep
  }

  /** No further byte can be kept. */
  get isFull(): boolean {
    return this.keep === 'beginning' && this.droppedBytes > 0
  }

  push(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.bytes += chunk.length
    while (this.bytes > this.most) {
      const at = this.keep === 'end' ? 0 : this.chunks.length - 1
      const victim = this.chunks[at] as Buffer
      const excess = Math.min(this.bytes - this.most, victim.length)
      if (excess === victim.length) this.chunks.splice(at, 1)
      else this.chunks[at] = this.keep === 'end' ? victim.subarray(excess) : victim.subarray(0, victim.length - excess)
      this.bytes -= excess
      this.droppedBytes += excess
    }
  }

  /** An end begins with a whole line, so that no half of a word or of a secret is left. */
  text(): string {
    const text = Buffer.concat(this.chunks).toString('utf8')
    return this.keep === 'end' && this.droppedBytes > 0 ? text.slice(text.indexOf('\n') + 1) : text
  }
}

/** `403 Forbidden: pods is forbidden: …`, from a Status of Kubernetes, an error of a node, or whatever a proxy says. */
export function refusalOf(status: number, body: string): string {
  let said: { reason?: unknown; code?: unknown; message?: unknown } = {}
  try {
    said = (JSON.parse(body) ?? {}) as typeof said
  } catch {
    said = { message: body }
  }
  const word = typeof said.reason === 'string' ? said.reason : typeof said.code === 'string' ? said.code : ''
  const message = typeof said.message === 'string' && said.message.trim() !== '' ? said.message.trim() : 'no message'
  return `${status}${word === '' ? '' : ` ${word}`}: ${message}`
}
