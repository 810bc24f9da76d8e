/**
 * Is a history linearizable? The search of Wing and Gong with Lowe's memory of what was tried ("Testing for
 * linearizability", 2017), as the checker porcupine does it.
 *
 * The history of a key is a list of calls and returns in the order of time. The search takes effect, one by one, with
 * calls that stand before the first return left: any of these may be next. Taking one that the model allows lifts its
 * call and return out of the list; at a return whose call was not taken, the last choice is undone and the next tried.
 * A (taken operations, state) seen before leads nowhere new. Operations without an outcome have no return: they may be
 * taken at any point after their call, or never, so the history is linearizable as soon as all others are taken.
 *
 * What was taken is remembered as the position of the last call taken and the calls before it that were not: a history
 * of any length costs as much per step as it has operations under way at once.
 */
import type { Model, Operation } from './model.ts'

export type Verdict = 'linearizable' | 'violation' | 'undecided'

export interface Result<Input, Output> {
  /** `undecided`: the search reached its limit of steps. Nothing was shown: callers treat it as a failure. */
  readonly verdict: Verdict
  readonly steps: number
  readonly operations: number
  /** Key whose history is no linearization or undecided, and the operation that fits nowhere in the longest attempt. */
  readonly key: string | undefined
  readonly stuckAt: Operation<Input, Output> | undefined
}

/** Checks each key's history; stops at the first that is not linearizable. `maxSteps` bounds each key's search. */
export function check<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  maxSteps: number,
): Result<Input, Output> {
  let steps = 0
  for (const [key, operations] of Map.groupBy(history, ({ input }) => model.keyOf(input))) {
    const search = new Search(model, operations)
    const verdict = search.run(maxSteps)
    steps += search.steps
    if (verdict === 'linearizable') continue
    return { verdict, steps, operations: history.length, key, stuckAt: search.stuckAt }
  }
  return { verdict: 'linearizable', steps, operations: history.length, key: undefined, stuckAt: undefined }
}

const END = -1

interface Choice<State> {
  readonly call: number
  /** Which of the model's states was taken. */
  readonly alternative: number
  /** Before it. */
  readonly state: State
  readonly lastTaken: number
}

class Search<State, Input, Output> {
  private readonly model: Model<State, Input, Output>
  private readonly operations: readonly Operation<Input, Output>[]
  /** Operation of each call and return, in the order of time. */
  private readonly operationAt: number[] = []
  /** Position of a call's return; END without one. For a return: its own position. */
  private readonly returnOf: number[] = []
  private readonly next: number[] = []
  private readonly previous: number[] = []
  private first = END
  /** Operations with an outcome that are not taken yet. */
  private left = 0
  private lastTaken = END
  private readonly seen = new Set<string>()
  private readonly choices: Choice<State>[] = []
  private deepest = -1
  steps = 0
  stuckAt: Operation<Input, Output> | undefined

  constructor(model: Model<State, Input, Output>, operations: readonly Operation<Input, Output>[]) {
    this.model = model
    this.operations = operations
    const events = operations.flatMap(({ startMs, endMs, output }, operation) => {
      const call = { atMs: startMs, operation, isReturn: false }
      return output === undefined ? [call] : [call, { atMs: endMs, operation, isReturn: true }]
    })
    // What happens at the same time is concurrent: calls go before returns.
    events.sort((a, b) => a.atMs - b.atMs || Number(a.isReturn) - Number(b.isReturn))
    const calls: number[] = []
    for (const [at, { operation, isReturn }] of events.entries()) {
      this.operationAt.push(operation)
      this.returnOf.push(isReturn ? at : END)
      this.previous.push(at - 1)
      this.next.push(at + 1 < events.length ? at + 1 : END)
      if (!isReturn) calls[operation] = at
      else {
        this.returnOf[calls[operation] as number] = at
        this.left++
      }
    }
    if (events.length > 0) this.first = 0
  }

  run(maxSteps: number): Verdict {
    let { initial: state } = this.model
    let at = this.first
    let alternative = 0
    while (this.left > 0) {
      if (++this.steps > maxSteps) return 'undecided'
      if (at !== END && this.returnOf[at] !== at) {
        const taken = this.take(at, state, alternative)
        alternative = 0
        if (taken !== undefined) state = taken.state
        at = taken === undefined ? (this.next[at] as number) : this.first
        continue
      }
      this.noteStuck(at)
      const last = this.choices.pop()
      if (last === undefined) return 'violation'
      this.putBack(last)
      state = last.state
      at = last.call
      alternative = last.alternative + 1
    }
    return 'linearizable'
  }

  /** Takes the call in the first state, from `alternative` on, that leads somewhere new. */
  private take(call: number, state: State, alternative: number): { state: State } | undefined {
    const { input, output } = this.operations[this.operationAt[call] as number] as Operation<Input, Output>
    const states = this.model.step(state, input, output)
    for (let i = alternative; i < states.length; i++) {
      const choice: Choice<State> = { call, alternative: i, state, lastTaken: this.lastTaken }
      const after = states[i] as State
      // Without an outcome and without an effect: as good as never.
      if (output === undefined && this.model.identify(after) === this.model.identify(state)) continue
      this.lift(call)
      this.lastTaken = Math.max(this.lastTaken, call)
      const what = this.identify(after)
      if (this.seen.has(what)) {
        this.putBack(choice)
        continue
      }
      this.seen.add(what)
      this.choices.push(choice)
      return { state: after }
    }
    return undefined
  }

  private identify(state: State): string {
    let what = `${this.lastTaken}`
    for (let at = this.first; at !== END && at < this.lastTaken; at = this.next[at] as number)
      if (this.returnOf[at] !== at) what += `,${at}`
    return `${what}:${this.model.identify(state)}`
  }

  private lift(call: number): void {
    this.unlink(call)
    const end = this.returnOf[call] as number
    if (end === END) return
    this.unlink(end)
    this.left--
  }

  private putBack({ call, lastTaken }: Choice<State>): void {
    this.lastTaken = lastTaken
    const end = this.returnOf[call] as number
    if (end !== END) {
      this.relink(end)
      this.left++
    }
    this.relink(call)
  }

  private unlink(at: number): void {
    const before = this.previous[at] as number
    const after = this.next[at] as number
    if (before === END) this.first = after
    else this.next[before] = after
    if (after !== END) this.previous[after] = before
  }

  private relink(at: number): void {
    const before = this.previous[at] as number
    const after = this.next[at] as number
    if (before === END) this.first = at
    else this.next[before] = at
    if (after !== END) this.previous[after] = at
  }

  private noteStuck(at: number): void {
    if (this.choices.length <= this.deepest || at === END) return
    this.deepest = this.choices.length
    this.stuckAt = this.operations[this.operationAt[at] as number]
  }
}
