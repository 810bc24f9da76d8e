/**
 * What the HTTP ports of all roles share: fastify with one error form, zod schemas on every route and the OpenAPI document of them
 * at `/openapi.json`.
 */
import swagger from '@fastify/swagger'
import { MAX_SERIES_BYTES, MAX_VALUE_BYTES, ThermoclineError } from '@thermocline/protocol'
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { type AllowedHosts, checkAskedBy } from './asked-host.ts'
import { errorHandlers } from './http-errors.ts'
import { boundHttpTraffic, HTTP_CHECK_MS, type HttpDoors } from './http-traffic.ts'

/** Receiving a whole request may take this long; answering it may not be longer than the route's own limit. */
const REQUEST_TIMEOUT_MS = 60_000
/** A series of 512 bytes, each percent-encoded. */
const MAX_PARAM_CHARS = 3 * MAX_SERIES_BYTES

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

export interface HttpAppOptions {
  readonly title: string
  readonly description: string
  readonly version: () => string
  readonly logger?: FastifyBaseLogger | undefined
  readonly addRoutes: (app: FastifyInstance) => void
  readonly doors: HttpDoors
  readonly hosts: AllowedHosts
}

export async function createHttpApp({ title, description, version, logger, addRoutes, doors, hosts }: HttpAppOptions): Promise<HttpServer> {
  const { onError, onMalformed } = errorHandlers(doors.complaints)
  const app = fastify({
    ...(logger === undefined ? {} : { loggerInstance: logger }),
    // One line per request would be most of the log; failures are logged by the error handler.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_VALUE_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    http: { connectionsCheckingInterval: HTTP_CHECK_MS },
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
  boundHttpTraffic(app, doors)
  app.addHook('onRequest', async (request) => checkAskedBy(request.headers, hosts))
  await app.register(swagger, {
    openapi: {
      info: { title, description, version: '' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'the content of the token file' } } },
    },
    transform: jsonSchemaTransform,
  })
  addRoutes(app)
  app.get('/openapi.json', { schema: { hide: true } }, () => {
    const document = app.swagger()
    return { ...document, info: { ...document.info, version: version() } }
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
