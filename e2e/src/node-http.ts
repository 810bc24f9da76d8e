/** One replica over HTTP: its status, its digests, and what it answers when asked alone. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface ReplicaStatus {
  readonly state: string
  readonly reason?: string
  readonly epoch: number
  readonly incarnation: { readonly number: number; readonly nonce: string }
  readonly boot: number
  readonly mode: string
  readonly chosenTotal: number
  readonly blocks: { readonly known: number; readonly open: number; readonly behind: number }
  readonly memory: { readonly limitBytes: number; readonly rssBytes: number }
  readonly learner?: { readonly blocks: number; readonly voting: number; readonly copiedBytes: number }
  readonly peers: readonly { readonly replica: number; readonly live: boolean }[]
}

export interface BlockDigest {
  readonly block: number
  readonly index: number
  readonly digest: string
}

/** A line of a scan in NDJSON. */
export interface ScannedLine {
  readonly id: string
  readonly version: number
  /** base64 */
  readonly value: string
  readonly text?: string
}

const REQUEST_TIMEOUT_MS = 30_000

async function getJson(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) })
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${await response.text()}`)
  return response.json()
}

export async function replicaStatus(http: string): Promise<ReplicaStatus> {
  return (await getJson(`${http}/v1/admin/status`)) as ReplicaStatus
}

/** Resolves once the replica serves. */
export async function waitUntilServing(http: string): Promise<void> {
  const untilMs = performance.now() + REQUEST_TIMEOUT_MS
  for (;;) {
    // It does not listen yet.
    const status = await replicaStatus(http).catch(() => undefined)
    if (status?.state === 'serving') return
    if (performance.now() > untilMs)
      throw new Error(`${http} does not serve after ${REQUEST_TIMEOUT_MS} ms: ${status?.state ?? 'no answer'}`)
    await delay(100)
  }
}

/** Gives a replica that lost its disk the topology that another one has, as the operator does. */
export async function handTopology({ http, folder }: { http: readonly string[]; folder: string }, to: number): Promise<void> {
  const topology = await getJson(`${http[(to + 1) % http.length]}/v1/admin/topology`)
  const headers = { authorization: `Bearer ${readFileSync(join(folder, 'token'), 'utf8').trim()}`, 'content-type': 'application/json' }
  const untilMs = performance.now() + REQUEST_TIMEOUT_MS
  for (;;) {
    try {
      const response = await fetch(`${http[to]}/v1/admin/topology`, { method: 'PUT', body: JSON.stringify(topology), headers })
      if (!response.ok) throw new Error(`PUT of the topology: ${response.status} ${await response.text()}`)
      return
    } catch (error) {
      // It does not listen yet.
      if (performance.now() > untilMs) throw error
      await delay(100)
    }
  }
}

export async function replicaDigests(http: string): Promise<readonly BlockDigest[]> {
  const { digests } = (await getJson(`${http}/v1/admin/digests`)) as { digests: BlockDigest[] }
  return digests
}

/** Streams a series as this one replica answers it, newest first. */
export async function* scanReplica(http: string, series: string): AsyncGenerator<ScannedLine> {
  const url = `${http}/v1/series/${encodeURIComponent(series)}/records?timeoutMs=30000`
  const response = await fetch(url, { headers: { accept: 'application/x-ndjson' }, redirect: 'error' })
  if (!response.ok || response.body === null) throw new Error(`GET ${url}: ${response.status} ${await response.text()}`)
  let rest = ''
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const record = JSON.parse(line) as ScannedLine & { error?: { message: string } }
      if (record.error !== undefined) throw new Error(`GET ${url}: ${record.error.message}`)
      yield record
    }
  }
}
