/**
 * A Prometheus beside the pods, which is told of them as a PodMonitor would tell it: the operator's dashboard and alerts are tried on
 * what a real operator says while everything happens to it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { AlertWatch } from '../dashboards/alert-watch.ts'
import { checkAnswers, drawAnswers } from '../dashboards/answers.ts'
import { readAlerts } from '../dashboards/panels.ts'
import { type Place, Prometheus, type Scrape } from '../dashboards/prometheus.ts'
import { runProgram } from '../program.ts'
import { makeTemporaryFolder } from '../temporary-folder.ts'
import type { Lab } from './lab.ts'

const TOOLS = fileURLToPath(new URL('../../../scripts/prometheus-tools.sh', import.meta.url))
/** Instead of the minutes that alerts wait for. */
const HASTE = '2s'
const POLL_MS = 1000
const OPERATORS = 'app.kubernetes.io/component=operator'
/** Drawn into docs/dashboards only when asked for, like the storage tier's. */
const DRAW = 'THERMOCLINE_DRAW_DASHBOARDS'

export class OperatorWatch {
  readonly alerts: AlertWatch
  private readonly prometheus: Prometheus
  private readonly beganSeconds = Math.ceil(Date.now() / 1000)
  private readonly looking = new AbortController()
  private readonly looks: Promise<void>

  private constructor(prometheus: Prometheus, look: () => Promise<void>, say: (line: string) => void) {
    this.prometheus = prometheus
    this.alerts = new AlertWatch(prometheus, say)
    this.looks = this.keepLooking(look)
  }

  private async keepLooking(look: () => Promise<void>): Promise<void> {
    while (!this.looking.signal.aborted) {
      await look()
      await delay(POLL_MS)
    }
  }

  static async start(lab: Lab, operatorNamespace: string, say: (line: string) => void): Promise<OperatorWatch> {
    const tools = (await runProgram(TOOLS, [])).trim()
    const rules = [readAlerts('operator').hasty(HASTE)]
    const file = join(makeTemporaryFolder(), 'targets.json')
    const look = (): Promise<void> => writeTargets(file, lab, operatorNamespace)
    await look()
    const scrape: Scrape = { file_sd_configs: [{ files: [file], refresh_interval: '1s' }] }
    return new OperatorWatch(await Prometheus.start(join(tools, 'prometheus'), scrape, rules, besidePods(lab)), look, say)
  }

  /** Every query of the operator's dashboard and alerts must have data. Draws it if THERMOCLINE_DRAW_DASHBOARDS is set. */
  async check(): Promise<number> {
    const asked = await checkAnswers(this.prometheus, 'operator')
    if ((process.env[DRAW] ?? '') !== '') await drawAnswers(this.prometheus, 'operator', this.beganSeconds)
    return asked
  }

  async stop(): Promise<void> {
    this.looking.abort()
    await this.looks
    await this.prometheus.stop()
  }
}

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string }
    readonly status: { readonly podIP?: string; readonly phase: string }
  }[]
}

/** Debian's Prometheus has no discovery by Kubernetes: the pods that run stand in a file, which it looks at by itself. */
async function writeTargets(file: string, lab: Lab, namespace: string): Promise<void> {
  const { code, stdout } = await lab.tryKubectl(['get', 'pods', '--namespace', namespace, '--selector', OPERATORS, '--output', 'json'])
  if (code !== 0) return
  const targets = (JSON.parse(stdout) as Pods).items
    .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase === 'Running' && status.podIP !== undefined)
    .map(({ metadata, status }) => ({ targets: [`${status.podIP}:8080`], labels: { namespace, pod: metadata.name } }))
  writeFileSync(`${file}.new`, JSON.stringify(targets))
  renameSync(`${file}.new`, file)
}

function besidePods(lab: Lab): Place {
  return {
    listen: async () => '127.0.0.1:9090',
    spawn: (program, args): ChildProcess => spawn(...lab.commandFor(program, args), { stdio: ['ignore', 'ignore', 'inherit'] }),
    fetch: async (url) => {
      const { code, stdout, stderr } = await lab.exec('curl', ['--silent', '--show-error', '--max-time', '10', url])
      if (code !== 0) throw new Error(`${url}: ${stderr}`)
      return stdout
    },
  }
}
