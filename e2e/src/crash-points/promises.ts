/** What must be found after a power cut: begun and acknowledged writes, as the run noted them among its calls. */

export interface Write {
  readonly number: number
  readonly series: string
  readonly ms: number
  /** Undefined removes the record. */
  readonly value?: string
}

export type Records = Readonly<Record<string, string>>

const keyOf = ({ series, ms }: Write): string => `${series} ${ms}`

export class Promises {
  private readonly writes: ReadonlyMap<number, Write>
  /** By record: what it may hold. The first was acknowledged last, or nothing; the rest were begun since. */
  private readonly allowed = new Map<string, (string | undefined)[]>()
  acknowledged = 0

  constructor(writes: readonly Write[]) {
    this.writes = new Map(writes.map((write) => [write.number, write]))
  }

  /** Takes lines of notes: `try NUMBER`, `ack NUMBER`. */
  note(lines: string): void {
    for (const line of lines.trimEnd().split('\n')) {
      const [what, number] = line.split(' ')
      const write = this.writes.get(Number(number))
      if (write === undefined) throw new Error(`the notes name a write that the script does not have: ${line}`)
      const key = keyOf(write)
      const values = this.allowed.get(key) ?? [undefined]
      if (what === 'try') this.allowed.set(key, [...values, write.value])
      else {
        // Writes of one record are never under way at once: what was begun before it is settled.
        this.allowed.set(key, [write.value])
        this.acknowledged++
      }
    }
  }

  /** What is wrong with the records found, undefined if nothing is. */
  judge(found: Records): string | undefined {
    for (const [key, values] of this.allowed) {
      if (values.includes(found[key])) continue
      const wanted = values.map((value) => shorten(value)).join(' or ')
      return `record ${key} is ${shorten(found[key])}; expected ${wanted}`
    }
    const unknown = Object.keys(found).find((key) => !this.allowed.has(key))
    return unknown === undefined ? undefined : `record ${unknown} was never written: ${shorten(found[unknown])}`
  }

  /** True if a node that serves nothing yet breaks nothing. */
  get isEmpty(): boolean {
    return this.acknowledged === 0
  }
}

const shorten = (value: string | undefined): string => (value === undefined ? 'absent' : JSON.stringify(value.slice(0, 12).trim()))
