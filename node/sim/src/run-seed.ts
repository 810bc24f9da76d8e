/** One seed: a cluster, clients and faults for a while; then no faults, and everything must come together. */
import { Cluster, SLICE_MS } from './cluster.ts'
import { SimNetwork } from './network.ts'
import { Oracle, Violation } from './oracle.ts'
import { type Random, Scheduler } from './scheduler.ts'
import { Client } from './workload.ts'

export interface SeedResult {
  readonly seed: number
  readonly error: Error | undefined
  readonly traceHash: number
  readonly events: number
  readonly simulatedMs: number
  readonly operations: number
  /** How often each fault and each branch of the protocol was met. */
  readonly hits: Readonly<Record<string, number>>
}

const FAULTY_MS = 4000
const CONVERGE_MS = 30_000

export async function runSeed(seed: number): Promise<SeedResult> {
  const scheduler = new Scheduler(seed)
  const { random } = scheduler
  const network = new SimNetwork(scheduler, {
    drop: random.pick([0, 0, 0.01, 0.05]),
    duplicate: random.pick([0, 0.02, 0.1]),
    slow: random.pick([0, 0.02, 0.1]),
    minDelayMs: 0.1,
    maxDelayMs: random.pick([0.5, 2, 10]),
  })
  const oracle = new Oracle(SLICE_MS)
  const cluster = new Cluster(scheduler, network, oracle, {
    replicaCount: random.chance(0.15) ? 5 : 3,
    segmentBytes: random.pick([8 * 1024, 16 * 1024, 64 * 1024]),
    retainSegments: random.pick([0, 1, 4]),
    memtableBytes: random.pick([4 * 1024, 16 * 1024, 256 * 1024]),
    maxAnswers: random.pick([4, 32, 1000]),
    answerAgeMs: random.pick([300, 5000]),
    missProbability: random.pick([0, 0.02, 0.3]),
  })
  const series = Array.from({ length: 1 + random.below(4) }, (_, i) => `s${random.below(1000)}-${i}`)
  const clients = Array.from({ length: 2 + random.below(6) }, (_, i) => new Client(i, scheduler, cluster, oracle, series))
  const injector = new FaultInjector(scheduler, cluster, network)
  let error: Error | undefined
  try {
    for (let replica = 0; replica < cluster.machines.length; replica++) void cluster.start(replica)
    for (const client of clients) client.run()
    injector.start()
    await scheduler.run(FAULTY_MS, () => cluster.failure !== undefined)
    injector.stop()
    await converge(scheduler, cluster, clients)
    oracle.check()
  } catch (caught) {
    error = caught as Error
  }
  error = cluster.failure ?? error
  const hits = collect(cluster, network, injector, clients)
  for (let replica = 0; replica < cluster.machines.length; replica++) cluster.crash(replica)
  const operations = clients.reduce((sum, client) => sum + client.finished, 0)
  return { seed, error, traceHash: scheduler.traceHash >>> 0, events: scheduler.events, simulatedMs: scheduler.nowMs, operations, hits }
}

async function converge(scheduler: Scheduler, cluster: Cluster, clients: Client[]): Promise<void> {
  if (cluster.failure !== undefined) return
  for (const client of clients) client.isStopped = true
  for (const [replica, machine] of cluster.machines.entries()) if (machine.life === undefined) void cluster.start(replica)
  const until = scheduler.nowMs + CONVERGE_MS
  const isDone = (): boolean =>
    cluster.failure !== undefined || (clients.every((client) => client.isIdle) && cluster.disagreement() === undefined)
  let checkAtMs = 0
  await scheduler.run(until, () => {
    if (scheduler.nowMs < checkAtMs) return false
    checkAtMs = scheduler.nowMs + 50
    return isDone()
  })
  if (cluster.failure !== undefined) return
  const busy = clients.filter((client) => !client.isIdle).length
  const missing = cluster.disagreement()
  if (busy > 0 || missing !== undefined)
    throw new Violation('converges', `${CONVERGE_MS} ms after the last fault: ${missing ?? ''} ${busy} clients wait`)
  cluster.checkDigests()
}

