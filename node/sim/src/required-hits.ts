/**
 * What a run of many seeds must have met: every fault, and every branch of the protocol. A name that stays at zero means
 * that the simulator has stopped trying it, and that its invariants hold for want of trying.
 */
import { FAULTS, MEMORY_FAULTS } from './faults/injector.ts'

/** Fewer seeds than this may miss what is rare. */
export const ENOUGH_SEEDS = 500

const BRANCHES = [
  'network.dropped',
  'network.duplicated',
  'network.slow',
  'network.cut',
  'network.flipped',
  'paxos.setAside',
  'paxos.differences',
  'disk.tornSectors',
  'disk.failedSyncs',
  'disk.refusedForSpace',
  'cluster.cutTails',
  'cluster.fatalSyncs',
  'cluster.rejoined',
  'cluster.rollBacks',
  'cluster.zombies',
  'cluster.zombiesFound',
  'engine.misses',
  'engine.wrongCopies',
  'paxos.mismatches',
  'client.fan-out',
  'client.late retry answered',
  'client.late retry expired',
  'client.written',
  'client.read',
  'client.condition failed',
  'client.expired',
  'client.unknown',
  'client.refused',
  'client.scanned',
  'client.scanned in part',
  'client.read past memory',
  'client.scanned past memory',
  'client.read many',
  'client.read from memory',
  'client.read many from memory',
  'client.scanned from memory',
  'client.pages',
  'engine.deferredValidations',
  'engine.staleFills',
  'memory.keptFiles',
  'memory.torn',
  'memory.unchanged',
  'memory.again',
  'memory.later',
  'memory.failed',
  'memory.prefetched',
  'memory.topologies',
  'memory.added',
  'memory.removed',
  'stream.opened',
  'stream.refused',
  'stream.split',
  'stream.joined',
  'stream.slow',
  'stream.held',
  'stream.full',
  'stream.reset',
  'paxos.fastAccepts',
  'paxos.prepares',
  'paxos.refused',
  'paxos.bound',
  'paxos.outbid',
  'paxos.noops',
  'paxos.settles',
  'paxos.noticed',
  'paxos.provenByNext',
  'paxos.proven',
  'paxos.behind',
  'paxos.fetches',
  'paxos.copied',
  'paxos.displaced',
  'paxos.forwarded',
  'paxos.resends',
  'paxos.flushes',
  'paxos.refusedRequests',
]

export const REQUIRED_HITS: readonly string[] = [...[...FAULTS, ...MEMORY_FAULTS].map(({ name }) => `fault.${name}`), ...BRANCHES]

/** The required names that were never met. */
export function neverMet(hits: Readonly<Record<string, number>>): string[] {
  return REQUIRED_HITS.filter((name) => (hits[name] ?? 0) === 0)
}
