/** A simulated group: machines with disks that survive, and processes on them that do not. The replicas are the real ones. */
import { BLOCK_COUNT, replicaOrder } from '@thermocline/protocol'
import { createMemoryStore, type MemoryStore, openEngine } from '../../src/engine/mod.ts'
import type { Clock } from '../../src/io/ports.ts'
import type { BlockState } from '../../src/paxos/block-state.ts'
import { Replica } from '../../src/replica/replica.ts'
import { openVolume } from '../../src/replica/volume.ts'
import { coldEngine } from './cold-engine.ts'
import { SimDisk } from './disk.ts'
import { checkDurableMajority, DurableAccepts } from './durable-accepts.ts'
import type { SimNetwork } from './network.ts'
import { type Oracle, Violation } from './oracle.ts'
import type { Scheduler } from './scheduler.ts'

export const CLUSTER_ID = 'c0ffee'.padEnd(32, '0')
export const SLICE_MS = 1000
const EPOCH_MS = 1_700_000_000_000

export interface ClusterOptions {
  readonly replicaCount: number
  readonly segmentBytes: number
  readonly retainSegments: number
  readonly memtableBytes: number
  readonly maxAnswers: number
  readonly answerAgeMs: number
  /** How often a read finds its block not cached. */
  readonly missProbability: number
}

interface Life {
  isAlive: boolean
  replica: Replica | undefined
}

class Machine {
  readonly disk: SimDisk
  readonly store: MemoryStore = createMemoryStore()
  readonly accepts = new DurableAccepts()
  life: Life | undefined
  /** Wall clocks are wrong, each by its own amount. */
  readonly wallSkewMs: number
  readonly freshNonce: string
  boots = 0

  constructor(scheduler: Scheduler) {
    this.disk = new SimDisk(scheduler)
    this.wallSkewMs = scheduler.random.between(-500, 500)
    this.freshNonce = scheduler.random.hex(8)
  }
}

export class Cluster {
  readonly machines: Machine[] = []
  private readonly scheduler: Scheduler
  private readonly network: SimNetwork
  private readonly oracle: Oracle
  readonly options: ClusterOptions
  readonly hits = { crashes: 0, restarts: 0, cutTails: 0 }
  readonly cold = { misses: 0 }
  /** Counters of all lives that ended. */
  readonly branches: Record<string, number> = {}
  failure: Error | undefined

  constructor(scheduler: Scheduler, network: SimNetwork, oracle: Oracle, options: ClusterOptions) {
    this.scheduler = scheduler
    this.network = network
    this.oracle = oracle
    this.options = options
    for (let replica = 0; replica < options.replicaCount; replica++) this.machines.push(new Machine(scheduler))
  }

  running(): number[] {
    return this.machines.flatMap((machine, replica) => (machine.life?.replica === undefined ? [] : [replica]))
  }

  /** Starts a process on the machine's volume. Resolves when it serves; never, if it crashes before. */
  async start(replica: number): Promise<void> {
    const { scheduler, options } = this
    const machine = this.machines[replica] as Machine
    const life: Life = { isAlive: true, replica: undefined }
    machine.life = life
    machine.boots++
    const isAlive = (): boolean => life.isAlive
    const { logFolder, stateFiles } = machine.disk.open(isAlive)
    const volume = await openVolume(stateFiles, { clusterId: CLUSTER_ID, group: 0, replica, freshNonce: machine.freshNonce })
    if (!life.isAlive) return
    const opened = openEngine(
      {
        sliceDurationMs: SLICE_MS,
        memtableBytes: options.memtableBytes,
        blockCacheBytes: 0,
        versionCacheBytes: 16 * 1024,
        incarnation: `${replica}:${machine.freshNonce}`,
        verifyOldRecords: true,
      },
      machine.store,
    )
    const engine = coldEngine(opened, scheduler, options.missProbability, isAlive, this.cold)
    const applied = new Float64Array(BLOCK_COUNT)
    for (const position of engine.positions()) applied[position.block] = position.index
    const made: Replica = new Replica({
      volume,
      bootNonce: scheduler.random.hex(8),
      replicaCount: options.replicaCount,
      engine,
      clock: this.clock(machine, life),
      random: () => scheduler.random.next(),
      logFolder,
      network: this.network.port(replica, options.replicaCount, isAlive),
      segmentBytes: options.segmentBytes,
      retainSegments: options.retainSegments,
      limits: { maxWrites: 1000, maxWriteBytes: 1e7, maxReads: 1000 },
      maxAnswers: options.maxAnswers,
      answerAgeMs: options.answerAgeMs,
      priority: (block) => replicaOrder(block % 60, options.replicaCount),
      owns: () => true,
      epoch: () => 1,
      isNamed: ({ replica: slot, nonce }) => this.machines[slot]?.freshNonce === nonce,
      onEpochSeen: () => {},
      warn: (what, fields) => {
        if (what.startsWith('a peer broke')) this.fail(new Violation('no-protocol-violation', String(fields.what)))
      },
      fatal: (error) => this.fail(error),
      onRejected: (message) => this.fail(new Violation('never-rolled-back', message)),
      observer: (entry) => {
        const last = Math.max(applied[entry.block] as number, 0)
        const skipped = entry.index > last + 1 && engine.appliedIndex(entry.block) >= entry.index
        if (entry.index > this.oracle.lastIndex(entry.block)) {
          checkDurableMajority(
            this.machines.map(({ accepts }) => accepts),
            entry,
            made.processes,
          )
        }
        this.oracle.onApply(replica, entry, made.core.processes, skipped ? entry.index - 1 : last, scheduler.nowMs)
        applied[entry.block] = entry.index
      },
    })
    machine.accepts.watch(made.log, made.processes)
    try {
      await made.start()
    } catch (error) {
      if (life.isAlive) this.fail(error as Error)
      return
    }
    machine.accepts.restarted(made.replayed.lastWrite)
    if (!life.isAlive) return
    life.replica = made
    this.hits.restarts++
    if (made.replayed.cutTail) this.hits.cutTails++
  }

