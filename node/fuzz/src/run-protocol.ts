/**
 * Runs inputs of one protocol, in episodes: each has a receiver of its own and chance of its own, which seed, protocol and number of the
 * episode decide, so that it repeats alone. In between the receiver is asked what it must still answer, and memory is measured: what is
 * held may grow in the first third of a run, while caches fill, and then not steadily.
 */
import { Random } from '@thermocline/simulation'
import type { Protocol } from './protocol.ts'

/** An input may take this long, on any machine: what takes longer hangs, or makes work of a few bytes. */
export const MOST_RUN_MS = 20_000
/** Runs between two control reads: they are part of what an episode repeats. */
const CHECK_RUNS = 500
const SAMPLES = 30
const PARTS = 4
/** Below this number of inputs growth cannot be told from chance. */
const LEAST_MEASURED = 10_000
/** Allocators give back what they have in pieces: without a leak, three steps made up to 31 MiB. */
export const MOST_RSS_GROWTH = 96 << 20
export const MOST_HEAP_GROWTH = 24 << 20

export interface RunOptions {
  readonly seed: number
  /** Number of the first episode. */
  readonly from: number
  readonly inputs: number
  /** Told before each run: the episode, and inputs done in it. */
  readonly onRun?: (episode: number, inputsInEpisode: number) => void
  readonly onProgress?: (inputs: number) => void
}

export interface RunResult {
  readonly inputs: number
  readonly elapsedMs: number
  readonly longestMs: number
  /** Bytes by which what is held has grown in the last two thirds of the run; undefined of a short one. */
  readonly growth: { readonly rss: number; readonly heap: number } | undefined
}

interface Held {
  readonly rss: number
  readonly heap: number
}

/** The chance of an episode. */
export function randomOf(seed: number, protocol: string, episode: number): Random {
  let mixed = seed | 0
  for (const char of protocol) mixed = Math.imul(mixed ^ char.charCodeAt(0), 0x01000193)
  return new Random(Math.imul(mixed ^ episode, 0x9e3779b1))
}

/** @throws what an input has made the receiver do, or an Error that says what has grown. */
export async function runProtocol(protocol: Protocol, options: RunOptions): Promise<RunResult> {
  const { seed, from, inputs, onRun, onProgress } = options
  const samples: Held[] = []
  const startedMs = performance.now()
  let longestMs = 0
  let done = 0
  for (let episode = from; done < inputs; episode++) {
    const random = randomOf(seed, protocol.name, episode)
    const target = await protocol.open(random)
    for (let run = 0; run < protocol.runsPerEpisode && done < inputs; run++) {
      onRun?.(episode, run * protocol.inputsPerRun)
      const beganMs = performance.now()
      // Most receivers answer at once: to wait for what is there costs more than they do.
      const running = target.run()
      if (running !== undefined) await running
      const tookMs = performance.now() - beganMs
      if (tookMs > longestMs) longestMs = tookMs
      if (tookMs > MOST_RUN_MS) throw new Error(`an input took ${tookMs.toFixed(0)} ms`)
      done += protocol.inputsPerRun
      if ((run + 1) % CHECK_RUNS === 0) await target.check()
      if (done >= ((samples.length + 1) * inputs) / SAMPLES) {
        samples.push(measure())
        onProgress?.(done)
      }
    }
    await target.check()
    await target.close()
  }
  const growth = done < LEAST_MEASURED ? undefined : growthOf(samples)
  if (growth !== undefined && (growth.rss > MOST_RSS_GROWTH || growth.heap > MOST_HEAP_GROWTH))
    throw new Error(
      `memory has grown by ${growth.rss} bytes, and what JavaScript holds by ${growth.heap}, while ${Math.round((done * 2) / 3)} inputs were taken`,
    )
  return { inputs: done, elapsedMs: performance.now() - startedMs, longestMs, growth }
}

function measure(): Held {
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, heap: heapUsed + external }
}

/**
 * Over the last two thirds of a run, as three steps between the medians of four parts. What leaks grows in each of them; an allocator that
 * takes memory once, for good, makes one step larger than the others. So it is three times the step in the middle.
 */
export function growthOf(samples: readonly Held[]): Held {
  const warm = samples.slice(Math.floor(samples.length / 3))
  const partAt = (part: number): number => Math.floor((part * warm.length) / PARTS)
  const grown = (of: (held: Held) => number): number => {
    const medians = Array.from({ length: PARTS }, (_, part) => medianOf(warm.slice(partAt(part), partAt(part + 1)).map(of)))
    return (PARTS - 1) * medianOf(medians.slice(1).map((median, at) => median - (medians[at] as number)))
  }
  return { rss: grown(({ rss }) => rss), heap: grown(({ heap }) => heap) }
}

function medianOf(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0
}
