/** Electors against the simulated server: never two leaders at once, and a leader soon after the faults end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL_FAULTS, FAULTS, type Faults, idleProcess, NO_FAULTS, SimCluster, type SimKube } from '../../sim/src/mod.ts'
import { Elector } from './lease.ts'
import { LEASE_BOUNDS } from './lease-decision.ts'
import type { Kube, KubeObject } from './ports.ts'
import { RESOURCES } from './resources.ts'

const SEEDS = 100
const MINUTE = 60_000
const LEASE = { namespace: 'default', name: 'lease' }

interface Candidate {
  readonly elector: Elector
  readonly kube: SimKube
}

/** Processes that start again under a new identity when they lose the lease. */
class Election {
  readonly cluster: SimCluster<ReturnType<typeof idleProcess>>
  readonly seats: Candidate[] = []
  terms = 0
  private readonly faults: Partial<Faults>
  private started = 0

  constructor(seed: number, seats: number, faults: Partial<Faults>) {
    this.cluster = new SimCluster({ seed, start: idleProcess })
    this.cluster.stop()
    this.faults = faults
    for (let seat = 0; seat < seats; seat++) this.begin(seat)
  }

  begin(seat: number): void {
    const { scheduler } = this.cluster
    const kube = this.cluster.client(this.seats[seat]?.kube.faults ?? this.faults)
    // Clocks run up to 5 % apart, and show times that are hours apart.
    const clock = scheduler.clock(scheduler.random.between(0.975, 1.025), scheduler.random.between(-1e7, 1e7))
    const elector = new Elector(this.cluster.world(kube, clock), {
      lease: LEASE,
      identity: `p${seat}-${this.started++}`,
      onLeading: () => {
        assert.ok(elector.isLeading)
        this.terms++
      },
      onLost: () => {
        assert.equal(elector.isLeading, false)
        scheduler.after(scheduler.random.between(0, 5000), () => this.begin(seat))
      },
    })
    this.seats[seat] = { elector, kube }
    elector.start()
  }

  leaders(): Candidate[] {
    return this.seats.filter(({ elector }) => elector.isLeading)
  }

  /** Runs, and looks after every event. */
  async run(forMs: number, context: string, isDone: () => boolean = () => false): Promise<void> {
    await this.cluster.run(forMs, () => {
      assert.ok(this.leaders().length <= 1, `${context}: two lead at ${this.cluster.scheduler.nowMs} ms`)
      return isDone()
    })
  }

  heal(): void {
    for (const { kube } of this.seats) {
      kube.faults = NO_FAULTS
      kube.mend()
    }
  }
}

const PROFILES: Readonly<Record<string, Partial<Faults>>> = {
  none: FAULTS.none,
  slow: FAULTS.slow,
  'server errors': FAULTS['server errors'],
  'too many requests': FAULTS['too many requests'],
  unreachable: FAULTS.unreachable,
  'lost answers': FAULTS['lost answers'],
  conflicts: FAULTS.conflicts,
  'as slow as the deadline': { latencyMs: [1, 12_000] },
  everything: ALL_FAULTS,
}

for (const [name, faults] of Object.entries(PROFILES)) {
  test(`never two leaders, and one when it is over: ${name}, ${SEEDS} seeds`, async () => {
    let terms = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const election = new Election(seed, 3, faults)
      const { scheduler } = election.cluster
      const stop = scheduler.every(20_000, () => {
        const seat = scheduler.random.pick(election.seats)
        if (scheduler.random.chance(0.5)) seat.kube.cut()
        else seat.kube.mend()
      })
      await election.run(4 * MINUTE, `seed ${seed}`)
      stop()
      election.heal()
      await election.run(3 * MINUTE, `seed ${seed}`, () => election.leaders().length === 1)
      assert.equal(election.leaders().length, 1, `seed ${seed}: nobody leads`)
      terms += election.terms
    }
    assert.ok(terms > SEEDS * 2, `${terms} terms: the faults changed nothing`)
  })
}

test('a leader that is cut off stops leading before another begins', async () => {
  const election = new Election(7, 2, {})
  await election.run(MINUTE, 'start', () => election.leaders().length === 1)
  const [first] = election.leaders()
  first?.kube.cut()
  const cutMs = election.cluster.scheduler.nowMs
  await election.run(MINUTE, 'cut', () => election.leaders().length === 0)
  assert.ok(election.cluster.scheduler.nowMs - cutMs <= LEASE_BOUNDS.renewDeadlineMs * 1.03)
  await election.run(MINUTE, 'after', () => election.leaders().length === 1)
  assert.notEqual(election.leaders()[0], first)
})

