/**
 * The requests of a connection that are on the wire, by correlation number. The low bits of a number are its place in a table; numbers are
 * given in order, and those whose place is taken, by a request that is answered late, are left out. A Map would be made anew
 * every few requests.
 */
import type { Call } from './call.ts'

const LEAST_PLACES = 64

export class OpenRequests {
  size = 0
  private calls: (Call | undefined)[] = new Array(LEAST_PLACES).fill(undefined)
  private correlations = new Uint32Array(LEAST_PLACES)
  private last = 0

  /** Gives a request of the call the number under which its answer will come. */
  add(call: Call): number {
    if (this.size * 2 >= this.calls.length) this.grow()
    const mask = this.calls.length - 1
    do this.last = (this.last + 1) >>> 0
    while (this.calls[this.last & mask] !== undefined)
    this.put(this.last, call)
    this.size++
    return this.last
  }

  /** Takes out the call of a number; undefined if it is not open. */
  take(correlation: number): Call | undefined {
    const place = correlation & (this.calls.length - 1)
    const call = this.calls[place]
    if (call === undefined || this.correlations[place] !== correlation) return undefined
    this.calls[place] = undefined
    this.size--
    return call
  }

  /** Takes out all; a call that has asked twice is there twice. */
  takeAll(): Call[] {
    const all = this.calls.filter((call) => call !== undefined)
    this.calls.fill(undefined)
    this.size = 0
    return all
  }

  private put(correlation: number, call: Call): void {
    const place = correlation & (this.calls.length - 1)
    this.calls[place] = call
    this.correlations[place] = correlation
  }

  /** Places that were apart are apart in a larger table, too. */
  private grow(): void {
    const { calls, correlations } = this
    this.calls = new Array(calls.length * 2).fill(undefined)
    this.correlations = new Uint32Array(calls.length * 2)
    for (const [place, call] of calls.entries()) if (call !== undefined) this.put(correlations[place] as number, call)
  }
}
