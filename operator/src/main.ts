/** The operator program: reads its configuration, waits to lead, reconciles until SIGTERM or until it may no longer lead. */
import { readFileSync } from 'node:fs'
import { formatFlags, splitAddress, ThermoclineError } from '@thermocline/protocol'
import pino from 'pino'
import { FIELD_MANAGER } from './api/names.ts'
import { HttpNodeAdmin } from './cluster-admin/node-admin.ts'
import { FLAGS, type OperatorConfig, readConfig } from './config.ts'
import { discover, Operator } from './operator.ts'
import { endpointOf, loadKubeConfig } from './runtime/kube-config.ts'
import { HttpKube, LEASE_REQUEST_TIMEOUT_MS, osClock, type World } from './runtime/mod.ts'
import { createHealthServer } from './telemetry/health-server.ts'
import { OperatorMetrics } from './telemetry/metrics.ts'

/** EX_TEMPFAIL of sysexits: start it again. */
const RESTART_EXIT_CODE = 75
const STOP_TIMEOUT_MS = 9000

async function run(config: OperatorConfig): Promise<void> {
  const log = pino({ level: config.logLevel, base: { identity: config.identity } })
  const tokenKey = readKey(config.tokenKeyFile)
  const metrics = new OperatorMetrics()
  const endpoint = endpointOf(loadKubeConfig())
  const onRequest = (verb: string, resource: string, status: number): void => metrics.requested(verb, resource, status)
  const kube = new HttpKube(endpoint, { fieldManager: FIELD_MANAGER, onRequest })
  const world: World = { kube, clock: osClock, random: Math.random, log }
  let isStopping = false
  let isStarted = false
  const health = createHealthServer({
    registry: metrics.registry,
    unhealthy: () => undefined,
    unready: () => (isStopping ? 'stopping' : isStarted ? undefined : 'the API server has not answered yet'),
  })
  await health.listen(splitAddress(config.http))
  const facts = await discover(world)
  isStarted = true
  log.info({ kubernetes: `${facts.major}.${facts.minor}`, hasCel: facts.hasCel, policy: facts.policyVersion, http: config.http }, 'started')

  const operator = new Operator(
    {
      world,
      leases: new HttpKube(endpoint, { fieldManager: FIELD_MANAGER, onRequest, timeoutMs: LEASE_REQUEST_TIMEOUT_MS }),
      admin: new HttpNodeAdmin(),
      metrics,
      tokenKey,
      onLost: (reason) => {
        log.error({ reason }, 'no longer leads; the process ends, and waits its turn when it is started again')
        process.exit(RESTART_EXIT_CODE)
      },
    },
    config,
    facts,
  )
  operator.start()

  const stop = (signal: string): void => {
    if (isStopping) return
    isStopping = true
    log.info({ signal }, 'stopping')
    setTimeout(() => process.exit(0), STOP_TIMEOUT_MS).unref()
    void operator
      .stop()
      .then(() => health.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ error: String(error) }, 'stopping failed')
          process.exit(1)
        },
      )
  }
  process.on('SIGTERM', () => stop('SIGTERM'))
  process.on('SIGINT', () => stop('SIGINT'))
}

/** @throws ThermoclineError `invalid_argument` */
function readKey(file: string): string {
  let key: string
  try {
    key = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new ThermoclineError('invalid_argument', `--token-key-file: ${(cause as Error).message}`, { cause })
  }
  if (key.length < 32)
    throw new ThermoclineError('invalid_argument', `--token-key-file: ${file} has ${key.length} characters; expected 32 or more`)
  return key
}

if (process.argv.includes('--help')) {
  process.stdout.write(formatFlags('thermocline operator', FLAGS))
  process.exit(0)
}
try {
  await run(readConfig(process.argv.slice(2), process.env))
} catch (error) {
  const isCoded = error instanceof ThermoclineError
  process.stderr.write(`thermocline operator: ${isCoded ? `${error.code}: ${error.message}` : String((error as Error).stack ?? error)}\n`)
  process.exit(isCoded ? 2 : 1)
}
