/** Redis: GET, MGET, SET and MSET at the primary; where replicas are to be waited for, a WAIT follows each write. */
import { VALUE_BYTES } from '../../workloads.ts'
import { checkValues, openPipelines, type Pipeline } from './pipeline.ts'
import { NAME_BYTES, type Outbox, Template } from './requests.ts'
import { RespParser } from './resp.ts'
import type { PageValue, Store } from './store.ts'

/** WAIT holds up all that follows on its connection, so writes that wait have some of their own, as a careful user's have. */
const WRITE_CONNECTIONS = 16
const WAIT_MS = 5000
const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`
const encoder = new TextEncoder()

const NAME = `$${NAME_BYTES}\r\n`
const GET = new Template(`*2\r\n${bulk('GET')}${NAME}`, '\r\n')
const KEY = new Template(NAME, '\r\n')
const KEY_AND_LENGTH = new Template(NAME, `\r\n$${VALUE_BYTES}\r\n`)
const LINE_END = encoder.encode('\r\n')

const heads = new Map<string, Uint8Array>()
/** How a command begins that has so many words. */
function headOf(command: string, words: number): Uint8Array {
  const text = `*${words}\r\n${bulk(command)}`
  const known = heads.get(text) ?? encoder.encode(text)
  heads.set(text, known)
  return known
}

export interface RedisOptions {
  readonly endpoint: string
  readonly connections: number
  /** Replicas that must have a write before it counts. */
  readonly replicas: number
  readonly pageValue: PageValue
}

export async function openRedis({ endpoint, connections, replicas, pageValue }: RedisOptions): Promise<Store> {
  const makeParser = (onReply: ConstructorParameters<typeof RespParser>[0]) => new RespParser(onReply)
  const readers = await openPipelines(endpoint, connections, makeParser)
  const writers = replicas === 0 ? readers : await openPipelines(endpoint, Math.min(connections, WRITE_CONNECTIONS), makeParser)
  const wait = encoder.encode(`*3\r\n${bulk('WAIT')}${bulk(String(replicas))}${bulk(String(WAIT_MS))}`)
  const mget = (outbox: Outbox, pages: readonly number[]): void => {
    outbox.bytes(headOf('MGET', pages.length + 1))
    for (const page of pages) outbox.page(KEY, page)
  }
  const mset = (outbox: Outbox, pages: readonly number[]): void => {
    outbox.bytes(pages.length === 1 ? headOf('SET', 3) : headOf('MSET', 2 * pages.length + 1))
    for (const page of pages) {
      outbox.page(KEY_AND_LENGTH, page)
      outbox.bytes(pageValue(page))
      outbox.bytes(LINE_END)
    }
    if (replicas > 0) outbox.bytes(wait)
  }
  const of = (pipelines: readonly Pipeline[], client: number) => pipelines[client % pipelines.length] as Pipeline
  return {
    async read(client, pages) {
      const outcome = await of(readers, client).call(1, (outbox) =>
        pages.length === 1 ? outbox.page(GET, pages[0] as number) : mget(outbox, pages),
      )
      checkValues(outcome, pages.length, VALUE_BYTES)
    },
    async write(client, pages) {
      const { integer } = await of(writers, client).call(replicas > 0 ? 2 : 1, (outbox) => mset(outbox, pages))
      if (integer < replicas) throw new Error(`${integer} replicas have the write after ${WAIT_MS} ms; wanted ${replicas}`)
    },
    close() {
      for (const pipeline of new Set([...readers, ...writers])) pipeline.close()
    },
  }
}
