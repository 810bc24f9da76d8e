/** `/healthz`, `/readyz` and `/metrics` of the operator. */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'

/** Nobody has anything to upload. */
const MAX_BODY_BYTES = 1024
const HEAD_TIMEOUT_MS = 5000
const REQUEST_TIMEOUT_MS = 10_000
const CHECK_MS = 1000

export interface HealthOptions {
  /** A reason why the process should be restarted, if there is one. */
  readonly unhealthy: () => string | undefined
  /** A reason why it does not do its work yet, if there is one. A candidate that does not lead is ready. */
  readonly unready: () => string | undefined
  readonly registry: Registry
}

export function createHealthServer({ unhealthy, unready, registry }: HealthOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: HEAD_TIMEOUT_MS, connectionsCheckingInterval: CHECK_MS },
  })
  const answer = (path: string, reasonOf: () => string | undefined): void => {
    app.get(path, async (_request, reply) => {
      const reason = reasonOf()
      return reply
        .code(reason === undefined ? 200 : 503)
        .type('text/plain')
        .send(reason ?? 'ok')
    })
  }
  answer('/healthz', unhealthy)
  answer('/readyz', unready)
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
  return app
}
