/** What nodes say of themselves, each asked at its HTTP port: for clusters without Kubernetes. */
import type { Endpoint } from '../runtime/transport.ts'
import { MAX_ANSWER_BYTES } from './bounds.ts'
import { readText } from './http-text.ts'
import { contentOf } from './kube-reader.ts'
import { pathOf } from './paths.ts'
import type { Collecting } from './ports.ts'
import { NODE_PAGES } from './selection.ts'

export interface NodeAddress {
  /** `g0-r1` */
  readonly name: string
  /** host:port of its HTTP port. */
  readonly http: string
}

export async function collectNodes(nodes: readonly NodeAddress[], to: Collecting, timeoutMs: number): Promise<void> {
  if (nodes.length > 0) to.say(`${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}`)
  await to.addAll(
    nodes.flatMap(({ name, http }) => {
      const endpoint: Endpoint = { baseUrl: `http://${http}`, options: async () => ({}) }
      return NODE_PAGES.map(({ path, file }) => ({
        path: pathOf('nodes', name, file),
        source: `GET http://${http}${path}`,
        read: async () => contentOf(await readText(endpoint, { path, timeoutMs, maxBytes: MAX_ANSWER_BYTES, keep: 'beginning' })),
      }))
    }),
  )
}
