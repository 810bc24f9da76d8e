/** The nodes' admin API over the simulated cluster, by address; with faults. */
import type { Topology } from '@thermocline/protocol'
import type { NodeAdmin } from '../../src/cluster-admin/node-admin.ts'
import type { MemoryFacts } from '../../src/plan/memory-observed.ts'
import type { NodeFacts } from '../../src/plan/observed.ts'
import type { SimCluster } from './cluster.ts'
import { MemoryMachine } from './memory-machine.ts'
import type { SimNode } from './sim-node.ts'
import { podAt } from './slots.ts'
import type { ThermoclineNode } from './thermocline-node.ts'

export interface AdminFaults {
  /** No answer within the time. */
  readonly noAnswer: number
  /** It takes nearly all of the time, so that the answer is old when it comes. */
  readonly slow: number
  /** Of a write: it was done, but the answer is lost. */
  readonly answerLost: number
}

export const NO_ADMIN_FAULTS: AdminFaults = { noAnswer: 0, slow: 0, answerLost: 0 }
export const ADMIN_FAULTS: AdminFaults = { noAnswer: 0.05, slow: 0.05, answerLost: 0.05 }

const TIMEOUT_MS = 2000
const LATENCY_MS = [1, 20] as const

export class SimNodeAdmin implements NodeAdmin {
  faults: AdminFaults = NO_ADMIN_FAULTS
  private readonly cluster: SimCluster<SimNode>

  constructor(cluster: SimCluster<SimNode>) {
    this.cluster = cluster
  }

  async facts(address: string): Promise<NodeFacts | undefined> {
    try {
      return await this.ask(address, (node) => node.facts())
    } catch {
      return undefined
    }
  }

  async memoryFacts(address: string): Promise<MemoryFacts | undefined> {
    try {
      return await this.exchange(address, (node) => (node instanceof MemoryMachine ? node.facts() : undefined))
    } catch {
      return undefined
    }
  }

  async topology(address: string): Promise<Topology | undefined> {
    try {
      return await this.ask(address, (node) => node.topology)
    } catch {
      return undefined
    }
  }

  putTopology(address: string, topology: Topology, token: string): Promise<void> {
    return this.ask(
      address,
      (node) => {
        if (node.token !== token) throw new Error('unauthorized')
        node.install(topology)
      },
      this.faults.answerLost,
    )
  }

  setVolumeAside(address: string, token: string): Promise<void> {
    return this.ask(
      address,
      (node) => {
        if (node.token !== token) throw new Error('unauthorized')
        node.setVolumeAside()
      },
      this.faults.answerLost,
    )
  }

  private nodeAt(address: string): SimNode | undefined {
    const pod = podAt(this.cluster.store, address)
    return pod === undefined ? undefined : this.cluster.processOf(pod.metadata)
  }

  /** Of a storage node. */
  private ask<T>(address: string, work: (node: ThermoclineNode) => T, answerLost = 0): Promise<T> {
    const refuse = (): never => {
      throw new Error('not_found')
    }
    return this.exchange(address, (node) => (node instanceof MemoryMachine ? refuse() : work(node)), answerLost)
  }

  private exchange<T>(address: string, work: (node: SimNode) => T, answerLost = 0): Promise<T> {
    const { scheduler } = this.cluster
    const { random } = scheduler
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error(`${address}: no answer`))
      if (random.chance(this.faults.noAnswer)) {
        scheduler.after(TIMEOUT_MS, fail)
        return
      }
      const isLost = random.chance(answerLost)
      const backMs = random.chance(this.faults.slow) ? TIMEOUT_MS * 0.9 : random.between(...LATENCY_MS)
      scheduler.after(random.between(...LATENCY_MS), () => {
        const node = this.nodeAt(address)
        if (node === undefined) {
          scheduler.after(TIMEOUT_MS, fail)
          return
        }
        try {
          const answer = work(node)
          scheduler.after(isLost ? TIMEOUT_MS : backMs, () => (isLost ? fail() : resolve(answer)))
        } catch (error) {
          scheduler.after(backMs, () => reject(error as Error))
        }
      })
    })
  }
}
