/**
 * The way of validations from memory machines to storage replicas and back. Harsher than the client library that a memory node asks
 * with: a question may arrive twice, and an answer late, twice, or after the question was given up, which a connection would not
 * hand over any more. The tier must know by the number alone what an answer belongs to.
 */
import { Operation } from '@thermocline/protocol'
import { type Caller, NodeRequest } from '../../src/doors/node-request.ts'
import type { Cluster } from './cluster.ts'
import type { Scheduler } from './scheduler.ts'

const PLACES = 16

type OnAnswer = (error: number, answer: Uint8Array) => void

export class ValidationLinks {
  private readonly scheduler: Scheduler
  private readonly cluster: Cluster
  /** `machine * PLACES + replica` of what carries nothing, to the storage tier and back. */
  private readonly cutThere = new Set<number>()
  private readonly cutBack = new Set<number>()
  /** Probability that a question or an answer arrives twice, and that it takes a long way. */
  private readonly doubled: number
  private readonly slow: number
  private readonly slowestMs: number
  readonly hits = { cutThere: 0, cutBack: 0, doubled: 0, slow: 0 }

  constructor(scheduler: Scheduler, cluster: Cluster) {
    const { random } = scheduler
    this.scheduler = scheduler
    this.cluster = cluster
    this.doubled = random.pick([0, 0.02, 0.2])
    this.slow = random.pick([0, 0.02, 0.2])
    this.slowestMs = random.pick([20, 200, 1000])
  }

  /** A question to whatever process is found under the replica's number. Answered any number of times. */
  ask(machine: number, replica: number, body: Uint8Array, timeoutMs: number, onAnswer: OnAnswer): void {
    const key = machine * PLACES + replica
    if (this.cutThere.has(key)) {
      this.hits.cutThere++
      return
    }
    const process = this.scheduler.random.pick(this.cluster.livesOf(replica))
    this.carry(() => {
      if (process?.replica === undefined || !process.isAlive) return
      const reply = (_token: number, error: number, answer: Uint8Array): void => {
        if (this.cutBack.has(key)) this.hits.cutBack++
        else this.carryBack(error, answer.slice(), onAnswer)
      }
      const caller: Caller = { door: 'client', source: `machine ${machine}`, reply }
      process.replica.requests.submit(new NodeRequest(caller, 0, Operation.validate, body, timeoutMs))
      this.scheduler.hasReactions = true
    })
  }

  private carryBack(error: number, answer: Uint8Array, onAnswer: OnAnswer): void {
    this.carry(() => onAnswer(error, answer))
  }

  private carry(run: () => void): void {
    const { scheduler, hits } = this
    const { random } = scheduler
    const isDoubled = random.chance(this.doubled)
    if (isDoubled) hits.doubled++
    for (let left = isDoubled ? 2 : 1; left > 0; left--) {
      const isSlow = random.chance(this.slow)
      if (isSlow) hits.slow++
      scheduler.at(random.between(0.1, 4) + (isSlow ? random.between(5, this.slowestMs) : 0), run)
    }
  }

  /** Nothing arrives between the machine and these replicas for so long, in the directions named. */
  cut(machine: number, replicas: readonly number[], directions: { readonly there: boolean; readonly back: boolean }, forMs: number): void {
    const sides = [...(directions.there ? [this.cutThere] : []), ...(directions.back ? [this.cutBack] : [])]
    const keys = replicas.map((replica) => machine * PLACES + replica)
    for (const side of sides) for (const key of keys) side.add(key)
    this.scheduler.at(forMs, () => {
      for (const side of sides) for (const key of keys) side.delete(key)
    })
  }

  mend(): void {
    this.cutThere.clear()
    this.cutBack.clear()
  }
}
