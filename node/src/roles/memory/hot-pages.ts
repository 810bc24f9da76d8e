/**
 * How a cache that begins empty gets what its peers hold hottest: ring by ring, over the HTTP port. Pages travel as they stand in
 * the peer's cache, with their checksums, and are checked for being pages where they come in; nothing of them is served without
 * validation, so that an old one costs no more than a missing one.
 */
import { MAX_GROUPS, placementOf, ThermoclineError } from '@thermocline/protocol'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { failures } from '../../admin/mod.ts'
import { abortAfter } from '../../io/abort-after.ts'
import type { Clock } from '../../io/ports.ts'
import { RINGS, type Tier } from '../../tier/tier.ts'
import type { MemoryWorld } from './world.ts'

export const HOT_PAGES_PATH = '/v1/cache/pages'
const POSITION_BYTES = 8
const FETCH_TIMEOUT_MS = 5000
/** Of one piece: what a peer copies at once (native/src/page_cache.cc, kCopyBytes) and the entry that passes it. */
const MAX_PIECE_BYTES = 2 * 1024 * 1024
/** Of what a peer says instead. */
const MAX_REASON_BYTES = 4096
const STARTING = 503

const whole = (most: number) => z.coerce.number().int().min(0).max(most)

const querySchema = z.strictObject({
  /** Whose pages they are: cluster, slices and history of both sides must be the same. */
  owner: z.string().max(200),
  /** Names the process that asks. */
  asker: z.string().max(64),
  /** Of so many memory groups, the one whose blocks are asked for. */
  groups: whole(MAX_GROUPS).min(1),
  group: whole(MAX_GROUPS - 1),
  ring: whole(RINGS - 1),
  position: whole(Number.MAX_SAFE_INTEGER),
})

export type HotPagesQuery = z.infer<typeof querySchema>

export interface HotPagesHost {
  readonly owner: string | undefined
  readonly nonce: string
  readonly tier: Tier | undefined
}

const schema = {
  summary: 'Pages of a ring of the cache, the hottest first; for peers that warm up',
  description: 'Bytes: u64 position to go on from, 0 at the ring’s end; then pages, as they stand in the cache.',
  tags: ['cache'],
  querystring: querySchema,
  response: { 200: z.unknown().meta({ description: 'application/octet-stream' }), ...failures },
}

export function addHotPages(app: FastifyInstance, host: HotPagesHost): void {
  app.withTypeProvider<ZodTypeProvider>().get(HOT_PAGES_PATH, { schema }, async (request, reply) => {
    const { owner, asker, groups, group, ring, position } = request.query
    const { tier } = host
    if (tier === undefined) throw new ThermoclineError('unavailable', 'the memory node is starting')
    if (owner !== host.owner) throw new ThermoclineError('wrong_cluster', `owner: ${owner}; this cache is of ${host.owner}`)
    if (asker === host.nonce) throw new ThermoclineError('wrong_role', 'asker: it is this process itself')
    const hot = tier.copyHot(ring, position, placementOf(groups).owner, group)
    const body = Buffer.alloc(POSITION_BYTES + hot.pages.length)
    body.writeBigUInt64LE(BigInt(hot.position))
    body.set(hot.pages, POSITION_BYTES)
    return reply.type('application/octet-stream').send(body)
  })
}

export interface HotPages {
  readonly position: number
  readonly pages: Uint8Array
}

/** The peer does not answer, and may later. */
export class NotNow extends Error {}

/** Fetches pieces of peers' rings over HTTP, each within a while (`MemoryWorld.fetchHotPages`). */
export function fetchHotPagesBy(clock: Clock): MemoryWorld['fetchHotPages'] {
  return async (http, query, signal) => {
    const bounded = abortAfter(clock, FETCH_TIMEOUT_MS, signal)
    try {
      return await fetchPiece(http, query, bounded.signal)
    } finally {
      bounded.cancel()
    }
  }
}

async function fetchPiece(http: string, query: HotPagesQuery, signal: AbortSignal): Promise<HotPages> {
  const parameters = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)] as [string, string]))
  const response = await fetch(`http://${http}${HOT_PAGES_PATH}?${parameters}`, { signal }).catch((cause: unknown) => {
    throw new NotNow(`${http}: it does not answer`, { cause })
  })
  if (!response.ok) {
    const reason = new TextDecoder().decode(await readBody(http, response, MAX_REASON_BYTES))
    throw response.status === STARTING ? new NotNow(`${http}: ${reason}`) : new Error(`${http}: ${response.status} ${reason}`)
  }
  const body = await readBody(http, response, MAX_PIECE_BYTES)
  if (body.length < POSITION_BYTES) throw new Error(`${http}: an answer of ${body.length} bytes; expected at least ${POSITION_BYTES}`)
  const position = Number(new DataView(body.buffer).getBigUint64(0, true))
  // Else a peer could keep this node from ever being warm.
  if (position !== 0 && position <= query.position)
    throw new Error(`${http}: goes on at ${position}; expected 0 or more than ${query.position}`)
  return { position, pages: body.subarray(POSITION_BYTES) }
}

async function readBody(http: string, response: Response, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(most)
  let length = 0
  for await (const chunk of response.body ?? []) {
    if (length + chunk.length > most) throw new Error(`${http}: an answer of more than ${most} bytes`)
    bytes.set(chunk, length)
    length += chunk.length
  }
  return bytes.subarray(0, length)
}
