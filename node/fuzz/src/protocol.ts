/** What the fuzzers have in common: a protocol makes inputs by its grammar, and gives each to the code that receives them in a node. */
import type { Random } from '@thermocline/simulation'

/** A receiver, with what it has taken so far. */
export interface Target {
  /** Makes inputs of the protocol and hands them over. @throws on whatever the receiver must not do. */
  run(): void | Promise<void>
  /** Asks the receiver what it must still answer rightly. @throws if it does not. */
  check(): void | Promise<void>
  close(): void | Promise<void>
}

export interface Protocol {
  readonly name: string
  /** Its share of all inputs, relative to the others'. */
  readonly weight: number
  /** Inputs of one call of `run`. */
  readonly inputsPerRun: number
  /** Calls of `run` before the receiver is made anew: what repeats a failure is at most this long. */
  readonly runsPerEpisode: number
  /** @param random decides everything that the target makes up. */
  open(random: Random): Target | Promise<Target>
}

/** The code that an error of the product carries. */
export const codeOf = (error: unknown): string | undefined => (error as { code?: string }).code

/** @throws the error unless it carries one of the codes. */
export function expectCode(error: unknown, ...codes: readonly string[]): void {
  if (!codes.includes(codeOf(error) ?? '')) throw error
}
