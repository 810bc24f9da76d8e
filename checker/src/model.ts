/** What a checked history is made of, and the sequential specification it is held against. */

export interface Operation<Input, Output> {
  readonly input: Input
  /** Undefined: the outcome is not known, it may have taken effect at any time since `startMs`, or never. */
  readonly output: Output | undefined
  /** On one clock for all operations; an operation takes effect between its two times. */
  readonly startMs: number
  readonly endMs: number
}

export interface Model<State, Input, Output> {
  readonly initial: State
  /** Operations of different keys do not affect each other: each key's history is checked alone. */
  keyOf(input: Input): string
  /**
   * The states that the operation may leave behind when it takes effect in `state` and says `output`; none if it cannot
   * say that there. An operation without an output may say anything.
   */
  step(state: State, input: Input, output: Output | undefined): readonly State[]
  /** Equal for equal states only. */
  identify(state: State): string
}
