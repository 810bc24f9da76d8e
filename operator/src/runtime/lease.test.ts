/** Electors against the simulated server: never two leaders at once, and a leader soon after the faults end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALL_FAULTS, FAULTS, type Faults, idleProcess, NO_FAULTS, SimCluster, type SimKube } from '../../sim/src/mod.ts'
import { Elector } from './lease.ts'
import { LEASE_BOUNDS } from './lease-decision.ts'
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
    const clock = scheduler.clock(scheduler.random.between([0.975, 1.025]), scheduler.random.between([-1e7, 1e7]))
    const elector = new Elector(this.cluster.world(kube, clock), {
      lease: LEASE,
      identity: `p${seat}-${this.started++}`,
      onLeading: () => this.terms++,
      onLost: () => {
        assert.equal(elector.isLeading, false)
        scheduler.after(scheduler.random.between([0, 5000]), () => this.begin(seat))
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

for (const [name, faults] of [...Object.entries<Partial<Faults>>(FAULTS), ['everything', ALL_FAULTS] as const]) {
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
