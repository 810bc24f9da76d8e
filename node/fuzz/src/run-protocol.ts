/**
 * Runs inputs of one protocol, in episodes: each has a receiver of its own and chance of its own, which seed, protocol and number of the
 * episode decide, so that it repeats alone. In between the receiver is asked what it must still answer, and memory is measured: what is
 * held may grow in the first third of a run, while caches fill, and then no more.
 */
import { Random } from '@thermocline/simulation'
import type { Protocol } from './protocol.ts'

/** An input may take this long, on any machine: what takes longer hangs, or makes work of a few bytes. */
export const MOST_RUN_MS = 20_000
/** Runs between two control reads: they are part of what an episode repeats. */
const CHECK_RUNS = 500
const SAMPLES = 30
/** Below this number of inputs growth cannot be told from chance. */
const LEAST_MEASURED = 10_000
/** Allocators give back what they have in pieces. */
export const MOST_RSS_GROWTH = 48 << 20
export const MOST_HEAP_GROWTH = 12 << 20

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
  /** Bytes that are held more in the last third of the run than in the second; undefined of a short run. */
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
      `memory has grown by ${growth.rss} bytes, and what JavaScript holds by ${growth.heap}, while ${Math.round(done / 3)} inputs were taken`,
    )
  return { inputs: done, elapsedMs: performance.now() - startedMs, longestMs, growth }
}

function measure(): Held {
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, heap: heapUsed + external }
}

/** From the middle third to the last one, by their medians. */
function growthOf(samples: readonly Held[]): Held {
  const third = Math.floor(samples.length / 3)
  const between = (from: number, to: number, of: (held: Held) => number): number => {
    const sorted = samples
      .slice(from, to)
      .map(of)
      .toSorted((a, b) => a - b)
    return sorted[sorted.length >> 1] ?? 0
  }
  const grown = (of: (held: Held) => number): number => between(2 * third, samples.length, of) - between(third, 2 * third, of)
  return { rss: grown(({ rss }) => rss), heap: grown(({ heap }) => heap) }
}
