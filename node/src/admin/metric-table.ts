/**
 * Every metric and what it means: the help text of `/metrics` and docs/reference/metrics.md. Names stand here without the
 * `thermocline_` prefix. The types make a counter or a gauge without a line here an error.
 */

export const COUNTERS = {
  writes_total: 'Writes that this replica took from clients.',
  reads_total: 'Strong reads that this replica took from clients.',
  requests_refused_total: 'Requests refused before they began: overloaded, disk full, not serving.',
  turns_total: 'Passes over everything that has arrived.',
  protocol_violations_total: 'Messages of peers that broke the protocol and were ignored. Should stay 0.',
  writes_forwarded_total: 'Writes handed to a peer that comes before this replica in the block’s order.',
  writes_forwarded_in_total: 'Writes that peers handed to this replica.',
  paxos_chosen_total: 'Entries that this replica learnt to be chosen.',
  paxos_fast_accepts_total: 'Attempts that began in round 0, without a Prepare.',
  paxos_prepares_total: 'Prepares sent. Beside the fast ones: how often proposers collide.',
  paxos_refused_total: 'Own Prepares and Accepts that met a higher ballot.',
  paxos_settles_total: 'Open instances of others that this replica finished.',
  paxos_displaced_total: 'Own values that lost their instance to another and were proposed again.',
  paxos_resends_total: 'Messages sent again because no answer came in time.',
  paxos_fetches_total: 'Chosen entries asked of peers because they had not come.',
  read_rounds_total: 'Majority rounds for reads; one serves all reads that wait.',
  read_proofs_total: 'Reads whose newest entry equal durable votes proved chosen, so that nothing was waited for.',
  reads_hot_total: 'Reads answered from memory.',
  reads_disk_total: 'Reads that went to the tables on disk.',
  reads_failed_total: 'Reads of the tables that failed: the disk or its content is damaged. Clients go on to another replica.',
  entries_applied_total: 'Entries applied to the engine.',
  log_syncs_total: 'Writes and syncs of the shared log; one per tick, for all blocks.',
  log_bytes_total: 'Bytes written to the shared log.',
  flushes_total: 'Flushes of the memory component to tables.',
  blocks_copied_total: 'Blocks taken over whole from a peer.',
  blocks_copy_batches_total: 'Batches that they came in.',
  blocks_copies_failed_total: 'Copies of blocks that came to no end: the peer could not give it, or it could not be installed here.',
  blocks_copied_bytes_total: 'Bytes of snapshots taken in for that.',
  digests_compared_total: 'Blocks a learner has compared with a peer before voting in them.',
  digest_mismatches_total: 'Of those, comparisons that differed. Should stay 0.',
  digests_audited_total: 'Blocks whose digests were compared with the other replicas’ in the background.',
  digest_differences_total: 'Of those, blocks in which replicas differed. Should stay 0.',
  blocks_set_aside_total: 'Blocks whose content here turned out to be wrong, and is copied from another replica.',
  peer_frames_sent_total: 'Frames sent to peers.',
  peer_frames_received_total: 'Frames received from peers.',
} as const

/** Gauges of the replica. */
export const REPLICA_GAUGES = {
  client_connections: 'Connections to the data port, peers not counted.',
  unfinished_bytes: 'Memory of frames and bodies that are not whole, on all connections.',
  untaken_bytes: 'Answers and frames that the other sides have not taken, on all connections.',
  blocks_known: 'Blocks that hold something.',
  blocks_open: 'Blocks with an instance that is being decided.',
  blocks_behind: 'Blocks that lack entries known to be chosen.',
  blocks_voting: 'Blocks this replica votes in: all 65,536 unless it is a learner.',
  blocks_stuck: 'Blocks a learner cannot get back to voting in by itself (NeedsOperator); /v1/admin/status says why.',
  blocks_set_aside: 'Blocks that serve and vote nothing here because their content is wrong, until they are copied.',
  blocks_copying: 'Blocks being taken over whole from a peer.',
  blocks_copy_queued: 'Blocks that wait for that.',
  copy_rate_share: 'Share of the full rate at which blocks are taken over and given: less than 1 while clients need the replica.',
  chosen_entries: 'Sum over blocks of the index up to which everything is chosen and applied; its rate is that of entries.',
  writes_waiting: 'Writes that are not answered yet.',
  writes_waiting_bytes: 'Their size.',
  reads_waiting: 'Reads that are not answered yet.',
  forwards_waiting: 'Forwarded writes that wait for the peer’s answer.',
  log_segments: 'Segments of the shared log, recycled ones included.',
  log_size_bytes: 'Size of the shared log on disk.',
  log_index_bytes: 'Memory of the index over entries kept for peers.',
  disk_full: '1 while writes are refused because the volume is full.',
} as const

