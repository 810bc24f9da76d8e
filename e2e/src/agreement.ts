/** Do the replicas of a group hold the same? Two questions: their digests, and what each of them answers when asked. */
import { setTimeout as delay } from 'node:timers/promises'
import { type BlockDigest, replicaDigests, scanReplica } from './node-http.ts'

const POLL_MS = 100

export interface Agreement {
  readonly blocks: number
  readonly entries: number
  readonly tookMs: number
}

/** Waits until all replicas have equal digests at equal indexes. Fails, naming the first difference, after `timeoutMs`. */
export async function waitForAgreement(http: readonly string[], timeoutMs = 30_000): Promise<Agreement> {
  const beganMs = performance.now()
  for (;;) {
    const digests = await Promise.all(http.map(replicaDigests))
    const difference = firstDifference(digests)
    const tookMs = performance.now() - beganMs
    if (difference === undefined) {
      const [blocks = []] = digests
      return { blocks: blocks.length, entries: blocks.reduce((sum, { index }) => sum + index, 0), tookMs }
    }
    if (tookMs > timeoutMs) throw new Error(`replicas differ after ${timeoutMs} ms: ${difference}`)
    await delay(POLL_MS)
  }
}

function firstDifference(digests: readonly (readonly BlockDigest[])[]): string | undefined {
  const byReplica = digests.map((blocks) => new Map(blocks.map((digest) => [digest.block, digest])))
  const all = new Set(byReplica.flatMap((blocks) => [...blocks.keys()]))
  const describe = (found: BlockDigest | undefined) => (found === undefined ? 'nothing' : `${found.digest} at ${found.index}`)
  for (const block of all) {
    const texts = byReplica.map((blocks) => describe(blocks.get(block)))
    if (new Set(texts).size > 1) return `block ${block}: ${texts.map((text, at) => `replica ${at} has ${text}`).join(', ')}`
  }
  return undefined
}

/**
 * Reads whole series from one replica and compares them with what was acknowledged.
 * @returns how many records were read. Fails at the first that is missing, wrong or unknown.
 */
export async function readBack(http: string, acknowledged: ReadonlyMap<string, ReadonlyMap<string, string>>): Promise<number> {
  let count = 0
  for (const [series, records] of acknowledged) {
    let found = 0
    for await (const { id, text } of scanReplica(http, series)) {
      const wanted = records.get(id)
      if (text !== wanted)
        throw new Error(`${http}: ${series} ${id} is ${JSON.stringify(text)}; acknowledged was ${JSON.stringify(wanted)}`)
      found++
    }
    if (found !== records.size) throw new Error(`${http}: ${series} has ${found} records; ${records.size} were acknowledged`)
    count += found
  }
  return count
}