  private fail(error: Error): void {
    this.failure ??= error
  }

  private clock(machine: Machine, life: Life): Clock {
    const { scheduler } = this
    const guarded = (run: () => void) => () => {
      if (!life.isAlive) return
      try {
        run()
      } catch (error) {
        this.fail(error as Error)
      }
      scheduler.hasReactions = true
    }
    return {
      nowMs: () => scheduler.nowMs,
      wallMs: () => Math.floor(EPOCH_MS + machine.wallSkewMs + scheduler.nowMs),
      soon: (run) => scheduler.at(scheduler.random.between(0.005, 0.05), guarded(run)),
      every: (everyMs, run) => {
        let isStopped = false
        const next = (): void =>
          scheduler.at(
            everyMs,
            guarded(() => {
              if (isStopped) return
              run()
              next()
            }),
          )
        next()
        return () => {
          isStopped = true
        }
      },
    }
  }

  /** The process dies, and with it everything that was not durable. */
  crash(replica: number): void {
    const machine = this.machines[replica] as Machine
    const { life } = machine
    if (life === undefined) return
    this.count(life.replica)
    life.isAlive = false
    life.replica?.halt()
    machine.life = undefined
    machine.disk.crash()
    machine.accepts.crash()
    this.network.dropAll(replica)
    this.hits.crashes++
  }

  count(replica: Replica | undefined): void {
    if (replica === undefined) return
    const { core, copier, forwarder, flusher, log, requests } = replica
    const all = {
      ...core.counters,
      copied: copier.copied,
      forwarded: forwarder.forwarded,
      flushes: flusher.flushes,
      syncs: log.syncs,
      refusedRequests: requests.counters.refused,
    }
    for (const [name, value] of Object.entries(all)) this.branches[name] = (this.branches[name] ?? 0) + value
  }

  /** Undefined if all replicas run, agree on every block, and have nothing open; else what is missing. */
  disagreement(): string | undefined {
    const replicas = this.machines.map((machine) => machine.life?.replica)
    for (const [number, replica] of replicas.entries()) {
      if (replica === undefined) return `replica ${number} does not run`
      if (replica.core.chosenEntries.length > 0) return `replica ${number} has entries to apply`
    }
    for (const block of this.oracle.blocks) {
      const states = replicas.map((replica) => (replica as Replica).core.block(block))
      const indexes = states.map((state) => state.chosen)
      if (new Set(indexes).size > 1) return `block ${block} is at ${indexes.join(', ')}`
      const open = states.findIndex((state) => (replicas[0] as Replica).core.isOpen(state))
      if (open >= 0) return `block ${block} is open at replica ${open}: ${describe(states[open] as BlockState)}`
      if ((indexes[0] as number) !== this.oracle.lastIndex(block))
        return `block ${block} is at ${indexes[0]}, but ${this.oracle.lastIndex(block)} was applied once`
    }
    return undefined
  }

  /** Digests of all replicas are equal. Call when nothing is open. */
  checkDigests(): void {
    for (const block of this.oracle.blocks) {
      const digests = this.machines.map((machine) => machine.life?.replica?.digest(block))
      if (new Set(digests).size > 1) throw new Violation('digests-agree', `block ${block}: ${digests.join(', ')}`)
    }
  }
}

function describe(state: BlockState): string {
  const { chosen, acceptedRound, promisedRound, phase, settle, isCopying, inReady, inOpen } = state
  return JSON.stringify({
    chosen,
    acceptedRound,
    promisedRound,
    phase,
    settle,
    isCopying,
    inReady,
    inOpen,
    queue: state.queue.length,
    inFlight: state.inFlight.length,
  })
}
