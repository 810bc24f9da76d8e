/** What no client of the library would send: single requests past the data port, to whatever process is found under a replica's number. */
import { ERRORS } from '@thermocline/protocol'
import { type Caller, NodeRequest } from '../../src/doors/node-request.ts'
import type { Cluster } from './cluster.ts'
import type { Scheduler } from './scheduler.ts'

const TIMEOUT_MS = 500

export type OnRawAnswer = (error: number, body: Uint8Array) => void

export class RawRequests {
  private readonly scheduler: Scheduler
  private readonly cluster: Cluster

  constructor(scheduler: Scheduler, cluster: Cluster) {
    this.scheduler = scheduler
    this.cluster = cluster
  }

  /** The answer comes once, or not at all. Takes the way there and back. */
  send(replica: number, operation: number, body: Uint8Array, onAnswer: OnRawAnswer): void {
    const { scheduler, cluster } = this
    const { random } = scheduler
    const life = random.pick(cluster.livesOf(replica))
    scheduler.at(random.between(0.1, 2), () => {
      if (life?.replica === undefined || !life.isAlive) {
        onAnswer(ERRORS.unavailable.number, new Uint8Array(14))
        return
      }
      const reply = (_token: number, error: number, answer: Uint8Array): void => {
        const copy = answer.slice()
        scheduler.at(random.between(0.1, 2), () => onAnswer(error, copy))
      }
      const caller: Caller = { door: 'client', source: 'the workload', reply }
      life.replica.requests.submit(new NodeRequest(caller, 0, operation, body.slice(), TIMEOUT_MS))
      scheduler.hasReactions = true
    })
  }

  anyReplica(): number {
    return this.scheduler.random.below(this.cluster.machines.length)
  }
}
