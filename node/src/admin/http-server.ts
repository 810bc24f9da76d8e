/** The HTTP port of a storage node. */
import type { FastifyBaseLogger } from 'fastify'
import { addAdminRoutes } from './admin-routes.ts'
import type { AllowedHosts } from './asked-host.ts'
import { addDataRoutes } from './data-routes.ts'
import { createHttpApp, type HttpServer } from './http-app.ts'
import type { HttpDoors } from './http-traffic.ts'
import { addMetricsRoute } from './metrics.ts'
import type { AdminService, DataService } from './ports.ts'

export interface HttpServerOptions {
  readonly data: DataService
  readonly admin: AdminService
  /** Names the requests of writes. */
  readonly randomHex: (bytes: number) => string
  /** What admin writes must carry as bearer token; undefined refuses them all. */
  readonly token: string | undefined
  readonly doors: HttpDoors
  /** Names that the port answers to. */
  readonly hosts: AllowedHosts
  readonly logger?: FastifyBaseLogger | undefined
}

export function createHttpServer({ data, admin, randomHex, token, doors, hosts, logger }: HttpServerOptions): Promise<HttpServer> {
  return createHttpApp({
    title: 'Thermocline node',
    description: 'Admin and data API of one replica',
    version: () => admin.status().version,
    logger,
    doors,
    hosts,
    addRoutes: (app) => {
      addAdminRoutes({ app, admin, token })
      addDataRoutes({ app, data, admin, randomHex })
      addMetricsRoute(app, admin)
    },
  })
}
