/**
 * A Prometheus beside the pods, which finds them as the chart's PodMonitors do: the operator's dashboard and alerts are tried on what
 * a real operator says while everything happens to it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AlertWatch } from '../dashboards/alert-watch.ts'
import { checkAnswers, drawAnswers } from '../dashboards/answers.ts'
import { readAlerts } from '../dashboards/panels.ts'
import { type Place, Prometheus, type Scrape } from '../dashboards/prometheus.ts'
import { runProgram } from '../program.ts'
import type { Lab } from './lab.ts'

const TOOLS = fileURLToPath(new URL('../../../scripts/prometheus-tools.sh', import.meta.url))
/** Instead of the minutes that alerts wait for. */
const HASTE = '2s'
/** Drawn into docs/dashboards only when asked for, like the storage tier's. */
const DRAW = 'THERMOCLINE_DRAW_DASHBOARDS'

export class OperatorWatch {
  readonly alerts: AlertWatch
  private readonly prometheus: Prometheus
  private readonly beganSeconds = Math.ceil(Date.now() / 1000)

  private constructor(prometheus: Prometheus, say: (line: string) => void) {
    this.prometheus = prometheus
    this.alerts = new AlertWatch(prometheus, say)
  }

  static async start(lab: Lab, operatorNamespace: string, say: (line: string) => void): Promise<OperatorWatch> {
    const tools = (await runProgram(TOOLS, [])).trim()
    const rules = [readAlerts('operator').hasty(HASTE)]
    const scrape = scrapeOperators(await lab.kubeconfig(), operatorNamespace)
    return new OperatorWatch(await Prometheus.start(join(tools, 'prometheus'), scrape, rules, besidePods(lab)), say)
  }

  /** Every query of the operator's dashboard and alerts must have data. Draws it if THERMOCLINE_DRAW_DASHBOARDS is set. */
  async check(): Promise<number> {
    const asked = await checkAnswers(this.prometheus, 'operator')
    if ((process.env[DRAW] ?? '') !== '') await drawAnswers(this.prometheus, 'operator', this.beganSeconds)
    return asked
  }

  async stop(): Promise<void> {
    await this.prometheus.stop()
  }
}

function scrapeOperators(kubeconfig: string, namespace: string): Scrape {
  const labelled = (from: string, to: string): object => ({ source_labels: [`__meta_kubernetes_${from}`], target_label: to })
  return {
    kubernetes_sd_configs: [{ role: 'pod', kubeconfig_file: kubeconfig, namespaces: { names: [namespace] } }],
    relabel_configs: [
      { source_labels: ['__meta_kubernetes_pod_label_app_kubernetes_io_component'], regex: 'operator', action: 'keep' },
      { source_labels: ['__meta_kubernetes_pod_container_port_name'], regex: 'http', action: 'keep' },
      labelled('namespace', 'namespace'),
      labelled('pod_name', 'pod'),
    ],
  }
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