function collect(cluster: Cluster, network: SimNetwork, injector: FaultInjector, clients: Client[]): Record<string, number> {
  for (const machine of cluster.machines) cluster.count(machine.life?.replica)
  const hits: Record<string, number> = {}
  for (const [group, counts] of Object.entries({
    network: network.hits,
    cluster: cluster.hits,
    fault: injector.hits,
    paxos: cluster.branches,
  })) {
    for (const [name, count] of Object.entries(counts)) hits[`${group}.${name}`] = count
  }
  hits['engine.misses'] = cluster.cold.misses
  hits['disk.tornSectors'] = cluster.machines.reduce((sum, machine) => sum + machine.disk.tornSectors, 0)
  for (const client of clients)
    for (const [name, count] of Object.entries(client.outcomes)) hits[`client.${name}`] = (hits[`client.${name}`] ?? 0) + count
  return hits
}

/** Injects faults at random until stopped; then mends everything. Rates differ from seed to seed. */
class FaultInjector {
  private readonly scheduler: Scheduler
  private readonly random: Random
  private readonly cluster: Cluster
  private readonly network: SimNetwork
  private isStopped = false
  private readonly everyMs: number
  private readonly weights: readonly (readonly [number, () => void])[]
  readonly hits = { crash: 0, longCrash: 0, crashAll: 0, oneWay: 0, isolate: 0, reset: 0, slowDisk: 0 }

  constructor(scheduler: Scheduler, cluster: Cluster, network: SimNetwork) {
    this.scheduler = scheduler
    this.random = scheduler.random
    this.cluster = cluster
    this.network = network
    this.everyMs = this.random.pick([100, 300, 1000])
    const weight = (): number => this.random.pick([0, 1, 3])
    this.weights = [
      [weight(), () => this.crashOne()],
      [this.random.pick([0, 0, 1]), () => this.crashLong()],
      [this.random.pick([0, 0, 1]), () => this.crashAll()],
      [weight(), () => this.cutOneWay()],
      [weight(), () => this.isolate()],
      [weight(), () => this.reset()],
      [weight(), () => this.slowDisk()],
    ]
  }

  start(): void {
    this.scheduler.at(this.random.between(0.2, 1.8) * this.everyMs, () => {
      if (this.isStopped) return
      this.injectOne()
      this.start()
    })
  }

  stop(): void {
    this.isStopped = true
    this.network.cut.clear()
    Object.assign(this.network.faults, { drop: 0, duplicate: 0, slow: 0, maxDelayMs: 1 })
    for (const machine of this.cluster.machines) machine.disk.syncMs = 1
  }

  private injectOne(): void {
    let at = this.random.next() * this.weights.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, inject] of this.weights) {
      at -= weight
      if (weight > 0 && at <= 0) {
        inject()
        return
      }
    }
  }

  private anyReplica(): number {
    return this.random.below(this.cluster.machines.length)
  }

  private crashOne(): void {
    this.hits.crash++
    this.crashAndRestart(this.anyReplica(), 600)
  }

  /** Long enough for the others to have freed what it misses from their logs. */
  private crashLong(): void {
    this.hits.longCrash++
    this.crashAndRestart(this.anyReplica(), 3000)
  }

  private crashAndRestart(replica: number, downMs: number): void {
    this.cluster.crash(replica)
    this.scheduler.at(this.random.between(1, downMs), () => {
      if (this.cluster.machines[replica]?.life === undefined) void this.cluster.start(replica)
      this.scheduler.hasReactions = true
    })
  }

  private crashAll(): void {
    this.hits.crashAll++
    for (let replica = 0; replica < this.cluster.machines.length; replica++) this.crashAndRestart(replica, 600)
  }

  private cutOneWay(): void {
    this.hits.oneWay++
    const from = this.anyReplica()
    const to = this.anyReplica()
    this.cutFor([from * 16 + to])
  }

  private isolate(): void {
    this.hits.isolate++
    const alone = this.anyReplica()
    this.cutFor(this.cluster.machines.flatMap((_, other) => (other === alone ? [] : [alone * 16 + other, other * 16 + alone])))
  }

  private cutFor(directions: number[]): void {
    for (const direction of directions) this.network.cut.add(direction)
    this.scheduler.at(this.random.between(20, 1500), () => {
      for (const direction of directions) this.network.cut.delete(direction)
    })
  }

  private reset(): void {
    this.hits.reset++
    this.network.cutConnections(this.anyReplica(), this.anyReplica())
  }

  private slowDisk(): void {
    this.hits.slowDisk++
    const { disk } = this.cluster.machines[this.anyReplica()] as (typeof this.cluster.machines)[number]
    disk.syncMs = this.random.between(5, 60)
    this.scheduler.at(this.random.between(50, 800), () => {
      disk.syncMs = 1
    })
  }
}
