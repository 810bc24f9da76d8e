/** Runs that go through one story, whatever the seed: every step of an operator's work, and what nothing can be done about. */
import { LABELS } from '../../src/api/names.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { unsettled } from './convergence.ts'
import { NO_FAULTS } from './faults.ts'
import { createMemoryGroup, editMemory } from './memory-script.ts'
import { ZONE_LABEL } from './node-fleet.ts'
import type { OperatorRun } from './operator-run.ts'
import { allVote, createResource, edit, grow, hasForeignData, nodeOf, plantForeign, podsOf, relabel, removeResource } from './script.ts'
import { Violation } from './violation.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const NAME = 'orders'
const ROUNDS = 5
const HEARD_MS = 65_000
/** Longer than anything takes without faults. */
const LONG_MS = 30 * MINUTE

/** Made, changed, grown, a node lost for good, moved, and deleted with its volumes: all steps that there are. */
export async function everyStep(run: OperatorRun): Promise<void> {
  const { store, fleet } = run.cluster
  const settle = async (): Promise<void> => {
    // What was asked for has to be noticed before it can be done.
    await run.wait(20 * SECOND)
    await run.wait(LONG_MS, () => unsettled(run) === undefined)
    if (run.error === undefined && unsettled(run) !== undefined) run.error = new Violation('converges', unsettled(run) ?? '')
  }
  createResource(run, NAME, { groups: 2, replaceAfter: '1m', storage: { size: '10Gi', retentionPolicy: 'Delete' } })
  await settle()
  edit(run, NAME, { image: 'thermocline:2' })
  await settle()
  grow(run, NAME)
  await settle()
  plantForeign(run, NAME)
  await settle()
  const lost = podsOf(run, NAME)
    .map(nodeOf)
    .find((node) => node !== undefined && !hasForeignData(run, node))
  run.cluster.loseNode(lost ?? 'n1')
  await run.wait(2 * MINUTE)
  await settle()
  for (const { metadata } of store.all(RESOURCES.nodes)) {
    if (fleet.isReachable(metadata.name)) store.amend(RESOURCES.nodes, metadata, { metadata: { labels: { [ZONE_LABEL]: 'z9' } } })
  }
  await settle()
  createMemoryGroup(run, 'cache', NAME, { groups: 2, replicas: 3 })
  await settle()
  editMemory(run, 'cache', { groups: 1, replicas: 1 })
  await settle()
  removeResource(run, NAME)
}

/** Two of three volumes of a group are lost: nothing is touched, and people are asked. */
export async function secondLoss(run: OperatorRun): Promise<void> {
  const { cluster, random } = run
  createResource(run, NAME, { groups: 1 + random.below(2), replaceAfter: random.pick(['1m', '5m']) })
  await run.wait(LONG_MS, () => allVote(run, NAME))
  // Faults may leave no operator in office for so long.
  if (!allVote(run, NAME)) return
  const nodes = podsOf(run, NAME).flatMap((pod) => (pod.metadata.labels?.[LABELS.group] === '0' ? [nodeOf(pod) ?? ''] : []))
  for (const node of nodes.slice(0, 2)) {
    run.tell(`lose node ${node} for good`)
    cluster.loseNode(node)
    await run.wait(random.between(0, 30 * SECOND))
  }
  // Until Kubernetes has given up the pods of both nodes, which the status tells.
  await run.wait(8 * MINUTE)
  run.expected.set(NAME, 'needs-operator')
}

/**
 * Zones change, and as soon as the first node has taken the new topology it is cut off and the operator ends: who comes next knows
 * of that epoch only what was written down before, and has other zones to tell.
 */
export async function restlessZones(run: OperatorRun): Promise<void> {
  const { cluster, random, tier } = run
  createResource(run, NAME, { groups: 1, replicas: 5 })
  await run.wait(LONG_MS, () => allVote(run, NAME))
  for (let at = 0; at < ROUNDS && run.error === undefined; at++) {
    const epochOf = (): number => Math.max(...tier.nodes().map(({ topology }) => topology?.epoch ?? 0))
    const before = epochOf()
    const moveBack = relabel(run)
    await run.wait(MINUTE, () => epochOf() > before)
    for (const { start, topology } of tier.nodes()) {
      if ((topology?.epoch ?? 0) <= before || !cluster.fleet.isReachable(start.node)) continue
      run.tell(`isolate ${start.node}, which has epoch ${topology?.epoch}`)
      cluster.isolateNode(start.node)
      run.later(random.between(MINUTE, 2 * MINUTE), () => cluster.restoreNode(start.node))
    }
    run.killOperator(0, 'killed')
    // All is as it was before: to one who knows only that, nothing was ever given that epoch.
    if (random.chance(0.8)) {
      moveBack()
      await run.wait(MINUTE / 2)
    }
    relabel(run)
    await run.wait(random.between(MINUTE, 3 * MINUTE))
  }
  await run.wait(2 * MINUTE)
}

