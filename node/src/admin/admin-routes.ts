/** What operators ask of a storage node: health, readiness, status, digests, and the topology. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { parseTopology, ThermoclineError } from '@thermocline/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { addHealthRoutes, addTopologyRoute, failures, none } from './health-and-topology-routes.ts'
import type { AdminService } from './ports.ts'

/** A topology of 1000 groups of 5 replicas with long addresses fits. */
const MAX_TOPOLOGY_BYTES = 4 * 1024 * 1024

interface Target {
  readonly app: FastifyInstance
  readonly admin: AdminService
  /** Undefined refuses all admin writes. */
  readonly token: string | undefined
}

export function addAdminRoutes({ app: plain, admin, token }: Target): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()

  addHealthRoutes(plain, () => admin.status())

  app.get(
    '/v1/admin/status',
    { schema: { summary: 'Facts about this node', tags: ['admin'], querystring: none, response: { 200: z.looseObject({}), ...failures } } },
    async () => ({ ...admin.status() }),
  )

  const digest = z.object({ block: z.number().int(), index: z.number().int(), digest: z.string() })
  app.get(
    '/v1/admin/digests',
    {
      schema: {
        summary: 'Digests of all known blocks at their applied indexes',
        tags: ['admin'],
        querystring: none,
        response: { 200: z.object({ digests: z.array(digest) }), ...failures },
      },
    },
    async () => ({ digests: admin.digests() }),
  )

  addTopologyRoute(plain, admin)

  app.put(
    '/v1/admin/topology',
    {
      bodyLimit: MAX_TOPOLOGY_BYTES,
      // Before the body is read: who may not write need not upload.
      onRequest: async (request) => authorize(request, token),
      schema: {
        summary: 'Take over a newer topology',
        description: 'Needs the admin token. The epoch must be newer; the same epoch with the same content changes nothing.',
        tags: ['admin'],
        security: [{ token: [] }],
        querystring: none,
        response: { 200: z.object({ epoch: z.number().int() }), ...failures },
      },
    },
    async (request) => {
      const topology = parseTopology(parseJson(request.body))
      await admin.installTopology(topology)
      return { epoch: topology.epoch }
    },
  )
  addVolumeRoute({ app: plain, admin, token })
}

function addVolumeRoute({ app: plain, admin, token }: Target): void {
  const app = plain.withTypeProvider<ZodTypeProvider>()
  app.post(
    '/v1/admin/volume/set-aside',
    {
      onRequest: async (request) => authorize(request, token),
      schema: {
        summary: 'Move what is on a foreign volume aside',
        description:
          'Needs the admin token. Only while the state is `foreign`; nothing is deleted: the data directory is renamed, and the node starts anew on an empty one.',
        tags: ['admin'],
        security: [{ token: [] }],
        querystring: none,
        response: { 200: z.object({ path: z.string() }), ...failures },
      },
    },
    async () => ({ path: await admin.setVolumeAside() }),
  )
}

/** Compares hashes, so that neither length nor content leaks by timing. */
function authorize(request: FastifyRequest, token: string | undefined): void {
  // The scheme's case does not matter (RFC 9110), the token's does.
  const given = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const hash = (text: string) => createHash('sha256').update(text).digest()
  if (token === undefined)
    throw new ThermoclineError('unauthorized', 'this node was started without a token file and takes no admin writes')
  if (given === undefined || !timingSafeEqual(hash(given), hash(token))) {
    throw new ThermoclineError('unauthorized', given === undefined ? 'the Authorization header is missing' : 'the token is not this node’s')
  }
}

function parseJson(body: unknown): unknown {
  try {
    return JSON.parse(String(body))
  } catch (cause) {
    throw new ThermoclineError('invalid_argument', `body: is not JSON (${(cause as Error).message})`, { cause })
  }
}
