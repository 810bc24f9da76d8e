/** `status` and `topology`: what the cluster is and how it does. */
import type { Group, Replica, Topology } from '@thermocline/protocol'
import type { Command } from 'commander'
import { type NodeFacts, nodeStatus } from '../cluster/node-api.ts'
import { ExitCode } from '../exit-codes.ts'
import { addClusterOptions, type ClusterOptions, open } from '../options.ts'
import { formatBytes, formatCount, formatSpan, printJson, printLine } from '../report.ts'
import { formatTable } from '../table.ts'

interface ReplicaReport {
  readonly group: number
  readonly replica: Replica
  readonly facts: NodeFacts | undefined
  readonly error: string | undefined
}

export function addClusterCommands(program: Command): void {
  addClusterOptions(program.command('status').description('show every replica: state, mode, epoch, lag, peers, memory')).action(status)
  addClusterOptions(
    program.command('topology').description('print the topology').option('--watch', 'go on, and print every newer one'),
  ).action(topology)
}

async function status(options: ClusterOptions): Promise<void> {
  const client = await open(options)
  const current = client.topology()
  client.close()
  const reports = await Promise.all(current.groups.flatMap((group) => group.replicas.map((replica) => askReplica(group, replica))))
  if (options.json === true) {
    const replicas = reports.map(({ group, replica, facts, error }) => ({
      group,
      replica: replica.replica,
      http: replica.http,
      facts,
      error,
    }))
    printJson({ clusterId: current.clusterId, epoch: current.epoch, replicas })
  } else {
    print(current, reports)
  }
  if (reports.some(({ facts }) => facts?.state !== 'serving')) process.exitCode = ExitCode.failed
}

async function askReplica(group: Group, replica: Replica): Promise<ReplicaReport> {
  try {
    return { group: group.group, replica, facts: await nodeStatus(replica.http), error: undefined }
  } catch (error) {
    return { group: group.group, replica, facts: undefined, error: error instanceof Error ? error.message : String(error) }
  }
}

const COLUMNS = [
  { title: 'replica' },
  { title: 'state' },
  { title: 'mode' },
  { title: 'epoch', right: true },
  { title: 'entries', right: true },
  { title: 'lag', right: true },
  { title: 'peers', right: true },
  { title: 'writes' },
  { title: 'memory', right: true },
  { title: 'limit', right: true },
  { title: 'up', right: true },
  { title: 'HTTP' },
]

function print(current: Topology, reports: readonly ReplicaReport[]): void {
  printLine(
    `cluster ${current.clusterId}, epoch ${current.epoch}, ${current.groups.length} ${current.groups.length === 1 ? 'group' : 'groups'} of ${current.groups[0]?.replicas.length}\n`,
  )
  const rows = reports.map((report) => row(current, report, mostChosen(reports, report.group)))
  printLine(formatTable(COLUMNS, rows))
  for (const { group, replica, facts, error } of reports) {
    const reason = error ?? facts?.reason
    if (reason !== undefined) printLine(`\ng${group}-r${replica.replica}: ${reason}`)
  }
}

/** What the furthest replica of a group has: the others lag behind that. */
function mostChosen(reports: readonly ReplicaReport[], group: number): number {
  return Math.max(0, ...reports.filter((report) => report.group === group).map(({ facts }) => facts?.chosenTotal ?? 0))
}

function row(current: Topology, { group, replica, facts }: ReplicaReport, most: number): string[] {
  const name = `g${group}-r${replica.replica}`
  if (facts === undefined) return [name, 'unreachable', '', '', '', '', '', '', '', '', '', `http://${replica.http}`]
  const live = facts.peers.filter((peer) => peer.live).length
  return [
    name,
    facts.state,
    facts.mode,
    facts.epoch === current.epoch ? String(facts.epoch) : `${facts.epoch} (of ${current.epoch})`,
    formatCount(facts.chosenTotal),
    formatCount(most - facts.chosenTotal),
    `${live}/${facts.peers.length}`,
    facts.writes.state,
    formatBytes(facts.memory.rssBytes),
    formatBytes(facts.memory.limitBytes),
    formatSpan(facts.uptimeMs),
    `http://${replica.http}`,
  ]
}

async function topology(options: ClusterOptions & { readonly watch?: true }): Promise<void> {
  const client = await open(options)
  const show = (document: Topology) => (options.json === true ? printJson(document) : printLine(JSON.stringify(document, undefined, 2)))
  if (options.watch !== true) {
    show(client.topology())
    client.close()
    return
  }
  process.once('SIGINT', () => client.close())
  for await (const document of client.watchTopology()) show(document)
}
