/**
 * More data ports of a simulated storage node. Its own is that of group 0; in every other group that a topology may name it stands for its
 * replica at one more, since topologies of several groups are part of what clients and memory nodes must get along with.
 */
import type { Volume } from '../../src/replica/volume.ts'
import type { NodeWorld, StorageNode } from '../../src/roles/storage/storage-node.ts'
import { DataServer } from '../../src/server/data-server.ts'
import type { Host, SimStreams } from './streams.ts'
import { CLUSTER_ID, MOST_GROUPS, SLICE_MS, storageAddress } from './topologies.ts'

export interface DataPortsOptions extends Pick<NodeWorld, 'clock' | 'traffic' | 'complaints'> {
  readonly host: Host
  readonly number: number
  readonly streams: SimStreams
  readonly volume: Volume
  readonly node: StorageNode
}

/** Listens at once. */
export async function openOtherGroups({
  host,
  number,
  streams,
  clock,
  traffic,
  complaints,
  volume,
  node,
}: DataPortsOptions): Promise<void> {
  for (let group = 1; group < MOST_GROUPS; group++) {
    const server = new DataServer({
      clusterId: () => CLUSTER_ID,
      process: () => ({ ...volume, group }),
      epoch: () => node.topology()?.epoch ?? 0,
      sliceDurationMs: () => SLICE_MS,
      clock,
      server: streams.server(host),
      traffic,
      submit: (request) => node.submit(request),
      complain: (source, what, fields) => complaints.report(source, what, fields),
      onPeer: (stream) => stream.close(),
    })
    await server.listen(storageAddress(group, number))
  }
}
