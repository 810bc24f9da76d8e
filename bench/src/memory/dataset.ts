/**
 * The pages that all peers hold, and the order in which they are asked for.
 *
 * One record of 200 bytes is a page. What is asked for is drawn once per run, zipfian over all pages, the hot ones spread
 * among them, and written to a file that every loader reads, in whatever language it is written: so the distribution is the
 * same for every peer by construction, and costs a loader nothing while it measures. A loader begins at a place that its
 * seed decides and goes round. Values are windows of one file of random bytes: the same for every peer, hardly
 * compressible, and taken without copying.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '@thermocline/simulation'
import { VALUE_BYTES } from '../workloads.ts'
import { shuffled } from './shuffled.ts'
import { THETA, zipfianRanks } from './zipf.ts'

const SEED = 20_221_104
/** So many that a cache which holds all pages drawn holds about all there are. */
const DRAWS_PER_PAGE = 16
const MIN_DRAWS = 2 ** 20
const POOL_BYTES = 2 ** 16
/** Windows of neighbouring pages lie far apart. */
const WINDOW_STEP = 7919
const GOLDEN = 0x9e3779b1

export interface DatasetFiles {
  readonly pages: number
  /** Pages, as unsigned integers of 32 bits, little endian. */
  readonly draws: string
  /** What values are windows of. */
  readonly values: string
}

export function drawPages(pages: number, count: number, random: Random): Uint32Array {
  const order = shuffled(pages, random)
  const rank = zipfianRanks(pages, THETA, random.next)
  return Uint32Array.from({ length: count }, () => order[rank()] as number)
}

export function writeDataset(folder: string, pages: number): DatasetFiles {
  const random = new Random(SEED)
  const files = { pages, draws: join(folder, 'draws.bin'), values: join(folder, 'values.bin') }
  writeFileSync(
    files.values,
    Uint8Array.from({ length: POOL_BYTES }, () => random.below(256)),
  )
  writeFileSync(files.draws, drawPages(pages, Math.max(MIN_DRAWS, pages * DRAWS_PER_PAGE), random))
  return files
}

export class Dataset {
  readonly pages: number
  private readonly draws: Uint32Array
  private readonly pool: Uint8Array
  /** The call that chose a page last, by page. */
  private readonly chosenBy: Uint32Array
  private calls = 0
  private at: number

  constructor(pages: number, draws: Uint32Array, pool: Uint8Array, seed: number) {
    this.pages = pages
    this.draws = draws
    this.pool = pool
    this.chosenBy = new Uint32Array(pages)
    this.at = (Math.imul(seed, GOLDEN) >>> 0) % draws.length
  }

  static read({ pages, draws, values }: DatasetFiles, seed: number): Dataset {
    const bytes = readFileSync(draws)
    return new Dataset(pages, new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), readFileSync(values), seed)
  }

  /** The next pages to ask for, each another. `count` is far below the number of pages. */
  next(count: number): number[] {
    const call = ++this.calls
    const chosen: number[] = []
    while (chosen.length < count) {
      const page = this.draws[this.at] as number
      this.at = this.at + 1 === this.draws.length ? 0 : this.at + 1
      if (this.chosenBy[page] === call) continue
      this.chosenBy[page] = call
      chosen.push(page)
    }
    return chosen
  }

  valueOf(page: number): Uint8Array {
    const first = (page * WINDOW_STEP) % (this.pool.length - VALUE_BYTES)
    return this.pool.subarray(first, first + VALUE_BYTES)
  }
}
