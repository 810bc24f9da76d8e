/** Latencies in buckets of 1/32 of a power of two, from 1 µs to over an hour: fixed memory, 3 % error. */
const SUB = 32
const POWERS = 32

export class Histogram {
  count = 0
  maxUs = 0
  private readonly buckets = new Float64Array(SUB * POWERS)

  add(us: number): void {
    const value = Math.max(1, us)
    const power = Math.min(POWERS - 1, Math.floor(Math.log2(value)))
    const sub = Math.min(SUB - 1, Math.floor((value / 2 ** power - 1) * SUB))
    const at = power * SUB + sub
    this.buckets[at] = (this.buckets[at] as number) + 1
    this.count++
    if (us > this.maxUs) this.maxUs = us
  }

  /** Microseconds that a share `q` of the values stays within. */
  quantile(q: number): number {
    let left = Math.ceil(this.count * q)
    for (let at = 0; at < this.buckets.length; at++) {
      left -= this.buckets[at] as number
      if (left <= 0) return Math.min(this.maxUs, 2 ** Math.floor(at / SUB) * (1 + ((at % SUB) + 1) / SUB))
    }
    return this.maxUs
  }
}
