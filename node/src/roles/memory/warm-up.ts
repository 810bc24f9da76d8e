/**
 * A memory node whose cache begins empty: first it takes over what its peers hold hottest, then its share of the reads grows.
 *
 *     cold ──► prefetching ──► ramping ──warmUpMs──► warm        a cache that was kept is warm at once
 *
 * Clients learn what is left of it when they connect (`helloOk`), and weigh the machines of a group by it.
 */
import { abortAfter } from '../../io/abort-after.ts'
import { RINGS, type Tier } from '../../tier/tier.ts'
import { type HotPagesQuery, NotNow } from './hot-pages.ts'
import type { MemoryWorld } from './world.ts'

/** Whatever peers have, reads go to this node by then. */
const PREFETCH_MS = 60_000
/** How often a peer is asked that does not answer. */
const MAX_FAILURES = 4
const ASK_AGAIN_MS = 500

export interface WarmUpState {
  readonly state: 'cold' | 'prefetching' | 'ramping' | 'warm'
  /** Until clients give this node its full share. */
  readonly leftMs: number
  /** Taken over from peers. */
  readonly pages: number
  readonly bytes: number
}

/** Whose pages are wanted, and who is asked. */
export interface WarmUpPlan {
  readonly owner: string
  readonly asker: string
  /** Memory groups, and this node's. */
  readonly groups: number
  readonly group: number
  /** HTTP addresses; this node's own may be among them. */
  readonly peers: readonly string[]
  readonly warmUpMs: number
}

export class WarmUp {
  private readonly world: MemoryWorld
  private stage: WarmUpState['state'] = 'cold'
  private warmUpMs = 0
  private fullAtMs = 0
  private pages = 0
  private bytes = 0

  constructor(world: MemoryWorld) {
    this.world = world
  }

  /** Nothing has to be taken over: the cache outlived its process. */
  skip(): void {
    this.stage = 'warm'
  }

  get isPrefetching(): boolean {
    return this.stage === 'cold' || this.stage === 'prefetching'
  }

  now(): WarmUpState {
    const leftMs = this.leftMs()
    if (this.stage === 'ramping' && leftMs === 0) this.stage = 'warm'
    return { state: this.stage, leftMs, pages: this.pages, bytes: this.bytes }
  }

  private leftMs(): number {
    if (this.stage === 'warm') return 0
    return this.stage === 'ramping' ? Math.max(0, Math.round(this.fullAtMs - this.world.clock.nowMs())) : this.warmUpMs
  }

  /** Takes over all rings from the peers in turn; a peer that has nothing for this cache is asked no more. Ends when there is nobody left to ask, too. */
  async run(tier: Tier, { peers, warmUpMs, ...from }: WarmUpPlan, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.world
    this.stage = 'prefetching'
    this.warmUpMs = warmUpMs
    const beganMs = clock.nowMs()
    const { signal: bounded, cancel } = abortAfter(clock, PREFETCH_MS, signal)
    let asked = peers.map((http) => ({ http, failures: 0 }))
    for (let ring = 0; ring < RINGS && asked.length > 0 && !bounded.aborted; ) {
      const peer = asked[ring % asked.length] as { http: string; failures: number }
      try {
        await this.takeRing(tier, peer.http, { ...from, ring, position: 0 }, bounded)
        ring++
      } catch (error) {
        if (signal.aborted) break
        // It may be starting as this one is.
        if (error instanceof NotNow && ++peer.failures < MAX_FAILURES) {
          await new Promise<void>((resolve) => clock.after(ASK_AGAIN_MS, resolve))
          continue
        }
        log.info({ http: peer.http, error: String(error) }, 'a peer gives no pages to warm up with')
        asked = asked.filter((one) => one !== peer)
      }
    }
    cancel()
    if (signal.aborted) return
    this.stage = 'ramping'
    this.fullAtMs = clock.nowMs() + warmUpMs
    const tookMs = Math.round(clock.nowMs() - beganMs)
    log.info({ pages: this.pages, bytes: this.bytes, tookMs }, 'the cache has what its peers hold hottest')
  }

  private async takeRing(tier: Tier, peer: string, query: HotPagesQuery, signal: AbortSignal): Promise<void> {
    let { position } = query
    do {
      const piece = await this.world.fetchHotPages(peer, { ...query, position }, signal)
      this.pages += tier.putHot(piece.pages, Math.floor(this.world.clock.wallMs() / 1000))
      this.bytes += piece.pages.length
      position = piece.position
    } while (position !== 0)
  }
}
