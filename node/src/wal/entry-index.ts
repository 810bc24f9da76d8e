/**
 * Where in the log an instance of a block lies: open addressing over typed arrays, keyed by (block, instance). Nothing
 * is removed one by one: what lies in a freed segment (a generation below the oldest) is stale, and left behind when the
 * table is rebuilt. 20 bytes an entry.
 */
export interface EntryLocation {
  generation: number
  offset: number
  length: number
}

const EMPTY = -1
const MAX_LOAD = 0.6

export class EntryIndex {
  private keys: Float64Array
  private generations: Uint32Array
  private offsets: Uint32Array
  private lengths: Uint32Array
  private mask: number
  private used = 0
  /** Segments of lower generations are gone. */
  oldestGeneration = 0

  constructor(capacity = 4096) {
    this.mask = capacity - 1
    this.keys = new Float64Array(capacity).fill(EMPTY)
    this.generations = new Uint32Array(capacity)
    this.offsets = new Uint32Array(capacity)
    this.lengths = new Uint32Array(capacity)
  }

  get memoryBytes(): number {
    return this.keys.length * 20
  }

  set(block: number, instance: number, generation: number, offset: number, length: number): void {
    if (this.used > this.keys.length * MAX_LOAD) this.rebuild()
    const key = instance * 0x1_0000 + block
    const slot = this.slotOf(key)
    if (this.keys[slot] === EMPTY) {
      this.keys[slot] = key
      this.used++
    }
    this.generations[slot] = generation
    this.offsets[slot] = offset
    this.lengths[slot] = length
  }

  get(block: number, instance: number): EntryLocation | undefined {
    const slot = this.slotOf(instance * 0x1_0000 + block)
    if (this.keys[slot] === EMPTY) return undefined
    const generation = this.generations[slot] as number
    if (generation < this.oldestGeneration) return undefined
    return { generation, offset: this.offsets[slot] as number, length: this.lengths[slot] as number }
  }

  private slotOf(key: number): number {
    const { keys, mask } = this
    let slot = (Math.imul((key % 0x1_0000_0000) | 0, 0x9e3779b1) ^ Math.imul((key / 0x1_0000) | 0, 0x85ebca6b)) >>> 4
    for (slot &= mask; ; slot = (slot + 1) & mask) {
      const found = keys[slot]
      if (found === key || found === EMPTY) return slot
    }
  }

  private rebuild(): void {
    const { keys, generations, offsets, lengths } = this
    let live = 0
    for (let i = 0; i < keys.length; i++) if (keys[i] !== EMPTY && (generations[i] as number) >= this.oldestGeneration) live++
    let capacity = 4096
    while (live > capacity * MAX_LOAD * 0.5) capacity *= 2
    const next = new EntryIndex(capacity)
    next.oldestGeneration = this.oldestGeneration
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as number
      if (key === EMPTY || (generations[i] as number) < this.oldestGeneration) continue
      next.set(key % 0x1_0000, Math.floor(key / 0x1_0000), generations[i] as number, offsets[i] as number, lengths[i] as number)
    }
    this.keys = next.keys
    this.generations = next.generations
    this.offsets = next.offsets
    this.lengths = next.lengths
    this.mask = next.mask
    this.used = next.used
  }
}
