/** The HTTP side of a node: health, metrics, admin and data API over two ports. */

export { type AllowedHosts, ANY_HOST, allowedHosts } from './asked-host.ts'
export { addHealthRoutes, addTopologyRoute, failures, none } from './health-and-topology-routes.ts'
export { createHttpApp, type HttpServer } from './http-app.ts'
export { createHttpServer, type HttpServerOptions } from './http-server.ts'
export type { HttpDoors } from './http-traffic.ts'
export type { AdminService, BlockDigest, DataService, NodeState, NodeStatus } from './ports.ts'
export { collectProcessMetrics, EVENT_LOOP_SAMPLE_MS } from './process-metrics.ts'
