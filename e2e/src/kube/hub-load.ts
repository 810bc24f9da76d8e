/** A load that runs beside the pods, in a process of its own, from `start` to `stop`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { HistoryReport } from './history-load.ts'
import type { Lab } from './lab.ts'

const PROGRAM = fileURLToPath(new URL('./history-load.ts', import.meta.url))
const READY_TIMEOUT_MS = 60_000
const READY = 'ready\n'

export class HubLoad {
  private readonly child: ChildProcess
  private readonly ended: Promise<number | null>
  private output = ''
  private complaint = ''

  private constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.complaint += text
    })
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    this.ended.catch(() => {})
  }

  /** Resolves when the first records were written and read. Every load has series of its own. */
  static async start(lab: Lab, endpoint: string): Promise<HubLoad> {
    const prefix = randomBytes(4).toString('hex')
    const [program, args] = lab.commandFor(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, prefix, endpoint])
    const load = new HubLoad(spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] }))
    const untilMs = performance.now() + READY_TIMEOUT_MS
    while (!load.output.startsWith(READY)) {
      const isOver = load.child.exitCode !== null || performance.now() > untilMs
      if (isOver) throw new Error(`the load did not begin:\n${load.complaint}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return load
  }

  async stop(): Promise<HistoryReport> {
    this.child.stdin?.end()
    const code = await this.ended
    if (code !== 0) throw new Error(`the load ended with ${code}:\n${this.complaint}`)
    return JSON.parse(this.output.slice(READY.length)) as HistoryReport
  }
}
