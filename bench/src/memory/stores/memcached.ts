/** memcached's text protocol: `get` with one name or many; several sets go out together and are answered one by one. */
import { VALUE_BYTES } from '../../workloads.ts'
import { MemcachedParser } from './memcached-text.ts'
import { checkValues, openPipelines, type Pipeline } from './pipeline.ts'
import { Template } from './requests.ts'
import type { PageValue, Store } from './store.ts'

const encoder = new TextEncoder()
const GET_ONE = new Template('get ', '\r\n')
const GET = encoder.encode('get')
const NAME = new Template(' ', '')
const LINE_END = encoder.encode('\r\n')
const SET = new Template('set ', ` 0 0 ${VALUE_BYTES}\r\n`)

export interface MemcachedOptions {
  readonly endpoint: string
  readonly connections: number
  readonly pageValue: PageValue
}

export async function openMemcached({ endpoint, connections, pageValue }: MemcachedOptions): Promise<Store> {
  const pipelines = await openPipelines(endpoint, connections, (onReply) => new MemcachedParser(onReply))
  const of = (client: number) => pipelines[client % pipelines.length] as Pipeline
  return {
    async read(client, pages) {
      const outcome = await of(client).call(1, (outbox) => {
        if (pages.length === 1) return outbox.page(GET_ONE, pages[0] as number)
        outbox.bytes(GET)
        for (const page of pages) outbox.page(NAME, page)
        outbox.bytes(LINE_END)
      })
      checkValues(outcome, pages.length, VALUE_BYTES)
    },
    async write(client, pages) {
      await of(client).call(pages.length, (outbox) => {
        for (const page of pages) {
          outbox.page(SET, page)
          outbox.bytes(pageValue(page))
          outbox.bytes(LINE_END)
        }
      })
    },
    close() {
      for (const pipeline of pipelines) pipeline.close()
    },
  }
}
