/**
 * Where in the log an instance of a block lies, keyed by (block, instance): a list of tables, which are filled one after another and never
 * moved, so that no entry waits for others. A table goes when the log has freed the newest segment that it names. 20 bytes a slot.
 */
export interface EntryLocation {
  generation: number
  offset: number
  length: number
}

/** Instances begin at 1, so no key is 0. */
const EMPTY = 0
const MAX_LOAD = 0.6
const LEAST_SLOTS = 4096
const MOST_SLOTS = 65_536
const SLOT_BYTES = 20

/** Open addressing over typed arrays. */
class Table {
  private readonly keys: Float64Array
  private readonly generations: Uint32Array
  private readonly offsets: Uint32Array
  private readonly lengths: Uint32Array
  private readonly mask: number
  private used = 0
  newestGeneration = 0

  /** @param slots a power of two. */
  constructor(slots: number) {
    this.mask = slots - 1
    this.keys = new Float64Array(slots)
    this.generations = new Uint32Array(slots)
    this.offsets = new Uint32Array(slots)
    this.lengths = new Uint32Array(slots)
  }

  get slots(): number {
    return this.keys.length
  }

  get isFull(): boolean {
    return this.used > this.slots * MAX_LOAD
  }

  set(key: number, generation: number, offset: number, length: number): void {
    const slot = this.slotOf(key)
    if (this.keys[slot] === EMPTY) {
      this.keys[slot] = key
      this.used++
    }
    this.generations[slot] = generation
    this.offsets[slot] = offset
    this.lengths[slot] = length
    this.newestGeneration = generation
  }

  get(key: number): EntryLocation | undefined {
    const slot = this.slotOf(key)
    if (this.keys[slot] === EMPTY) return undefined
    return {
      generation: this.generations[slot] as number,
      offset: this.offsets[slot] as number,
      length: this.lengths[slot] as number,
    }
  }

  private slotOf(key: number): number {
    const { keys, mask } = this
    let slot = (Math.imul((key % 0x1_0000_0000) | 0, 0x9e3779b1) ^ Math.imul((key / 0x1_0000) | 0, 0x85ebca6b)) >>> 4
    for (slot &= mask; ; slot = (slot + 1) & mask) {
      const found = keys[slot]
      if (found === key || found === EMPTY) return slot
    }
  }
}

export class EntryIndex {
  /** Oldest first; entries go into the last. */
  private readonly tables: Table[] = [new Table(LEAST_SLOTS)]
  private oldestGeneration = 0

  get memoryBytes(): number {
    let slots = 0
    for (const table of this.tables) slots += table.slots
    return slots * SLOT_BYTES
  }

  /** Generations never decrease. The instance may be known already: it lies here now. */
  set(block: number, instance: number, generation: number, offset: number, length: number): void {
    let last = this.tables.at(-1) as Table
    if (last.isFull) {
      last = new Table(Math.min(2 * last.slots, MOST_SLOTS))
      this.tables.push(last)
    }
    last.set(keyOf(block, instance), generation, offset, length)
  }

  get(block: number, instance: number): EntryLocation | undefined {
    const key = keyOf(block, instance)
    for (let at = this.tables.length - 1; at >= 0; at--) {
      const found = (this.tables[at] as Table).get(key)
      if (found !== undefined) return found.generation < this.oldestGeneration ? undefined : found
    }
    return undefined
  }

  /** Segments below this generation are gone, and what lay in them. */
  forgetBefore(generation: number): void {
    this.oldestGeneration = generation
    while (this.tables.length > 1 && (this.tables[0] as Table).newestGeneration < generation) this.tables.shift()
  }
}

const keyOf = (block: number, instance: number): number => instance * 0x1_0000 + block
