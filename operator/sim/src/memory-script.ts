/** What people do to MemoryGroups in a run, drawn from its seed. */
import { LABELS, MEMORY, memoryName } from '../../src/api/names.ts'
import { MEMORY_GROUPS } from '../../src/controllers/watches.ts'
import type { KubeObject, MergePatch } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import type { OperatorRun } from './operator-run.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const NAMESPACE = 'default'
const MEND_MS = [20 * SECOND, 3 * MINUTE] as const
/** Scaled in, and wanted again while that is under way. */
const CHANGE_OF_MIND_MS = [0, 15 * SECOND] as const

export function createMemoryGroup(run: OperatorRun, name: string, paxosGroup: string, spec: Record<string, unknown>): void {
  run.tell(`create MemoryGroup ${name} of ${paxosGroup} ${JSON.stringify(spec)}`)
  run.cluster.store.create(MEMORY_GROUPS, {
    apiVersion: 'thermocline.dev/v1alpha1',
    kind: 'MemoryGroup',
    metadata: { namespace: NAMESPACE, name },
    spec: { paxosGroupRef: { name: paxosGroup }, ...spec },
  })
}

export function editMemory(run: OperatorRun, name: string, spec: MergePatch): void {
  run.tell(`edit MemoryGroup ${name} ${JSON.stringify(spec)}`)
  run.cluster.store.amend(MEMORY_GROUPS, { namespace: NAMESPACE, name }, { spec })
}

export function removeMemoryGroup(run: OperatorRun, name: string): void {
  run.tell(`delete MemoryGroup ${name}`)
  run.cluster.store.delete(MEMORY_GROUPS, { namespace: NAMESPACE, name })
}

export function drawMemorySpec({ random }: OperatorRun): Record<string, unknown> {
  return {
    replicas: random.below(4),
    ...(random.chance(0.3) ? { groups: 1 + random.below(3) } : {}),
    ...(random.chance(0.5) ? { image: 'thermocline:1' } : {}),
    ...(random.chance(0.3) ? { newerThan: '3d' } : {}),
  }
}

type MemoryAct = (run: OperatorRun, name: string) => void

const edits =
  (draw: (run: OperatorRun) => MergePatch): MemoryAct =>
  (run, name) =>
    editMemory(run, name, draw(run))

/** How often, out of all. */
const WEIGHTED: readonly (readonly [number, MemoryAct])[] = [
  [8, edits(({ random }) => ({ replicas: random.below(5) }))],
  [6, changeMind],
  [3, edits(({ random }) => ({ groups: random.pick([null, 1, 2, 3]) }))],
  [3, edits(({ random }) => ({ trafficPercent: random.pick([0, 10, 100]) }))],
  [2, edits(({ random }) => ({ newerThan: random.pick([null, '1h', '3d']) }))],
  [1, edits(() => ({ warmUp: { duration: '1m' } }))],
  [3, edits(({ random }) => ({ image: `thermocline:${1 + random.below(4)}` }))],
  [2, (run, name) => forAWhile(run, name, { image: 'broken:1' }, { image: 'thermocline:1' })],
  [2, (run, name) => forAWhile(run, name, { paused: true }, { paused: null })],
  [2, (run, name) => forAWhile(run, name, { cache: { size: '64Gi' } }, { cache: null })],
  [2, (run, name) => recreate(run, name)],
  [2, rival],
  [3, disturb],
  [3, deletePod],
  [2, crash],
]
const TOTAL = WEIGHTED.reduce((sum, [weight]) => sum + weight, 0)

export function disturbMemory(run: OperatorRun): void {
  const groups = run.cluster.store.all(MEMORY_GROUPS)
  if (groups.length === 0) return
  let draw = run.random.below(TOTAL)
  const act = WEIGHTED.find(([weight]) => {
    draw -= weight
    return draw < 0
  })
  act?.[1](run, run.random.pick(groups).metadata.name)
}

/** What was done for a while. */
export function mendMemory(run: OperatorRun): void {
  for (const { metadata, spec } of run.cluster.store.all(MEMORY_GROUPS)) {
    const { paused, image, cache } = spec as { paused?: boolean; image?: string; cache?: object }
    if (paused === true) editMemory(run, metadata.name, { paused: null })
    if (image === 'broken:1') editMemory(run, metadata.name, { image: 'thermocline:1' })
    if (cache !== undefined) editMemory(run, metadata.name, { cache: null })
  }
}

function changeMind(run: OperatorRun, name: string): void {
  editMemory(run, name, { replicas: 1 })
  run.later(run.random.between(...CHANGE_OF_MIND_MS), () => editMemory(run, name, { replicas: 4 }))
}

function forAWhile(run: OperatorRun, name: string, spec: MergePatch, then: MergePatch): void {
  editMemory(run, name, spec)
  run.later(run.random.between(...MEND_MS), () => editMemory(run, name, then))
}

function recreate(run: OperatorRun, name: string): void {
  const { store } = run.cluster
  const found = store.get(MEMORY_GROUPS, { namespace: NAMESPACE, name })
  if (found === undefined) return
  removeMemoryGroup(run, name)
  const { paxosGroupRef, ...spec } = found.spec as { paxosGroupRef: { name: string } } & Record<string, unknown>
  run.later(run.random.chance(0.3) ? 1 : run.random.between(...MEND_MS), () => {
    const isTaken = store.get(MEMORY_GROUPS, { namespace: NAMESPACE, name }) !== undefined
    if (!isTaken) createMemoryGroup(run, name, paxosGroupRef.name, spec)
  })
}

/** A second one names the same cluster: it waits until the first goes. */
function rival(run: OperatorRun, name: string): void {
  const { store } = run.cluster
  const at = { namespace: NAMESPACE, name: 'rival' }
  if (store.get(MEMORY_GROUPS, at) !== undefined) {
    removeMemoryGroup(run, run.random.chance(0.5) ? 'rival' : name)
    return
  }
  const found = store.get(MEMORY_GROUPS, { namespace: NAMESPACE, name })
  if (found === undefined) return
  const { paxosGroupRef } = found.spec as { paxosGroupRef: { name: string } }
  createMemoryGroup(run, 'rival', paxosGroupRef.name, drawMemorySpec(run))
}

/** Somebody deletes or edits what the operator applied. */
function disturb(run: OperatorRun, name: string): void {
  const { store } = run.cluster
  const at = { namespace: NAMESPACE, name: memoryName(name, 0) }
  const kind = run.random.pick([RESOURCES.services, RESOURCES.podDisruptionBudgets, RESOURCES.statefulSets])
  const doesDelete = run.random.chance(0.5)
  run.tell(`${doesDelete ? 'delete' : 'edit'} ${kind.kind} ${at.name}`)
  if (doesDelete) store.delete(kind, at, { propagation: 'Orphan' })
  else store.amend(kind, at, { metadata: { labels: { [LABELS.component]: 'edited' } } })
}

const memoryPods = ({ cluster }: OperatorRun): KubeObject[] =>
  cluster.store.all(RESOURCES.pods).filter(({ metadata }) => metadata.labels?.[LABELS.component] === MEMORY)

function deletePod(run: OperatorRun): void {
  const pods = memoryPods(run)
  if (pods.length === 0) return
  const { metadata } = run.random.pick(pods)
  run.tell(`delete pod ${metadata.name}`)
  run.cluster.store.delete(RESOURCES.pods, metadata)
}

function crash(run: OperatorRun): void {
  const machines = [...run.tier.machines]
  if (machines.length === 0) return
  const machine = run.random.pick(machines)
  run.tell(`${machine.podName} crashes`)
  machine.crash()
}
