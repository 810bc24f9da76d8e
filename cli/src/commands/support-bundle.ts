/**
 * `support-bundle`: one file with what a helper needs. A program of its own makes it, since only that loads the library for
 * Kubernetes; here the nodes of a cluster without Kubernetes are found, as the other commands find them.
 */
import type { Command } from 'commander'
import { supportBundleCommand } from '../cluster/program.ts'
import { type FoundNodes, nodesOfEndpoints, nodesOfFolder } from '../cluster/support-nodes.ts'
import { addJson } from '../options.ts'
import { runProgram } from './run-program.ts'

interface SupportBundleOptions {
  readonly namespace?: string
  readonly name?: string
  readonly operatorNamespace?: string
  readonly kubeconfig?: string
  readonly context?: string
  readonly endpoints?: string
  readonly cluster?: string
  readonly output?: string
  readonly timeout?: string
  readonly json?: true
}

export function addSupportBundle(program: Command): void {
  addJson(
    program
      .command('support-bundle')
      .description('collect what a helper needs into one .tar.gz: objects, logs, status, metrics; no secrets')
      .option('--namespace <name>', 'Kubernetes: where the resources are (default: wherever there are any)')
      .option('--name <name>', 'Kubernetes: only this PaxosGroup, and the MemoryGroups that name it')
      .option('--operator-namespace <name>', 'Kubernetes: where the operator is (default: thermocline-system)')
      .option('--kubeconfig <file>', 'Kubernetes: a kubeconfig (default: as kubectl)')
      .option('--context <name>', 'Kubernetes: a context of the kubeconfig (default: its current one)')
      .option('--endpoints <host:port,…>', 'without Kubernetes: data ports, or HTTP ports, of any replicas')
      .option('--cluster <dir>', 'without Kubernetes: the --data folder of `thermocline up`; its logs are taken, too')
      .option('--output <file>', 'what to write (default: thermocline-support-<time>.tar.gz)')
      .option('--timeout <ms>', 'deadline of each request (default: 10000)')
      .addHelpText('after', '\nWhat is in it, what is left out and which rights it needs stands in docs/support-bundle.md.'),
  ).action(run)
}

/** Flags that are handed on as they are. */
const HANDED_ON = ['namespace', 'name', 'operatorNamespace', 'kubeconfig', 'context', 'cluster', 'output', 'timeout'] as const

async function run(options: SupportBundleOptions): Promise<void> {
  const flags = HANDED_ON.flatMap((option) => {
    const value = options[option]
    return value === undefined ? [] : [`--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}=${value}`]
  })
  if (options.json === true) flags.push('--json')
  await runProgram(supportBundleCommand(), [...flags, ...(await nodeFlags(options))])
}

async function nodeFlags({ endpoints, cluster }: SupportBundleOptions): Promise<string[]> {
  if (endpoints === undefined && cluster === undefined) return []
  const found: FoundNodes[] = []
  if (cluster !== undefined) found.push(nodesOfFolder(cluster))
  if (endpoints !== undefined) found.push(await nodesOfEndpoints(endpoints))
  const nodes = new Map(found.flatMap((one) => one.nodes).map(({ name, http }) => [http, name]))
  const misses = found.flatMap((one) => one.misses)
  return [
    '--nodes',
    ...[...nodes].map(([http, name]) => `--node=${name}=${http}`),
    ...misses.map(({ what, reason }) => `--miss=${what}=${reason}`),
  ]
}
