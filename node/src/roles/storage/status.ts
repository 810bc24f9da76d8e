/** The replica's part of `/v1/admin/status`, and the figures that metrics are made of. */
import { type CounterName, engineMetricName, type ReplicaGaugeName } from '../../admin/metric-table.ts'
import type { LearnerProgress, NodeStatus } from '../../admin/ports.ts'
import type { Traffic } from '../../doors/traffic.ts'
import type { Engine } from '../../engine/port.ts'
import type { Replica } from '../../replica/replica.ts'

type ReplicaStatus = Pick<NodeStatus, 'blocks' | 'chosenTotal' | 'peers' | 'learner' | 'writes' | 'log' | 'counters' | 'gauges'>

/** What comes in and goes out. */
export interface Doors {
  readonly clients: number
  readonly traffic: Traffic
}

export function describeReplica(replica: Replica | undefined, engine: Engine | undefined, doors: Doors): ReplicaStatus {
  if (replica === undefined || engine === undefined) {
    return {
      blocks: { known: 0, open: 0, behind: 0 },
      chosenTotal: 0,
      peers: [],
      learner: undefined,
      writes: { state: 'accepted' },
      log: { segments: 0, bytes: 0, writeNumber: 0 },
      counters: {},
      gauges: { ...gaugesOfDoors(doors) },
    }
  }
  const { core, peers, log } = replica
  const load = replica.load()
  return {
    blocks: { known: core.known.length, open: core.open.length, behind: core.behind.length },
    chosenTotal: core.chosenTotal,
    peers: peers.all
      .filter((peer) => peer.replica !== core.replica)
      .map((peer) => ({
        replica: peer.replica,
        connected: peer.isReady,
        live: (core.live & (1 << peer.replica)) !== 0,
        reason: peer.reason,
        chosenTotal: peer.chosenTotal,
      })),
    learner: replica.rejoin.isComplete ? undefined : describeLearner(replica),
    writes: { state: load.isDiskFull ? 'disk_full' : load.isMemoryFull ? 'overloaded' : 'accepted' },
    log: { segments: log.pool.count, bytes: log.pool.bytes, writeNumber: log.durableWrite },
    counters: countersOf(replica),
    gauges: gaugesOf(replica, engine, doors),
  }
}

function describeLearner({ rejoin, copier }: Replica): LearnerProgress {
  const { blocks, voting, barriers, stuck, elapsedMs, gained } = rejoin.progress
  return {
    blocks,
    voting,
    unasked: blocks - barriers,
    stuck,
    copiedBytes: copier.copiedBytes,
    mismatches: rejoin.counters.mismatches,
    elapsedMs: Math.round(elapsedMs),
    etaMs: gained === 0 ? undefined : Math.round((elapsedMs * (blocks - voting)) / gained),
  }
}

function countersOf(replica: Replica): Record<CounterName, number> {
  const { core, counters, requests, log, peers, readServer, forwarder, flusher, copier, rejoin, applier, audit } = replica
  return {
    writes_total: requests.counters.writes,
    reads_total: requests.counters.reads,
    requests_refused_total: requests.counters.refused,
    turns_total: counters.turns,
    protocol_violations_total: counters.violations,
    writes_forwarded_total: forwarder.forwarded,
    writes_forwarded_in_total: requests.counters.forwardedIn,
    paxos_chosen_total: core.counters.chosen,
    paxos_fast_accepts_total: core.counters.fastAccepts,
    paxos_prepares_total: core.counters.prepares,
    paxos_refused_total: core.counters.refused,
    paxos_settles_total: core.counters.settles,
    paxos_displaced_total: core.counters.displaced,
    paxos_resends_total: core.counters.resends,
    paxos_fetches_total: core.counters.fetches,
    read_rounds_total: core.counters.rounds,
    read_proofs_total: core.counters.proven,
    reads_hot_total: readServer.hot,
    reads_disk_total: readServer.fromDisk,
    reads_failed_total: readServer.failed,
    entries_applied_total: applier.applied,
    log_syncs_total: log.syncs,
    log_bytes_total: log.bytesWritten,
    flushes_total: flusher.flushes,
    blocks_copied_total: copier.copied,
    blocks_copy_batches_total: copier.batchesCopied,
    blocks_copies_failed_total: copier.failures,
    blocks_copied_bytes_total: copier.copiedBytes,
    digests_compared_total: rejoin.counters.compared,
    digest_mismatches_total: rejoin.counters.mismatches,
    digests_audited_total: audit.counters.audited,
    digest_differences_total: audit.counters.differences,
    blocks_set_aside_total: counters.setAside,
    peer_frames_sent_total: peers.framesSent,
    peer_frames_received_total: peers.framesReceived,
  }
}

function gaugesOfDoors({
  clients,
  traffic,
}: Doors): Pick<Record<ReplicaGaugeName, number>, 'client_connections' | 'unfinished_bytes' | 'untaken_bytes'> {
  return { client_connections: clients, unfinished_bytes: traffic.unfinished.bytes, untaken_bytes: traffic.untaken.total }
}

function gaugesOf(replica: Replica, engine: Engine, doors: Doors): Record<string, number> {
  const { core, log, forwarder, copier, rejoin } = replica
  const load = replica.load()
  const gauges: Record<ReplicaGaugeName, number> = {
    ...gaugesOfDoors(doors),
    blocks_known: core.known.length,
    blocks_open: core.open.length,
    blocks_behind: core.behind.length,
    blocks_set_aside: core.known.filter((state) => state.isSetAside).length,
    blocks_copying: copier.copying,
    blocks_copy_queued: copier.queued,
    copy_rate_share: copier.rateShare,
    blocks_voting: core.votes.size,
    blocks_stuck: rejoin.progress.stuck,
    chosen_entries: core.chosenTotal,
    writes_waiting: load.writes,
    writes_waiting_bytes: load.writeBytes,
    reads_waiting: load.reads,
    forwards_waiting: forwarder.waiting,
    log_segments: log.pool.count,
    log_size_bytes: log.pool.bytes,
    log_index_bytes: log.indexBytes,
    disk_full: load.isDiskFull ? 1 : 0,
  }
  const figures = Object.entries(engine.stats()).map(([name, value]) => [engineMetricName(name), value])
  return { ...gauges, ...Object.fromEntries(figures) }
}
