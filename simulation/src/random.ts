/** Chance that a seed decides: mulberry32. The same seed draws the same numbers. */
export class Random {
  private state: number

  /** @param seed a whole number; its low 32 bits count. */
  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) >>> 0
  }

  /** A number in [0, 1), in steps of 2⁻³². Bound, so that it can be handed on by itself. */
  readonly next = (): number => {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** A number in [from, to). */
  between(from: number, to: number): number {
    return from + this.next() * (to - from)
  }

  /** True with this probability; draws a number whatever it is. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** One of a list that is not empty. */
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  /** So many bytes, in hexadecimal digits. */
  hex(bytes: number): string {
    let text = ''
    for (let i = 0; i < bytes; i++) text += this.below(256).toString(16).padStart(2, '0')
    return text
  }
}
