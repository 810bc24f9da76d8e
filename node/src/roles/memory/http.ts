/** The HTTP port of a memory node: health, facts for people and the operator, figures for Prometheus, and pages for its peers. */
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import {
  addHealthRoutes,
  addTopologyRoute,
  allowedHosts,
  createHttpApp,
  failures,
  type HttpDoors,
  type HttpServer,
  none,
} from '../../admin/mod.ts'
import { VERSION } from '../../version.ts'
import type { MemoryConfig } from './config.ts'
import { figuresOf } from './figures.ts'
import { addHotPages } from './hot-pages.ts'
import type { MemoryNode } from './memory-node.ts'
import { MemoryMetrics } from './metrics.ts'
import { describeMemoryNode, memoryStatusSchema, reasonOf } from './status.ts'

export function createMemoryHttp(
  node: MemoryNode,
  config: MemoryConfig,
  doors: HttpDoors,
  logger?: FastifyBaseLogger,
): Promise<HttpServer> {
  return createHttpApp({
    title: 'Thermocline memory node',
    description: 'Health, status and metrics of a memory node',
    version: () => VERSION,
    logger,
    doors,
    hosts: allowedHosts(config.http, config.allowHosts),
    addRoutes: (app) => {
      addHealthRoutes(app, () => ({ state: node.state, reason: reasonOf(node) }))
      addStatusRoute(app, node, config)
      addTopologyRoute(app, node)
      addHotPages(app, node)
      addMetricsRoute(app, node, config)
    },
  })
}

function addStatusRoute(plain: FastifyInstance, node: MemoryNode, config: MemoryConfig): void {
  plain.withTypeProvider<ZodTypeProvider>().get(
    '/v1/admin/status',
    {
      schema: { summary: 'Facts about this node', tags: ['admin'], querystring: none, response: { 200: memoryStatusSchema, ...failures } },
    },
    async () => describeMemoryNode(node, config),
  )
}

function addMetricsRoute(app: FastifyInstance, node: MemoryNode, config: MemoryConfig): void {
  const metrics = new MemoryMetrics(node.validationTimes)
  app.get(
    '/metrics',
    { schema: { summary: 'Figures for Prometheus', tags: ['health'], querystring: z.strictObject({}) } },
    async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.text(figuresOf(node, config, node.wallMs()))),
  )
}
