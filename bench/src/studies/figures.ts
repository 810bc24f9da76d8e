/** Reads a replica's figures: its metrics about store and copies, and the number of table files in its folder. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { replicaStatus, type Up } from '@thermocline/e2e'

export interface ReplicaFigures {
  readonly rssBytes: number
  /** Tables of the store on disk. */
  readonly tables: number
  readonly fetches: number
  readonly copiedBlocks: number
  readonly copiedBytes: number
  readonly copyBatches: number
}

async function counterOf(http: string): Promise<(name: string) => number> {
  const text = await (await fetch(`${http}/metrics`)).text()
  return (name) => Number(new RegExp(`^thermocline_${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
}

/** The figures of replica `at` of the only group. @throws Error if its HTTP port does not answer. */
export async function figuresOf(up: Up, at: number): Promise<ReplicaFigures> {
  const http = up.http[at] as string
  const [{ memory }, counter] = await Promise.all([replicaStatus(http), counterOf(http)])
  return {
    rssBytes: memory.rssBytes,
    tables: readdirSync(join(up.folder, `g0-r${at}`), { recursive: true }).filter((name) => String(name).endsWith('.sst')).length,
    fetches: counter('paxos_fetches_total'),
    copiedBlocks: counter('blocks_copied_total'),
    copiedBytes: counter('blocks_copied_bytes_total'),
    copyBatches: counter('blocks_copy_batches_total'),
  }
}