/** Gauges of the node around it. */
export const NODE_GAUGES = {
  epoch: 'Epoch of the topology in force, 0 before the first.',
  topology_memory_machines: 'Memory machines that this topology names, in all groups.',
  boot: 'Number of this process life on its volume.',
  uptime_seconds: 'Since the process started.',
  memory_limit_bytes: 'What --memory says.',
  writes_accepted: '1 unless writes are refused: full disk or overload.',
} as const

/** With labels: `state`; `replica`; `version`, `role`, `group`, `replica`, `mode`. */
export const LABELLED_GAUGES = {
  state: '1 for the state the node is in, 0 for the others (label state).',
  peer_live: '1 if the peer answers (label replica).',
  info: 'Always 1; the labels version, role, group, replica and mode say what this node is.',
} as const

const tables = (what: string) => ({
  keys_estimate: `Rows in the tables of ${what}, estimated.`,
  file_bytes: `Size of the tables of ${what} on disk.`,
  pending_compaction_bytes: `Bytes that compaction of ${what} still has to rewrite.`,
  table_reader_bytes: `Memory of the open tables of ${what}: indexes and filters.`,
  level0_files: `Tables of ${what} that are not merged yet.`,
})
const prefixed = (prefix: string, names: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(names).map(([name, about]) => [`${prefix}_${name}`, about]))

/** What `Engine.stats()` tells, as metrics: `engine_` and the name with underscores. A test compares them with an engine's. */
export const ENGINE_GAUGES: Readonly<Record<string, string>> = prefixed('engine', {
  blocks: 'Blocks the engine holds.',
  active_bytes: 'Memory of the memory component that takes writes.',
  active_records: 'Records in it.',
  frozen_bytes: 'Memory of the one that is being flushed.',
  recent_header_bytes: 'Memory of the page headers of the last flushes.',
  request_table_answers: 'Answers kept for repeated requests.',
  request_table_bytes: 'Their memory.',
  version_cache_bytes: 'Size of the version cache.',
  version_cache_warm: '1 if the version cache outlived the last process.',
  version_cache_hits: 'Look-ups the version cache answered, since the process started.',
  version_cache_misses: 'Look-ups it did not answer.',
  cached_reads: 'Reads answered from the block cache.',
  needs_io: 'Reads that had to wait for the disk.',
  flushes: 'Flushes that have ended.',
  applied_entries: 'Entries applied.',
  block_cache_bytes: 'Memory of the block cache.',
  block_cache_pinned_bytes: 'What of it is in use and cannot be given up.',
  ...prefixed('pages', tables('page headers')),
  ...prefixed('records', tables('records')),
  ...prefixed('meta', tables('positions and answers')),
})

export type CounterName = keyof typeof COUNTERS
export type ReplicaGaugeName = keyof typeof REPLICA_GAUGES
export type NodeGaugeName = keyof typeof NODE_GAUGES

const ALL: Readonly<Record<string, string>> = { ...COUNTERS, ...REPLICA_GAUGES, ...NODE_GAUGES, ...LABELLED_GAUGES, ...ENGINE_GAUGES }

/** One line on a metric; its name in words for one that a newer engine brings. */
export function describeMetric(name: string): string {
  return ALL[name] ?? name.replaceAll('_', ' ')
}

/** `activeBytes` of an engine's figures → `engine_active_bytes`. */
export function engineMetricName(figure: string): string {
  return `engine_${figure.replaceAll(/([A-Z])/g, '_$1').toLowerCase()}`
}