/** A replica is away, and another starts again and votes in the next moment, while the pods are to be changed: neither may be touched. */
export async function changeWhileOneStarts(run: OperatorRun): Promise<void> {
  const { cluster, random, tier } = run
  createResource(run, NAME, { groups: 1 })
  await run.wait(LONG_MS, () => allVote(run, NAME))
  // What a node said is no longer so when it is heard.
  run.adminFaults = { noAnswer: 0, slow: 0.7, answerLost: 0 }
  for (const operator of run.operators) operator?.setFaults({ ...NO_FAULTS, ...run.faults }, run.adminFaults)
  for (let at = 0; at < ROUNDS && run.error === undefined && allVote(run, NAME); at++) {
    const [away, starting] = tier.nodes().toSorted(() => random.next() - 0.5)
    const node = away?.start.node ?? ''
    run.tell(`isolate node ${node}`)
    cluster.isolateNode(node)
    // Until everybody has heard of it.
    await run.wait(HEARD_MS)
    starting?.crash()
    const isStarting = (): boolean => tier.nodes().some(({ podName, state }) => podName === starting?.podName && state === 'starting')
    await run.wait(MINUTE, isStarting)
    await run.wait(random.between(0, 3 * SECOND))
    edit(run, NAME, { image: `thermocline:${2 + at}` })
    await run.wait(20 * SECOND)
    cluster.restoreNode(node)
    await run.wait(LONG_MS, () => allVote(run, NAME))
  }
}

/**
 * Memory machines come and go faster than anybody hears of it, while zones change, what nodes say is old, and one of them is cut off for
 * a while. At first all nodes serve for so long that whatever they list counts.
 */
export async function restlessReplicas(run: OperatorRun): Promise<void> {
  const { cluster, random, tier } = run
  createResource(run, NAME, { groups: 1 })
  createMemoryGroup(run, 'cache', NAME, { replicas: 4, groups: 2 })
  await run.wait(LONG_MS, () => allVote(run, NAME))
  await run.wait(8 * MINUTE)
  if (random.chance(0.5)) run.adminFaults = { noAnswer: 0.1, slow: 0.5, answerLost: 0.1 }
  if (random.chance(0.5)) run.faults = { ...run.faults, latencyMs: [1, 4000] }
  for (const operator of run.operators) operator?.setFaults({ ...NO_FAULTS, ...run.faults }, run.adminFaults)
  for (let at = 0; at < 2 * ROUNDS && run.error === undefined; at++) {
    if (random.chance(0.2)) relabel(run)
    if (random.chance(0.4)) {
      const node = random.pick(tier.nodes())?.start.node ?? 'n1'
      run.tell(`isolate node ${node}`)
      cluster.isolateNode(node)
      run.later(random.between(2 * SECOND, random.chance(0.7) ? 10 * SECOND : 3 * MINUTE), () => cluster.restoreNode(node))
    }
    editMemory(run, 'cache', { replicas: random.below(3), groups: random.pick([1, 2, null]) })
    // Just when the last machines are about to end.
    await run.wait(random.between(SECOND, random.chance(0.7) ? 15 * SECOND : 2 * MINUTE))
    editMemory(run, 'cache', { replicas: 4 })
    await run.wait(random.between(SECOND, MINUTE))
  }
  await run.wait(3 * MINUTE)
}

/** A change of five replicas, which have two to lose: still one at a time. */
export async function changeOfFive(run: OperatorRun): Promise<void> {
  createResource(run, NAME, { groups: 1, replicas: 5 })
  await run.wait(LONG_MS, () => allVote(run, NAME))
  edit(run, NAME, { image: 'thermocline:2' })
  await run.wait(5 * MINUTE)
}

/** A newer operator, with another default image, over resources that name none: nothing is restarted. */
export async function operatorUpgraded(run: OperatorRun): Promise<void> {
  createResource(run, NAME, { groups: 1 })
  createMemoryGroup(run, 'cache', NAME, { replicas: 2 })
  await run.wait(LONG_MS, () => unsettled(run) === undefined)
  run.image = 'default:2'
  for (const at of run.operators.keys()) run.killOperator(at, `upgraded to ${run.image}`)
  await run.wait(5 * MINUTE)
}

/** A change while the maintenance window is closed: it waits until the window is taken away. */
export async function changeOutsideWindows(run: OperatorRun): Promise<void> {
  createResource(run, NAME, { groups: 1 })
  await run.wait(LONG_MS, () => allVote(run, NAME))
  edit(run, NAME, { maintenance: { windows: [{ start: '12:00', duration: '1h' }] } })
  await run.wait(HEARD_MS)
  edit(run, NAME, { image: 'thermocline:2' })
  await run.wait(run.random.between(MINUTE, 3 * MINUTE))
  edit(run, NAME, { maintenance: null })
}
