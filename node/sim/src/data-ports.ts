/**
 * The data port of a simulated storage replica: the real one. A process stands for its replica in every storage group that a topology
 * names, each at a port of its own, since topologies of several groups are part of what clients and memory nodes must get along with.
 */
import type { Clock } from '@thermocline/protocol'
import { Operation } from '@thermocline/protocol'
import type { Traffic } from '../../src/doors/traffic.ts'
import type { Replica } from '../../src/replica/replica.ts'
import { refuse } from '../../src/replica/requests.ts'
import type { Volume } from '../../src/replica/volume.ts'
import { TopologyStore } from '../../src/roles/storage/topology-store.ts'
import { DataServer } from '../../src/server/data-server.ts'
import { answerTopology } from '../../src/server/topology-answer.ts'
import type { Host, SimStreams } from './streams.ts'
import { CLUSTER_ID, MOST_GROUPS, SLICE_MS, storageAddress, type Topologies } from './topologies.ts'

export interface DataPortsOptions {
  readonly host: Host
  readonly number: number
  readonly streams: SimStreams
  readonly topologies: Topologies
  readonly clock: Clock
  readonly traffic: Traffic
  /** What the volume's file says so far. */
  readonly volume: () => Volume
  /** Undefined until it serves. */
  readonly replica: () => Replica | undefined
  readonly complain: (what: string, fields: Record<string, unknown>) => void
}

/** Listens at once. */
export async function openDataPorts(options: DataPortsOptions): Promise<void> {
  const { host, number, streams, topologies, clock, traffic, volume, replica, complain } = options
  const files = { read: () => Promise.resolve(undefined), replace: () => Promise.resolve() }
  const store = new TopologyStore(files, clock, CLUSTER_ID, () => {})
  topologies.follow((topology) => {
    if (host.isAlive()) void store.install(topology)
  })
  for (let group = 0; group < MOST_GROUPS; group++) {
    const server = new DataServer({
      clusterId: () => CLUSTER_ID,
      process: () => ({ ...volume(), group }),
      epoch: () => store.epoch,
      sliceDurationMs: () => SLICE_MS,
      clock,
      server: streams.server(host),
      traffic,
      submit: (request) => {
        const serving = replica()
        if (request.operation === Operation.topology) answerTopology(request, (epoch, waitMs) => store.watch(epoch, waitMs, undefined))
        else if (serving === undefined) refuse(request, 'unavailable', 0, 'the node is starting')
        else serving.requests.submit(request)
      },
      complain: (_source, what, fields) => complain(what, fields),
      onPeer: (stream) => stream.close(),
    })
    await server.listen(storageAddress(group, number))
  }
}
