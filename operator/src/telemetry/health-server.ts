/** `/healthz`, `/readyz` and `/metrics` of the operator. */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'

export interface HealthOptions {
  /** A reason why the process should be restarted, if there is one. */
  readonly unhealthy: () => string | undefined
  /** A reason why it does not do its work yet, if there is one. A candidate that does not lead is ready. */
  readonly unready: () => string | undefined
  readonly registry: Registry
}

export function createHealthServer({ unhealthy, unready, registry }: HealthOptions): FastifyInstance {
  const app = Fastify({ logger: false })
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
