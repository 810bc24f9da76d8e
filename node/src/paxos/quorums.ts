/**
 * Which votes make a quorum (⚖5): a majority of replicas, of which none names a later incarnation of another one than the one
 * that voted. Who names what is heard from the replicas themselves, so a replica that names wrongly only takes itself out of
 * the quorums with those that it speaks of; the others go on without it.
 *
 * With at most five replicas there are at most 32 sets of votes: the answer for each is worked out when a connection or a name
 * changes, and counting votes is one look.
 */
export class Quorums {
  private readonly size: number
  /** By set of votes: the most of them that may be counted together. */
  private readonly largest: Uint8Array
  /** The same, with the replica itself among them; 0 if it is not among the votes. */
  private readonly largestOwn: Uint8Array
  private readonly own: number

  constructor(replica: number, replicaCount: number) {
    this.size = (replicaCount >> 1) + 1
    this.own = 1 << replica
    this.largest = new Uint8Array(1 << replicaCount)
    this.largestOwn = new Uint8Array(1 << replicaCount)
  }

  /**
   * @param connected bits of the replicas whose processes are there.
   * @param conflicts by replica: bits of those of which it names a later incarnation than the one that is there.
   */
  update(connected: number, conflicts: readonly number[]): void {
    for (let votes = 0; votes < this.largest.length; votes++) {
      const members = votes & connected
      this.largest[votes] = isAtOne(members, conflicts) ? members : this.bestWithoutOne(members, this.largest)
      this.largestOwn[votes] = (members & this.own) === 0 ? 0 : this.bestOwn(members, conflicts)
    }
  }

  private bestOwn(members: number, conflicts: readonly number[]): number {
    return isAtOne(members, conflicts) ? members : this.bestWithoutOne(members, this.largestOwn)
  }

  /** The largest set that the table has for `members` less one of them. */
  private bestWithoutOne(members: number, table: Uint8Array): number {
    let best = 0
    for (let left = members; left !== 0; left &= left - 1) {
      const candidate = table[members & ~(left & -left)] as number
      if (bitCount(candidate) > bitCount(best)) best = candidate
    }
    return best
  }

  /** Bits of the votes that count together. */
  counted(votes: number): number {
    return this.largest[votes] as number
  }

  has(votes: number): boolean {
    return bitCount(this.largest[votes] as number) >= this.size
  }

  /** A quorum that this replica is one of: what a read needs. */
  hasOwn(votes: number): boolean {
    return bitCount(this.largestOwn[votes] as number) >= this.size
  }
}

/** None of the members names a later incarnation of another. */
function isAtOne(members: number, conflicts: readonly number[]): boolean {
  for (const [replica, others] of conflicts.entries()) if ((members & (1 << replica)) !== 0 && (members & others) !== 0) return false
  return true
}

export function bitCount(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count++
  return count
}
