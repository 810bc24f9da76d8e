/** The HTTP port of a node: fastify with one error form, zod schemas on every route and the OpenAPI document of them. */
import swagger from '@fastify/swagger'
import { MAX_SERIES_BYTES, MAX_VALUE_BYTES, ThermoclineError } from '@thermocline/protocol'
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { addAdminRoutes } from './admin-routes.ts'
import { addDataRoutes } from './data-routes.ts'
import { onError, onMalformed } from './http-errors.ts'
import { addMetricsRoute } from './metrics.ts'
import type { AdminService, DataService } from './ports.ts'

/** Receiving a whole request may take this long; answering it may not be longer than the route's own limit. */
const REQUEST_TIMEOUT_MS = 60_000
/** A series of 512 bytes, each percent-encoded. */
const MAX_PARAM_CHARS = 3 * MAX_SERIES_BYTES

export interface HttpServerOptions {
  readonly data: DataService
  readonly admin: AdminService
  /** What admin writes must carry as bearer token; undefined refuses them all. */
  readonly token: string | undefined
  readonly logger?: FastifyBaseLogger | undefined
}

export interface HttpServer {
  /** For tests that inject requests. */
  readonly app: FastifyInstance
  /**
   * Listens on host:port; port 0 picks a free one. Resolves to the address that was taken.
   * @throws ThermoclineError `port_in_use`, `invalid_argument`.
   */
  listen(address: string): Promise<string>
  /** Ends open requests, long polls among them. Idempotent. */
  close(): Promise<void>
}

export async function createHttpServer({ data, admin, token, logger }: HttpServerOptions): Promise<HttpServer> {
  const app = fastify({
    ...(logger === undefined ? {} : { loggerInstance: logger }),
    // One line per request would be most of the log; failures are logged by the error handler.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_VALUE_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    frameworkErrors: onError,
    clientErrorHandler: onMalformed,
    routerOptions: { maxParamLength: MAX_PARAM_CHARS },
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler(onError)
  app.setNotFoundHandler((request) => {
    throw new ThermoclineError('not_found', `${request.method} ${request.url.slice(0, 200)} is no route; /openapi.json lists them`)
  })
  // A value is bytes, whatever its content type says.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body)
  })
  await app.register(swagger, {
    openapi: {
      info: { title: 'Thermocline node', description: 'Admin and data API of one replica', version: '' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'the content of the token file' } } },
    },
    transform: jsonSchemaTransform,
  })
  addAdminRoutes({ app, admin, token })
  addDataRoutes({ app, data, admin })
  addMetricsRoute(app, admin)
  app.get('/openapi.json', { schema: { hide: true } }, () => {
    const document = app.swagger()
    return { ...document, info: { ...document.info, version: admin.status().version } }
  })
  await app.ready()
  return {
    app,
    listen: (address) => listen(app, address),
    close: () => app.close(),
  }
}

async function listen(app: FastifyInstance, address: string): Promise<string> {
  const split = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address)
  const host = split?.[1] ?? split?.[2]
  if (host === undefined) throw new ThermoclineError('invalid_argument', `http: ${JSON.stringify(address)} is not host:port`)
  try {
    await app.listen({ host, port: Number(split?.[3]) })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause
    throw new ThermoclineError('port_in_use', `http: another process listens on ${address}`, { cause })
  }
  const taken = app.server.address()
  const port = typeof taken === 'object' && taken !== null ? taken.port : split?.[3]
  return split?.[1] === undefined ? `${host}:${port}` : `[${host}]:${port}`
}
