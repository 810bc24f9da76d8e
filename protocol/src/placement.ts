/**
 * The static mapping table: which group owns a block, and in which order a group's replicas are tried (design §3).
 *
 * Problem: for every number of groups n from 1 to 1000, each group must own ⌊B/n⌋ or ⌈B/n⌉ of the B blocks, and going
 * from n to n+1 may move blocks to the new group only. Hashing cannot do it: rendezvous and rings are uneven, jump hash
 * is even only on average.
 *
 * Idea: play the growth once, deterministically. Every group keeps its blocks in a stack. When group n joins, each older
 * group is cut to its new size by popping the top of its stack; the new group stacks what was popped, oldest group
 * first. About B·(ln n) pops lead to any n, a few milliseconds, so nothing is stored: the rule is the table, and a test
 * fixes the digest of all thousand of them.
 *
 * Sizes: with q = ⌊B/(n+1)⌋ and r = B mod (n+1), the first r old groups that have more than q keep q+1, all others and
 * the new group get q. There always are r such groups: if ⌊B/n⌋ > q all have more; otherwise B = nq + r + q, so r + q
 * groups have q+1.
 *
 * Replica order: a block's *slot* is its place in the stack of its group. It stays as long as the block stays, since only
 * the top is popped: an unmoved block keeps its order when n changes. Slot s takes the row s mod R·(R−1) of a fixed
 * sequence of R−1 Latin squares: row = (first + k·step) mod R for rank k, with `first` counting fastest. Any run of R
 * rows that starts at a multiple of R has each replica once in each rank, so in slots 0…s−1 the counts of two replicas
 * in one rank differ by at most one, for every s. As `step` runs over 1…R−1 (R is prime), the blocks of a lost replica
 * fall to the others evenly too.
 *
 * The table is part of the data format: the owners of a group hold its data. It never changes.
 */
import { BLOCK_COUNT, MAX_GROUPS } from './constants.ts'
import { ThermoclineError } from './errors.ts'

/** Slots repeat after the least common multiple of R·(R−1) over the replica counts 1, 3 and 5. */
const SLOT_PERIOD = 60

/** Owners and slots of all blocks for one number of groups. */
export interface Placement {
  readonly groups: number
  /** Block → group: one array read. */
  readonly owner: Uint16Array
  /** Block → slot in its group, modulo 60: what `replicaOrder` takes. */
  readonly slot: Uint8Array
}

/** Plays the growth from one group to 1000; `grow` adds a group. Starts at one group that owns everything. */
export class PlacementGrowth implements Placement {
  groups = 1
  readonly owner = new Uint16Array(BLOCK_COUNT)
  readonly slot = new Uint8Array(BLOCK_COUNT)
  /** The stacks, one after the other; a stack never grows again after its group joined. */
  private readonly stacks: Uint16Array
  private readonly base: Uint32Array
  private readonly size: Uint32Array

  constructor(maxGroups = MAX_GROUPS) {
    let total = 0
    this.base = new Uint32Array(maxGroups)
    this.size = new Uint32Array(maxGroups)
    for (let group = 0; group < maxGroups; group++) {
      this.base[group] = total
      total += Math.floor(BLOCK_COUNT / (group + 1))
    }
    this.stacks = new Uint16Array(total)
    this.size[0] = BLOCK_COUNT
    for (let block = 0; block < BLOCK_COUNT; block++) {
      this.stacks[block] = block
      this.slot[block] = block % SLOT_PERIOD
    }
  }

  /** Adds one group. */
  grow(): void {
    const joining = this.groups
    const small = Math.floor(BLOCK_COUNT / (joining + 1))
    let larger = BLOCK_COUNT % (joining + 1)
    const base = this.base[joining] as number
    let taken = 0
    for (let group = 0; group < joining; group++) {
      const size = this.size[group] as number
      let keep = small
      if (size > small && larger > 0) {
        keep = small + 1
        larger--
      }
      if (size === keep) continue
      const top = (this.base[group] as number) + size
      for (let at = (this.base[group] as number) + keep; at < top; at++) {
        const block = this.stacks[at] as number
        this.stacks[base + taken] = block
        this.owner[block] = joining
        this.slot[block] = taken % SLOT_PERIOD
        taken++
      }
      this.size[group] = keep
    }
    this.size[joining] = taken
    this.groups = joining + 1
  }
}

/** Placements in use: a client knows one number of groups, or two while the cluster grows. */
const CACHED_PLACEMENTS = 4
const cache = new Map<number, Placement>()

/**
 * The placement of all blocks over `groups` groups.
 * @throws ThermoclineError `invalid_argument` unless 1 ≤ groups ≤ 1000.
 */
export function placementOf(groups: number): Placement {
  const known = cache.get(groups)
  if (known !== undefined) return known
  if (!Number.isInteger(groups) || groups < 1 || groups > MAX_GROUPS) {
    throw new ThermoclineError('invalid_argument', `groups: ${groups} is not a whole number from 1 to ${MAX_GROUPS}`)
  }
  const growth = new PlacementGrowth(groups)
  while (growth.groups < groups) growth.grow()
  const placement: Placement = { groups, owner: growth.owner, slot: growth.slot }
  if (cache.size >= CACHED_PLACEMENTS) cache.delete(cache.keys().next().value as number)
  cache.set(groups, placement)
  return placement
}

/** The group that owns `block` when there are `groups` of them. Keep the `Placement` instead where this is hot. */
export function ownerOf(block: number, groups: number): number {
  return placementOf(groups).owner[block] as number
}

const ORDERS: ReadonlyMap<number, readonly (readonly number[])[]> = new Map([1, 3, 5].map((replicas) => [replicas, ordersOf(replicas)]))

function ordersOf(replicas: number): number[][] {
  const rows: number[][] = []
  for (let step = 1; step < Math.max(replicas, 2); step++) {
    for (let first = 0; first < replicas; first++) {
      rows.push(Array.from({ length: replicas }, (_, rank) => (first + rank * step) % replicas))
    }
  }
  return rows
}

/**
 * The replicas of a block's group in the order they are tried: `replicaOrder(placement.slot[block], 3)`. The array is
 * shared; do not change it.
 * @throws ThermoclineError `invalid_argument` if `replicas` is not 1, 3 or 5.
 */
export function replicaOrder(slot: number, replicas: number): readonly number[] {
  const orders = ORDERS.get(replicas)
  if (orders === undefined) throw new ThermoclineError('invalid_argument', `replicas: ${replicas} is not 1, 3 or 5`)
  return orders[slot % orders.length] as readonly number[]
}
