/**
 * How `--memory` is divided. The process aims to stay within it; a test observes that it does.
 *
 * Node itself and its code take about 90 MiB. Of the rest, the memory component exists up to twice (one taking writes,
 * one being flushed); queues are bounded by bytes; garbage gathers up to a bound (garbage.ts). What strangers can make the node
 * hold comes out of the same rest: it must not end a node, however many connect.
 */
import { MAX_FRAME_BYTES } from '@thermocline/protocol'
import type { TrafficLimits } from './doors/traffic.ts'

export interface MemoryBudget {
  readonly memtableBytes: number
  readonly blockCacheBytes: number
  readonly versionCacheBytes: number
  /** Bodies of writes that wait for their answers, and of reads and validations. */
  readonly writeQueueBytes: number
  readonly readQueueBytes: number
  /** Answers of the request table, all blocks together. */
  readonly answers: number
  readonly garbageBytes: number
  readonly traffic: TrafficLimits
}

const BASE_BYTES = 96 * 1024 * 1024
const ANSWER_BYTES = 64
/** More would not make collections rarer than one in a quarter of a minute. */
const MOST_GARBAGE_BYTES = 64 * 1024 * 1024
/** Open connections, of about 17 KB each, may take a third of the rest where there are no other clients. */
const BYTES_PER_CONNECTION = 48 * 1024
const MOST_CONNECTIONS = 32_768
const MOST_UNFINISHED_BYTES = 256 * 1024 * 1024
const MOST_UNTAKEN_BYTES = 512 * 1024 * 1024

/** `versionCacheBytes`: what was asked for; a share of the memory if undefined. */
export function divideMemory(memoryBytes: number, versionCacheBytes?: number): MemoryBudget {
  const asked = versionCacheBytes ?? 0
  const rest = Math.max(memoryBytes - BASE_BYTES - asked, 32 * 1024 * 1024)
  return {
    memtableBytes: Math.floor(rest * 0.15),
    blockCacheBytes: Math.floor(rest * 0.24),
    versionCacheBytes: versionCacheBytes ?? Math.min(Math.floor(rest * 0.05), 256 * 1024 * 1024),
    writeQueueBytes: Math.floor(rest * 0.09),
    readQueueBytes: Math.floor(rest * 0.02),
    answers: Math.max(1024, Math.floor((rest * 0.08) / ANSWER_BYTES)),
    garbageBytes: Math.min(Math.floor(rest * 0.08), MOST_GARBAGE_BYTES),
    traffic: {
      // The largest frame fits, whatever the memory: without that a client that is alone could not go on.
      unfinishedBytes: Math.min(Math.max(Math.floor(rest * 0.05), MAX_FRAME_BYTES + 4), MOST_UNFINISHED_BYTES),
      untakenBytes: Math.min(Math.max(Math.floor(rest * 0.08), 2 * MAX_FRAME_BYTES), MOST_UNTAKEN_BYTES),
      connections: Math.min(Math.floor(rest / BYTES_PER_CONNECTION), MOST_CONNECTIONS),
    },
  }
}
