/** `thermocline bench`: closed loops of one kind of call against a running cluster. */
import type { Client } from '@thermocline/client'
import { ThermoclineError } from '@thermocline/protocol'
import { type Command, Option } from 'commander'
import { Histogram } from '../bench/histogram.ts'
import { addClusterOptions, type ClusterOptions, open, parseWhole } from '../options.ts'
import { formatCount, printJson, printLine } from '../report.ts'

const MODES = ['put', 'get', 'mixed', 'batchput', 'batchget', 'scan'] as const
type Mode = (typeof MODES)[number]

/** Records per series that reads find. */
const RECORDS_PER_SERIES = 64
const PRELOAD_BATCH = 64
const START_MS = 1_700_000_000_000
/** Of mixed calls, so many are reads: the design's data is read a hundred times per write; this is the harder case. */
const MIXED_READS = 0.9

interface BenchOptions extends ClusterOptions {
  readonly mode: Mode
  readonly clients: number
  readonly connections: number
  readonly seconds: number
  readonly warmup: number
  readonly series: number
  readonly valueBytes: number
  readonly batch: number
}

interface Run {
  readonly options: BenchOptions
  readonly value: Uint8Array
  readonly histogram: Histogram
  records: number
  isMeasuring: boolean
  isOver: boolean
  readonly errors: Map<string, number>
}

export function addBench(program: Command): void {
  addClusterOptions(
    program
      .command('bench')
      .description('measure a running cluster; writes series named bench-*')
      .addOption(new Option('--mode <mode>', 'what each loop does').choices(MODES).default('mixed'))
      .option('--clients <n>', 'loops, each with one call at a time', parseWhole(1, 65_536), 128)
      .option('--connections <n>', 'connections per replica', parseWhole(1, 1024), 1)
      .option('--seconds <n>', 'how long to measure', parseWhole(1, 86_400), 10)
      .option('--warmup <n>', 'seconds before that', parseWhole(0, 3600), 1)
      .option('--series <n>', 'different series', parseWhole(1, 10_000_000), 1000)
      .option('--value-bytes <n>', 'size of a value', parseWhole(0, 1024 * 1024), 200)
      .option('--batch <n>', 'records per call of batchput, batchget and scan', parseWhole(1, 1024), 32),
  ).action(run)
}

async function run(options: BenchOptions): Promise<void> {
  const clients = await Promise.all(Array.from({ length: options.connections }, () => open(options)))
  const state: Run = {
    options,
    value: new Uint8Array(options.valueBytes).fill(0x78),
    histogram: new Histogram(),
    records: 0,
    isMeasuring: false,
    isOver: false,
    errors: new Map(),
  }
  try {
    if (options.mode !== 'put' && options.mode !== 'batchput') await preload(clients[0] as Client, state)
    const loops = Array.from({ length: options.clients }, (_, at) => loop(clients[at % clients.length] as Client, state, at))
    await pause(options.warmup)
    state.isMeasuring = true
    const cpu = process.cpuUsage()
    const beganMs = performance.now()
    await pause(options.seconds)
    state.isMeasuring = false
    const tookMs = performance.now() - beganMs
    const { user, system } = process.cpuUsage(cpu)
    state.isOver = true
    await Promise.all(loops)
    report(state, tookMs, user + system)
  } finally {
    for (const client of clients) client.close()
  }
}

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

async function preload(client: Client, { options, value }: Run): Promise<void> {
  if (options.json !== true) process.stderr.write(`writing ${formatCount(options.series * RECORDS_PER_SERIES)} records to read\n`)
  const ops = Array.from({ length: RECORDS_PER_SERIES }, (_, at) => ({ type: 'put' as const, id: { ms: START_MS + at, seq: 0 }, value }))
  for (let first = 0; first < options.series; first += PRELOAD_BATCH) {
    const count = Math.min(PRELOAD_BATCH, options.series - first)
    await Promise.all(Array.from({ length: count }, (_, at) => client.batchWrite(`bench-${first + at}`, ops)))
  }
}

async function loop(client: Client, state: Run, at: number): Promise<void> {
  for (let turn = 0; !state.isOver; turn++) {
    const beganMs = performance.now()
    try {
      const records = await once(client, state, at, turn)
      if (state.isMeasuring) {
        state.histogram.add((performance.now() - beganMs) * 1000)
        state.records += records
      }
    } catch (error) {
      if (!(error instanceof ThermoclineError)) throw error
      if (state.isMeasuring) state.errors.set(error.code, (state.errors.get(error.code) ?? 0) + 1)
    }
  }
}

/** One call; resolves to how many records it wrote or read. */
async function once(client: Client, { options, value }: Run, at: number, turn: number): Promise<number> {
  const series = `bench-${Math.floor(Math.random() * options.series)}`
  const mode = options.mode === 'mixed' ? (Math.random() < MIXED_READS ? 'get' : 'put') : options.mode
  const someMs = () => START_MS + Math.floor(Math.random() * RECORDS_PER_SERIES)
  switch (mode) {
    case 'put':
      await client.put(series, { ms: Date.now(), seq: (at + turn * options.clients) % 65_536 }, value)
      return 1
    case 'get':
      await client.get(series, { ms: someMs(), seq: 0 })
      return 1
    case 'batchput': {
      const ms = Date.now()
      const ops = Array.from({ length: options.batch }, (_, seq) => ({ type: 'put' as const, id: { ms, seq }, value }))
      await client.batchWrite(series, ops)
      return options.batch
    }
    case 'batchget': {
      const keys = Array.from({ length: options.batch }, () => ({ series, id: { ms: someMs(), seq: 0 } }))
      await client.batchGet(keys)
      return options.batch
    }
    default:
      return (await client.scanPage(series, { limit: options.batch })).records.length
  }
}

function report({ options, histogram, records, errors }: Run, tookMs: number, cpuUs: number): void {
  const ms = (us: number) => Number((us / 1000).toFixed(3))
  const result = {
    mode: options.mode,
    clients: options.clients,
    connections: options.connections,
    seconds: Number((tookMs / 1000).toFixed(2)),
    calls: histogram.count,
    callsPerSecond: Math.round((histogram.count / tookMs) * 1000),
    recordsPerSecond: Math.round((records / tookMs) * 1000),
    p50Ms: ms(histogram.quantile(0.5)),
    p99Ms: ms(histogram.quantile(0.99)),
    p999Ms: ms(histogram.quantile(0.999)),
    maxMs: ms(histogram.maxUs),
    clientCpuUsPerCall: Number((cpuUs / Math.max(1, histogram.count)).toFixed(1)),
    errors: Object.fromEntries(errors),
  }
  if (options.json === true) {
    printJson(result)
    return
  }
  printLine(`${result.mode}: ${formatCount(result.callsPerSecond)} calls/s, ${formatCount(result.recordsPerSecond)} records/s`)
  printLine(`latency ms: p50 ${result.p50Ms}, p99 ${result.p99Ms}, p99.9 ${result.p999Ms}, most ${result.maxMs}`)
  printLine(`client CPU: ${result.clientCpuUsPerCall} µs per call`)
  for (const [code, count] of errors) printLine(`failed: ${formatCount(count)} × ${code}`)
}
