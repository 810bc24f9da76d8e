/**
 * A Prometheus of our own: scrapes every second, evaluates rules, answers queries, and is gone afterwards. It runs on this machine
 * or where pods are reached.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { stringify } from 'yaml'
import { makeTemporaryFolder } from '../temporary-folder.ts'

const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000

export interface Target {
  readonly address: string
  readonly labels: Readonly<Record<string, string>>
}

/** What is scraped, as a `scrape_config` says it, without its name. */
export type Scrape = Readonly<Record<string, unknown>>

export const scrapeTargets = (targets: readonly Target[]): Scrape => ({
  static_configs: targets.map(({ address, labels }) => ({ targets: [address], labels })),
})

/** Where it runs: how a program is started there, and what a URL there answers. */
export interface Place {
  readonly listen: () => Promise<string>
  readonly spawn: (program: string, args: readonly string[]) => ChildProcess
  /** Rejects while nobody answers. */
  readonly fetch: (url: string) => Promise<string>
}

export const HERE: Place = {
  listen: async () => `127.0.0.1:${await freePort()}`,
  spawn: (program, args) => spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] }),
  fetch: async (url) => (await fetch(url)).text(),
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>
  /** Seconds and value, oldest first; gaps are left out. */
  readonly points: readonly (readonly [number, number])[]
}

interface Answer {
  readonly status: string
  readonly error?: string
  readonly data: { readonly result: readonly RawSeries[] }
}

interface RawSeries {
  readonly metric: Readonly<Record<string, string>>
  readonly value?: readonly [number, string]
  readonly values?: readonly (readonly [number, string])[]
}

export interface FiringAlert {
  readonly labels: Readonly<Record<string, string>>
  readonly state: 'pending' | 'firing'
}

export class Prometheus {
  private readonly child: ChildProcess
  private readonly url: string
  private readonly place: Place
  private readonly kill: () => void

  private constructor(child: ChildProcess, url: string, place: Place, kill: () => void) {
    this.child = child
    this.url = url
    this.place = place
    this.kill = kill
  }

  /** `rules` are contents of rule files. Metrics keep labels of their own where a target has the same (honor_labels). */
  static async start(program: string, scrape: Scrape, rules: readonly string[], place: Place = HERE): Promise<Prometheus> {
    const folder = makeTemporaryFolder()
    const files = rules.map((content, at) => {
      const file = join(folder, `rules-${at}.yaml`)
      writeFileSync(file, content)
      return file
    })
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: files,
      scrape_configs: [{ job_name: 'thermocline', honor_labels: true, ...scrape }],
    }
    writeFileSync(join(folder, 'prometheus.yml'), stringify(config))
    const address = await place.listen()
    const flags = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=${address}`]
    const child = place.spawn(program, [...flags, '--log.level=warn'])
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    const prometheus = new Prometheus(child, `http://${address}`, place, kill)
    await prometheus.untilReady()
    return prometheus
  }

  /** One point each. */
  query(expr: string): Promise<Series[]> {
    return this.ask(`/api/v1/query?query=${encodeURIComponent(expr)}`)
  }

  queryRange(expr: string, fromSeconds: number, toSeconds: number, stepSeconds: number): Promise<Series[]> {
    const range = `start=${fromSeconds}&end=${toSeconds}&step=${stepSeconds}`
    return this.ask(`/api/v1/query_range?query=${encodeURIComponent(expr)}&${range}`)
  }

  async alerts(): Promise<readonly FiringAlert[]> {
    const answer = await this.place.fetch(`${this.url}/api/v1/alerts`)
    return (JSON.parse(answer) as { data: { alerts: FiringAlert[] } }).data.alerts
  }

  async stop(): Promise<void> {
    process.removeListener('exit', this.kill)
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGTERM')
    const timer = setTimeout(this.kill, STOP_TIMEOUT_MS)
    await ended
    clearTimeout(timer)
  }

  private async untilReady(): Promise<void> {
    const untilMs = performance.now() + START_TIMEOUT_MS
    for (;;) {
      const answer = await this.place.fetch(`${this.url}/-/ready`).catch(() => '')
      if (answer.includes('is Ready')) return
      if (performance.now() > untilMs || this.child.exitCode !== null) throw new Error('Prometheus does not start')
      await delay(100)
    }
  }

  private async ask(path: string): Promise<Series[]> {
    const { status, error, data } = JSON.parse(await this.place.fetch(`${this.url}${path}`)) as Answer
    if (status !== 'success') throw new Error(`${decodeURIComponent(path)}: ${error}`)
    return data.result.map(({ metric, value, values }) => ({
      metric,
      points: (values ?? (value === undefined ? [] : [value])).map(([at, text]) => [at, Number(text)] as const),
    }))
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}
