/** Options that many commands share, and how their text becomes values. */
import { type Client, connect } from '@thermocline/client'
import { DEFAULT_DATA_PORT, ThermoclineError } from '@thermocline/protocol'
import { type Command, InvalidArgumentError, Option } from 'commander'

const DEFAULT_ENDPOINTS = `127.0.0.1:${DEFAULT_DATA_PORT}`

/** How long a command looks for a cluster before it says that there is none. */
const CONNECT_TIMEOUT_MS = 3000

/** Options of every command that talks to a cluster. */
export interface ClusterOptions {
  readonly endpoints: string
  readonly timeout: number
  readonly json?: true
}

export function addClusterOptions(command: Command): Command {
  return addJson(
    command
      .addOption(
        new Option('--endpoints <host:port,…>', 'data ports of any replicas').env('THERMOCLINE_ENDPOINTS').default(DEFAULT_ENDPOINTS),
      )
      .addOption(new Option('--timeout <ms>', 'deadline of each call').argParser(parseWhole(1, 0x7fffffff)).default(10_000)),
  )
}

export function addJson(command: Command): Command {
  return command.option('--json', 'one JSON value per line, for programs')
}

/** A parser of whole numbers for commander. */
export function parseWhole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`)
    }
    return value
  }
}

/** Connects; the error says where to look if nobody answers. */
export async function open(options: ClusterOptions, extra: { connectTimeoutMs?: number; signal?: AbortSignal } = {}): Promise<Client> {
  const endpoints = options.endpoints
    .split(',')
    .map((endpoint) => endpoint.trim())
    .filter((endpoint) => endpoint !== '')
  try {
    return await connect({
      endpoints,
      defaultTimeoutMs: options.timeout,
      connectTimeoutMs: extra.connectTimeoutMs ?? Math.min(options.timeout, CONNECT_TIMEOUT_MS),
      name: 'thermocline-cli',
      signal: extra.signal,
    })
  } catch (error) {
    if (!(error instanceof ThermoclineError) || error.code !== 'unavailable') throw error
    const hint = 'start a cluster with `thermocline up`, or name one with --endpoints or THERMOCLINE_ENDPOINTS'
    throw new ThermoclineError('unavailable', `${error.message}\n  ${hint}`, { cause: error })
  }
}

/** Runs with a client that is closed at the end. */
export async function withClient<T>(options: ClusterOptions, run: (client: Client) => Promise<T>): Promise<T> {
  const client = await open(options)
  try {
    return await run(client)
  } finally {
    client.close()
  }
}
