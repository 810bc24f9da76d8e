/** The HTTP side of a node: health, metrics, admin and data API over two ports. */
export { createHttpServer, type HttpServer, type HttpServerOptions } from './http-server.ts'
export type { AdminService, BlockDigest, DataService, NodeState, NodeStatus } from './ports.ts'
