/** What `connect` takes, checked once. */
import { ANY_CLUSTER, ThermoclineError } from '@thermocline/protocol'
import { DEFAULT_ATTEMPT_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, MAX_ATTEMPT_TIMEOUT_MS } from './constants.ts'
import { parseAddress } from './endpoint.ts'

export interface ConnectOptions {
  /** Data ports of any replicas, as `host:port`; the rest is learnt from them. */
  readonly endpoints: readonly string[]
  /** 32 hexadecimal digits. Given, a node of another cluster is refused; else the first one reached decides. */
  readonly clusterId?: string | undefined
  /** Deadline of a call that names none, in ms. Default 10,000. */
  readonly defaultTimeoutMs?: number | undefined
  /** How long a first attempt waits before the next replica is asked, in ms; it doubles per attempt. Default 1000. */
  readonly attemptTimeoutMs?: number | undefined
  /** How long `connect` tries to get a topology, in ms. Default: `defaultTimeoutMs`. */
  readonly connectTimeoutMs?: number | undefined
  /** Shown in the logs of the nodes, at most 255 bytes. */
  readonly name?: string | undefined
  /** Aborts `connect` itself. */
  readonly signal?: AbortSignal | undefined
}

export interface CheckedOptions {
  readonly endpoints: readonly string[]
  readonly clusterId: string
  readonly defaultTimeoutMs: number
  readonly attemptTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly name: string
}

const KNOWN = new Set(['endpoints', 'clusterId', 'defaultTimeoutMs', 'attemptTimeoutMs', 'connectTimeoutMs', 'name', 'signal'])

/** @throws ThermoclineError `invalid_argument`, naming the option, its value and what was expected. */
export function checkOptions(options: ConnectOptions): CheckedOptions {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw new ThermoclineError('invalid_argument', `connect: option ${name} is not known`)
  }
  const { endpoints, clusterId = ANY_CLUSTER, name = 'thermocline-client' } = options
  if (!Array.isArray(endpoints) || endpoints.length === 0) {
    throw new ThermoclineError('invalid_argument', 'endpoints: expected at least one host:port, like 127.0.0.1:7400')
  }
  for (const endpoint of endpoints) parseAddress(endpoint)
  if (!/^[0-9a-f]{32}$/.test(clusterId)) {
    throw new ThermoclineError('invalid_argument', `clusterId: ${JSON.stringify(clusterId)} is not 32 hexadecimal digits`)
  }
  const defaultTimeoutMs = checkTimeout('defaultTimeoutMs', options.defaultTimeoutMs ?? DEFAULT_TIMEOUT_MS)
  return {
    endpoints: [...endpoints],
    clusterId,
    defaultTimeoutMs,
    attemptTimeoutMs: Math.min(
      MAX_ATTEMPT_TIMEOUT_MS,
      checkTimeout('attemptTimeoutMs', options.attemptTimeoutMs ?? DEFAULT_ATTEMPT_TIMEOUT_MS),
    ),
    connectTimeoutMs: checkTimeout('connectTimeoutMs', options.connectTimeoutMs ?? defaultTimeoutMs),
    name,
  }
}

/** @throws ThermoclineError `invalid_argument` unless it is a number of ms from 1 to 2³¹−1. */
export function checkTimeout(name: string, value: number): number {
  if (!(value >= 1 && value <= 0x7fffffff)) {
    throw new ThermoclineError('invalid_argument', `${name}: ${value} is not a number of milliseconds from 1 to ${0x7fffffff}`)
  }
  return value
}
