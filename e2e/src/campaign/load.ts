/**
 * Clients in closed loops over few records, so that they collide. The records change every few seconds: the history of each
 * stays short enough to be judged, whatever was left without an outcome.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Condition, RecordInput, RecordOutput } from '@thermocline/checker'
import { type Client, connect } from '@thermocline/client'
import { ThermoclineError } from '@thermocline/protocol'
import type { History } from './history.ts'

export const CLIENTS = 8
export const SERIES = 10
const RECORDS = 2
/** The records of a series change this often. */
const EPOCH_MS = 2000
const TIMEOUT_MS = 4000
/** Pause of a client between two operations. */
const PAUSE_MS = 12

interface Seen {
  readonly id: string
  readonly version: number
}

export class Load {
  private readonly history: History
  readonly clients: readonly Client[]
  private readonly prefix: string
  private readonly beganMs = performance.now()
  private isStopped = false
  private readonly loops: Promise<void>[]
  private written = 0

  private constructor(history: History, clients: readonly Client[], prefix: string) {
    this.history = history
    this.clients = clients
    this.prefix = prefix
    this.loops = clients.map((client) => this.loop(client))
  }

  /** The history begins with no record of series with this prefix: a second load of one cluster needs another. */
  static async start(history: History, endpoints: readonly string[], prefix = 'series'): Promise<Load> {
    const clients = Array.from({ length: CLIENTS }, () => connect({ endpoints, defaultTimeoutMs: TIMEOUT_MS, attemptTimeoutMs: 500 }))
    return new Load(history, await Promise.all(clients), prefix)
  }

  /** Ends the loops; the clients stay connected. */
  async stop(): Promise<void> {
    this.isStopped = true
    await Promise.all(this.loops)
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()))
  }

  private async loop(client: Client): Promise<void> {
    const seen = new Map<string, Seen>()
    while (!this.isStopped) {
      const series = this.seriesOf(Math.floor(Math.random() * SERIES))
      const epoch = Math.floor((performance.now() - this.beganMs) / EPOCH_MS)
      const id = `${epoch * RECORDS + Math.floor(Math.random() * RECORDS)}-0`
      const known = seen.get(series)
      const input = this.choose(series, id, known?.id === id ? known.version : undefined)
      const output = await this.run(client, input)
      if (output?.kind === 'found' || output?.kind === 'done') seen.set(series, { id, version: output.version })
      await delay(Math.random() * 2 * PAUSE_MS)
    }
  }

  private seriesOf(number: number): string {
    return `${this.prefix}-${number}`
  }

  private choose(series: string, id: string, version: number | undefined): RecordInput {
    const dice = Math.random()
    if (dice < 0.4) return { kind: 'get', series, id }
    const condition: Condition =
      dice < 0.7
        ? { kind: 'none' }
        : dice < 0.8
          ? { kind: 'ifAbsent' }
          : version === undefined || version === 0
            ? { kind: 'none' }
            : { kind: 'ifVersion', version }
    if (dice > 0.95) return { kind: 'delete', series, id, condition }
    return { kind: 'put', series, id, value: `${++this.written}`, condition }
  }

  /** Runs one operation and records it; its answer, if there is one. */
  private async run(client: Client, input: RecordInput): Promise<RecordOutput | undefined> {
    const startMs = performance.now()
    try {
      const output = await perform(client, input)
      const endMs = performance.now()
      this.history.add({ input, output, startMs, endMs, toldMs: endMs, outcome: 'ok', code: undefined })
      return output
    } catch (error) {
      if (!(error instanceof ThermoclineError)) throw error
      const toldMs = performance.now()
      const { code } = error
      if (code === 'precondition_failed')
        this.history.add({ input, output: { kind: 'refused' }, startMs, endMs: toldMs, toldMs, outcome: 'ok', code })
      else {
        const outcome = error.outcome === 'not' || input.kind === 'get' ? 'fail' : 'unknown'
        this.history.add({ input, output: undefined, startMs, endMs: Number.POSITIVE_INFINITY, toldMs, outcome, code })
      }
      return undefined
    }
  }

  /** Writes and reads every series once more, and reads every record that was written: nothing of it may be lost. */
  async finish(): Promise<void> {
    const records = new Map<string, RecordInput>()
    for (const { input } of this.history.operations)
      records.set(`${input.series} ${input.id}`, { kind: 'get', series: input.series, id: input.id })
    const last = Array.from({ length: SERIES }, (_, i): RecordInput => {
      const value = `${++this.written}`
      return { kind: 'put', series: this.seriesOf(i), id: '9999999-0', value, condition: { kind: 'none' } }
    })
    const client = this.clients[0] as Client
    for (const input of last) {
      if ((await this.run(client, input))?.kind !== 'done') throw new Error(`the last write of ${input.series} was not done`)
      records.set(input.series, { kind: 'get', series: input.series, id: input.id })
    }
    const inputs = [...records.values()]
    for (let at = 0; at < inputs.length; at += 64) {
      const answers = await Promise.all(inputs.slice(at, at + 64).map((input) => this.run(client, input)))
      if (answers.some((answer) => answer?.kind !== 'found')) throw new Error('a record could not be read at the end')
    }
  }
}

async function perform(client: Client, input: RecordInput): Promise<RecordOutput> {
  const { series, id } = input
  if (input.kind === 'get') {
    const record = await client.get(series, id)
    if (record === undefined) return { kind: 'found', version: 0, value: undefined }
    return { kind: 'found', version: record.version, value: Buffer.from(record.value).toString() }
  }
  const { condition } = input
  const ifVersion = condition.kind === 'ifVersion' ? condition.version : undefined
  if (input.kind === 'delete') {
    const { version } = await client.delete(series, id, { ifVersion })
    return { kind: 'done', version }
  }
  const { version } = await client.put(series, id, input.value, { ifVersion, ifAbsent: condition.kind === 'ifAbsent' })
  return { kind: 'done', version }
}