test('a clean stop gives the lease back: the other need not wait for its end', async () => {
  const election = new Election(3, 2, {})
  await election.run(MINUTE, 'start', () => election.leaders().length === 1)
  const [first] = election.leaders()
  void first?.elector.stop()
  const stoppedMs = election.cluster.scheduler.nowMs
  await election.run(MINUTE, 'after', () => election.leaders().some((one) => one !== first))
  assert.ok(election.cluster.scheduler.nowMs - stoppedMs < 2 * LEASE_BOUNDS.retryMs)
  const spec = election.cluster.store.get(RESOURCES.leases, LEASE)?.spec
  assert.equal((spec as { leaseTransitions: number }).leaseTransitions, 1)
})

test('the lease reads as client-go writes it', async () => {
  const election = new Election(3, 1, {})
  await election.run(MINUTE, 'start', () => election.leaders().length === 1)
  const spec = election.cluster.store.get(RESOURCES.leases, LEASE)?.spec
  const { holderIdentity, leaseDurationSeconds, renewTime, acquireTime } = spec as Record<string, unknown>
  assert.deepEqual([holderIdentity, leaseDurationSeconds, renewTime === acquireTime], ['p0-0', 15, true])
  assert.match(String(renewTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  await election.run(MINUTE, 'renewals')
  const renewed = election.cluster.store.get(RESOURCES.leases, LEASE)?.spec as Record<string, unknown>
  assert.equal(renewed.acquireTime, acquireTime)
  assert.notEqual(renewed.renewTime, renewTime)
})

test('a process whose timers stand still does not believe that it leads', async () => {
  const cluster = new SimCluster({ seed: 1, start: idleProcess })
  cluster.stop()
  let aheadMs = 0
  const clock = cluster.scheduler.clock()
  const elector = new Elector(cluster.world(cluster.client(), { ...clock, nowMs: () => clock.nowMs() + aheadMs }), {
    lease: LEASE,
    identity: 'p',
    onLeading: () => {},
    onLost: () => {},
  })
  elector.start()
  await cluster.run(1000)
  assert.equal(elector.isLeading, true)
  aheadMs = LEASE_BOUNDS.renewDeadlineMs
  assert.equal(elector.isLeading, false)
})

/** One candidate before a server that takes its time. */
function alone(tookMs: (verb: string) => number, found: KubeObject | undefined) {
  const cluster = new SimCluster({ seed: 1, start: idleProcess })
  cluster.stop()
  const { scheduler } = cluster
  const calls: [string, number][] = []
  let lease = found
  const answer = async (verb: string, change: () => void = () => {}): Promise<KubeObject | undefined> => {
    calls.push([verb, scheduler.nowMs])
    await new Promise<void>((resolve) => scheduler.after(tookMs(verb), resolve))
    change()
    return lease
  }
  const kube = {
    get: () => answer('get'),
    create: (_: unknown, object: KubeObject) =>
      answer('create', () => {
        lease = { ...object, metadata: { ...object.metadata, resourceVersion: '1' } }
      }),
    patch: () => answer('patch'),
  } as unknown as Kube
  const told: string[] = []
  const elector = new Elector(
    { ...cluster.world(), kube },
    { lease: LEASE, identity: 'me', onLeading: () => told.push('leading'), onLost: () => told.push('lost') },
  )
  elector.start()
  return { cluster, elector, calls, told }
}

test('the lease of another counts from when it was seen, not from when it was asked for', async () => {
  const spec = { holderIdentity: 'other', leaseDurationSeconds: 15, renewTime: 't', leaseTransitions: 0 }
  const found = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { ...LEASE, resourceVersion: '1' }, spec }
  let gets = 0
  const { cluster, calls } = alone((verb) => (verb === 'get' && gets++ === 0 ? 9000 : 1), found)
  await cluster.run(MINUTE)
  const [, tookMs] = calls.find(([verb]) => verb === 'patch') ?? ['', 0]
  assert.ok(tookMs >= 24_000 && tookMs < 27_000, `taken at ${tookMs} ms`)
})

test('a lease whose write took longer than the deadline is not led by, and is renewed', async () => {
  const { cluster, elector, told } = alone((verb) => (verb === 'create' ? 11_000 : 1), undefined)
  await cluster.run(11_500)
  assert.deepEqual([told, elector.isLeading], [[], false])
  await cluster.run(3000)
  assert.deepEqual([told, elector.isLeading], [['leading'], true])
})
