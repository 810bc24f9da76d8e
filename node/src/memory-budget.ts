/**
 * How `--memory` is divided. The process aims to stay within it; a test observes that it does.
 *
 * Node itself and its code take about 90 MiB. Of the rest, the memory component exists up to twice (one taking writes,
 * one being flushed); queues are bounded by bytes; garbage gathers up to a bound (garbage.ts).
 */
export interface MemoryBudget {
  readonly memtableBytes: number
  readonly blockCacheBytes: number
  readonly versionCacheBytes: number
  readonly queueBytes: number
  /** Answers of the request table, all blocks together. */
  readonly answers: number
  readonly garbageBytes: number
}

const BASE_BYTES = 96 * 1024 * 1024
const ANSWER_BYTES = 64
/** More would not make collections rarer than one in a quarter of a minute. */
const MOST_GARBAGE_BYTES = 64 * 1024 * 1024

/** `versionCacheBytes`: what was asked for; a share of the memory if undefined. */
export function divideMemory(memoryBytes: number, versionCacheBytes?: number): MemoryBudget {
  const asked = versionCacheBytes ?? 0
  const rest = Math.max(memoryBytes - BASE_BYTES - asked, 32 * 1024 * 1024)
  return {
    memtableBytes: Math.floor(rest * 0.16),
    blockCacheBytes: Math.floor(rest * 0.25),
    versionCacheBytes: versionCacheBytes ?? Math.min(Math.floor(rest * 0.05), 256 * 1024 * 1024),
    queueBytes: Math.floor(rest * 0.12),
    answers: Math.max(1024, Math.floor((rest * 0.08) / ANSWER_BYTES)),
    garbageBytes: Math.min(Math.floor(rest * 0.08), MOST_GARBAGE_BYTES),
  }
}
