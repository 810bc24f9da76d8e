/** Routes that nodes of every role have: health, readiness, and the topology that they route by. */
import { ThermoclineError, type Topology } from '@thermocline/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { errorSchema } from './http-errors.ts'

const MAX_WAIT_MS = 60_000

export const failures = { '4xx': errorSchema, '5xx': errorSchema }
export const none = z.strictObject({})
const answer = z.object({ status: z.string(), reason: z.string().optional() })
const document = z.looseObject({ epoch: z.number().int(), clusterId: z.string() }).meta({ description: 'see the topology’s schema' })
const watch = z.strictObject({
  after: z.coerce.number().int().min(0).max(0xffffffff).optional().meta({ description: 'answer only with a newer epoch than this' }),
  waitMs: z.coerce.number().int().min(0).max(MAX_WAIT_MS).default(0).meta({ description: 'how long to wait for one' }),
})

export interface Health {
  readonly state: string
  /** Why it does not serve, in words. */
  readonly reason: string | undefined
}

export function addHealthRoutes(plain: FastifyInstance, health: () => Health): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  const schema = { tags: ['health'], querystring: none, response: { 200: answer, 503: answer } }
  app.get('/healthz', { schema: { summary: 'Is the process sound?', ...schema } }, async (_request, reply) => {
    const { state, reason } = health()
    return reply.code(state === 'failed' ? 503 : 200).send(reason === undefined ? { status: state } : { status: state, reason })
  })
  app.get('/readyz', { schema: { summary: 'Does it serve?', ...schema } }, async (_request, reply) => {
    const { state, reason } = health()
    return reply.code(state === 'serving' ? 200 : 503).send(reason === undefined ? { status: state } : { status: state, reason })
  })
}

export interface TopologyHolder {
  topology(): Topology | undefined
  /** Resolves when an epoch above `knownEpoch` is in force, or with undefined after `waitMs` or on abort. */
  watchTopology(knownEpoch: number, waitMs: number, signal: AbortSignal): Promise<Topology | undefined>
}

export function addTopologyRoute(plain: FastifyInstance, holder: TopologyHolder): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.get(
    '/v1/admin/topology',
    {
      schema: {
        summary: 'The topology in force; with after and waitMs a long poll for a newer one',
        tags: ['admin'],
        querystring: watch,
        response: { 200: document, 204: z.undefined().meta({ description: 'Nothing newer came' }), ...failures },
      },
    },
    async (request, reply) => {
      const { after, waitMs } = request.query
      const topology = after === undefined ? holder.topology() : await newer(holder, request, after, waitMs)
      if (topology !== undefined) return { ...topology }
      if (after !== undefined) return reply.code(204).send()
      throw new ThermoclineError('not_found', 'this node has no topology yet; its operator writes one with PUT to a storage node')
    },
  )
}

async function newer(holder: TopologyHolder, request: FastifyRequest, after: number, waitMs: number) {
  const current = holder.topology()
  if (current !== undefined && current.epoch > after) return current
  if (waitMs === 0) return undefined
  const gone = new AbortController()
  const onClose = () => gone.abort()
  request.raw.socket.once('close', onClose)
  try {
    return await holder.watchTopology(after, waitMs, gone.signal)
  } finally {
    request.raw.socket.removeListener('close', onClose)
  }
}
