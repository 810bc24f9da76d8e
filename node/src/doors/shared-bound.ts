/**
 * A bound that all connections of a node share: of bytes that are kept for them, or of connections in a state.
 *
 * Problem: a bound for each connection bounds nothing while anybody may open connections; and to refuse whoever comes when the bound
 * is reached keeps out everybody but those who reached it.
 * Idea: who holds most gives way. Holders are added up by source (source.ts); when the bound is exceeded, the source that holds most
 * loses its oldest holder, until the rest fits. A holder is thus safe while other sources hold more than its own, and, within its
 * source, until as much as the bound has come after it: who is slow but goes on is served, who stays for long beside a flood is not.
 *
 * Invariants: `total` is the sum over all holders, and at most `limit` when a call returns; a holder that is cut holds nothing.
 */
export interface Holder {
  /** Where it comes from (source.ts). */
  readonly source: string
  /** It has to give up what it holds, which counts no longer. */
  cut(): void
}

export class SharedBound {
  readonly limit: number
  /** In the order in which they began to hold something. */
  private readonly held = new Map<Holder, number>()
  private readonly bySource = new Map<string, number>()
  total = 0
  /** Holders that had to give way. */
  cuts = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** What the holder holds from now on; 0 lets go of it. Others, or it itself, may be cut meanwhile. */
  set(holder: Holder, amount: number): void {
    this.put(holder, amount)
    while (this.total > this.limit) {
      const victim = this.oldestOf(this.greediest() as string) as Holder
      this.put(victim, 0)
      this.cuts++
      victim.cut()
    }
  }

  /** As `set`, and it counts as having begun only now. */
  renew(holder: Holder, amount: number): void {
    this.put(holder, 0)
    this.set(holder, amount)
  }

  /**
   * True if one more from the source would be too much and no other source holds more: then the newcomer gives way, so that those of one
   * source do not push each other out in turn.
   */
  refuses(source: string): boolean {
    return this.total >= this.limit && (this.bySource.get(source) ?? 0) >= (this.bySource.get(this.greediest() as string) ?? 0)
  }

  private put(holder: Holder, amount: number): void {
    const { source } = holder
    const change = amount - (this.held.get(holder) ?? 0)
    if (amount === 0) this.held.delete(holder)
    else this.held.set(holder, amount)
    if (change === 0) return
    this.total += change
    const ofSource = (this.bySource.get(source) ?? 0) + change
    if (ofSource === 0) this.bySource.delete(source)
    else this.bySource.set(source, ofSource)
  }

  private greediest(): string | undefined {
    let most = 0
    let found: string | undefined
    for (const [source, amount] of this.bySource) {
      if (amount <= most) continue
      most = amount
      found = source
    }
    return found
  }

  private oldestOf(source: string): Holder | undefined {
    for (const holder of this.held.keys()) if (holder.source === source) return holder
    return undefined
  }
}
