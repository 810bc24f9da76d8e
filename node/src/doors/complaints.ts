/**
 * Log lines about connections that break the rules. Whoever may connect may cause them, thousands a second: the first of a source is
 * logged at once, what follows within a second is counted and told in one line. Sources beyond `MAX_SOURCES` are counted as one.
 */

export const COMPLAINT_SPAN_MS = 1000
export const MAX_SOURCES = 64
const OTHERS = 'others'

export type Fields = Record<string, unknown>

interface Counted {
  times: number
  fields: Fields
}

export class Complaints {
  private readonly warn: (what: string, fields: Fields) => void
  private readonly every: (everyMs: number, run: () => void) => () => void
  /** By what is said and of whom; those that were told of within the span. */
  private readonly told = new Map<string, Counted>()
  private stop: (() => void) | undefined

  /** @param every calls `run` every `everyMs`, and returns what stops it. */
  constructor(warn: (what: string, fields: Fields) => void, every: (everyMs: number, run: () => void) => () => void) {
    this.warn = warn
    this.every = every
  }

  report(source: string, what: string, fields: Fields): void {
    const known = this.told.get(source) ?? (this.told.size >= MAX_SOURCES ? this.told.get(OTHERS) : undefined)
    if (known !== undefined) {
      known.times++
      known.fields = fields
      return
    }
    const remote = this.told.size >= MAX_SOURCES ? OTHERS : source
    this.told.set(remote, { times: 0, fields })
    this.stop ??= this.every(COMPLAINT_SPAN_MS, () => this.tellCounted())
    this.warn(what, { remote, ...fields })
  }

  /** What was counted since the last time; who has done nothing since is forgotten. */
  private tellCounted(): void {
    for (const [remote, counted] of this.told) {
      const { times, fields } = counted
      if (times === 0) this.told.delete(remote)
      else {
        counted.times = 0
        this.warn('more connections broke the rules within a second; the fields are those of the last one', { remote, times, ...fields })
      }
    }
    if (this.told.size > 0) return
    this.stop?.()
    this.stop = undefined
  }
}
