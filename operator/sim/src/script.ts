/** What people and the world do in a run, drawn from its seed. */
import { ANNOTATIONS, groupName, LABELS, podName } from '../../src/api/names.ts'
import { parseBytes } from '../../src/api/quantity.ts'
import { MEMORY_GROUPS, PAXOS_GROUPS } from '../../src/controllers/watches.ts'
import type { KubeObject, MergePatch } from '../../src/runtime/ports.ts'
import { RESOURCES } from '../../src/runtime/resources.ts'
import { createMemoryGroup, disturbMemory, drawMemorySpec, mendMemory, removeMemoryGroup } from './memory-script.ts'
import { ZONE_LABEL } from './node-fleet.ts'
import type { OperatorRun } from './operator-run.ts'
import { volumesOf } from './slots.ts'
import { IDENTITY } from './thermocline-node.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const NAMESPACE = 'default'
const GIB = 1024 ** 3
/** Until a new resource votes; faults may hold that up. */
const BOOTSTRAP_MS = 20 * MINUTE
/** Some seeds begin to disturb before anything is there. */
const IMPATIENCE = 0.2
const ACTS = [2, 7] as const
/** Every so many seeds have a memory tier, too, and what happens to it besides: the others stay as quick as they are. */
const MEMORY_EVERY = 4
const GAP_MS = [2 * SECOND, 90 * SECOND] as const
const LOSS_MS = [10 * SECOND, 8 * MINUTE] as const
const AWAY_MS = [10 * SECOND, 4 * MINUTE] as const
const MEND_MS = [20 * SECOND, 3 * MINUTE] as const

export async function performScript(run: OperatorRun): Promise<void> {
  const { random } = run
  const names = random.chance(0.15) ? ['orders', 'users'] : ['orders']
  const hasMemory = run.options.seed % MEMORY_EVERY === 0
  if (hasMemory && random.chance(0.3)) createMemoryGroup(run, 'cache', random.pick(names), drawMemorySpec(run))
  for (const name of names) createResource(run, name, drawSpec(run))
  await run.wait(random.chance(IMPATIENCE) ? random.between(1000, MINUTE) : BOOTSTRAP_MS, () => names.every((name) => allVote(run, name)))
  const isMade = run.cluster.store.all(MEMORY_GROUPS).length > 0
  if (hasMemory && !isMade) createMemoryGroup(run, 'cache', random.pick(names), drawMemorySpec(run))
  if (hasMemory) await run.wait(random.between(...GAP_MS))
  const count = Math.floor(random.between(...ACTS))
  for (let at = 0; at < count && run.error === undefined; at++) {
    const [, act] = drawAct(run)
    act(run, random.pick(names))
    if (hasMemory) disturbMemory(run)
    await run.wait(random.between(...GAP_MS))
  }
  // Whatever was to return has returned.
  await run.wait(Math.max(0, run.underWayUntilMs - run.cluster.scheduler.nowMs) + SECOND)
  for (const name of names) mend(run, name)
  mendMemory(run)
  if (hasMemory && random.chance(0.2)) removeMemoryGroup(run, 'cache')
  if (random.chance(0.12)) removeResource(run, random.pick(names))
  else if (random.chance(0.06)) removeNamespace(run)
}

/** With all that is in it, whatever the resources say. */
function removeNamespace(run: OperatorRun): void {
  run.tell(`delete namespace ${NAMESPACE}`)
  run.cluster.store.delete(RESOURCES.namespaces, { name: NAMESPACE })
  for (const name of run.expected.keys()) run.expected.set(name, 'gone')
}

/** What was done for a while to a resource that was deleted meanwhile, and made again as it was. */
function mend(run: OperatorRun, name: string): void {
  const { paused, image, maintenance } = (run.cluster.store.get(PAXOS_GROUPS, { namespace: NAMESPACE, name })?.spec ?? {}) as Record<
    string,
    unknown
  >
  if (paused === true) edit(run, name, { paused: null })
  if (maintenance !== undefined) edit(run, name, { maintenance: null })
  if (image === 'broken:1') edit(run, name, { image: 'thermocline:1' })
}

function drawSpec({ random }: OperatorRun): Record<string, unknown> {
  return {
    groups: random.pick([1, 1, 2, 3]),
    replicas: random.chance(0.8) ? 3 : 5,
    ...(random.chance(0.5) ? { image: 'thermocline:1' } : {}),
    replaceAfter: random.pick(['1m', '5m']),
    storage: { size: '10Gi', retentionPolicy: random.chance(0.3) ? 'Delete' : 'Retain' },
  }
}

export function createResource(run: OperatorRun, name: string, spec: Record<string, unknown>): void {
  run.tell(`create ${name} ${JSON.stringify(spec)}`)
  run.cluster.store.create(PAXOS_GROUPS, {
    apiVersion: 'thermocline.dev/v1alpha1',
    kind: 'PaxosGroup',
    metadata: { namespace: NAMESPACE, name },
    spec,
  })
  run.expected.set(name, 'running')
}

export function edit(run: OperatorRun, name: string, spec: MergePatch): void {
  run.tell(`edit ${name} ${JSON.stringify(spec)}`)
  run.cluster.store.amend(PAXOS_GROUPS, { namespace: NAMESPACE, name }, { spec })
}

/** Claims stay or go as the resource says. */
export function removeResource(run: OperatorRun, name: string): void {
  run.tell(`delete ${name}`)
  const { store } = run.cluster
  const resource = store.get(PAXOS_GROUPS, { namespace: NAMESPACE, name })
  const { storage } = (resource?.spec ?? {}) as { storage?: { retentionPolicy?: string } }
  // Without our finalizer it is gone at once, whatever it says: an operator has not seen that yet.
  const isHeld = (resource?.metadata.finalizers ?? []).length > 0
  store.delete(PAXOS_GROUPS, { namespace: NAMESPACE, name })
  if (storage?.retentionPolicy === 'Delete' && isHeld) run.expected.set(name, 'gone')
  else run.expected.set(name, 'retained')
}

export function allVote({ cluster, tier }: OperatorRun, name: string): boolean {
  const volumes = volumesOf(cluster.store, { namespace: NAMESPACE, name })
  return volumes?.every((row, group) => row.every((_, replica) => tier.voteOf(NAMESPACE, podName(name, group, replica)).votes)) === true
}

/** For what takes a volume away for good: it must not be the second of a group. */
function isWhole(run: OperatorRun): boolean {
  const names = run.resources()
  return names.length > 0 && names.every((name) => allVote(run, name))
}

export function podsOf({ cluster }: OperatorRun, name: string): KubeObject[] {
  return cluster.store.all(RESOURCES.pods).filter(({ metadata }) => metadata.labels?.[LABELS.instance] === name)
}

export const nodeOf = ({ spec }: KubeObject): string | undefined => (spec as { nodeName?: string }).nodeName

type Act = (run: OperatorRun, name: string) => void

/** How often, out of all. */
const WEIGHTED: readonly (readonly [number, Act])[] = [
  [6, changeImage],
  [3, (run, name) => edit(run, name, { resources: { requests: { memory: `${run.random.pick([1, 2, 3])}Gi` }, limits: null } })],
  [4, (run, name) => grow(run, name)],
  [2, (run, name) => forAWhile(run, name, { paused: true }, { paused: null })],
  [1, (run, name) => edit(run, name, { upgradeStrategy: { maxUnavailableGroups: 1 + run.random.below(3) } })],
  [3, (run, name) => forAWhile(run, name, { image: 'broken:1' }, { image: `thermocline:${1 + run.random.below(4)}` })],
  [3, windows],
  [3, deletePod],
  [3, loseVolume],
  [4, wipe],
  [6, plantForeign],
  [2, crash],
  [5, loseNode],
  [2, loseNodeForGood],
  [5, (run) => run.killOperator(run.random.below(run.operators.length), 'killed')],
  [2, upgradeOperator],
  [3, (run) => serverAway(run)],
  [2, (run, name) => changeRefused(run, name, 'groups')],
  [1, (run, name) => changeRefused(run, name, 'replicas')],
  [2, (run, name) => forAWhileOrGood(run, name, { storage: { size: '5Gi' } }, { storage: { size: '50Gi' } })],
  [1, respell],
  [2, (run, name) => forAWhileOrGood(run, name, { sliceDuration: '1h' }, { sliceDuration: null })],
  [4, relabel],
  [3, disturb],
  [2, recreate],
]
const TOTAL = WEIGHTED.reduce((sum, [weight]) => sum + weight, 0)

function drawAct({ random }: OperatorRun): readonly [number, Act] {
  let draw = random.below(TOTAL)
  for (const entry of WEIGHTED) {
    draw -= entry[0]
    if (draw < 0) return entry
  }
  return WEIGHTED[0] as readonly [number, Act]
}

function changeImage(run: OperatorRun, name: string): void {
  edit(run, name, { image: `thermocline:${1 + run.random.below(4)}` })
}

export function grow(run: OperatorRun, name: string): void {
  const gib = Math.ceil((parseBytes(sizeOf(run, name)) as number) / GIB)
  edit(run, name, { storage: { size: `${gib + run.random.pick([1, 10])}Gi` } })
}

/** The same size in other words. */
function respell(run: OperatorRun, name: string): void {
  edit(run, name, { storage: { size: String(parseBytes(sizeOf(run, name))) } })
}

function sizeOf({ cluster }: OperatorRun, name: string): string {
  const resource = cluster.store.get(PAXOS_GROUPS, { namespace: NAMESPACE, name })
  const { storage } = (resource?.spec ?? {}) as { storage?: { size?: string } }
  return storage?.size ?? '10Gi'
}

function forAWhile(run: OperatorRun, name: string, spec: MergePatch, then: MergePatch): void {
  edit(run, name, spec)
  run.later(run.random.between(...MEND_MS), () => edit(run, name, then))
}

function forAWhileOrGood(run: OperatorRun, name: string, spec: MergePatch, then: MergePatch): void {
  if (run.random.chance(0.5)) forAWhile(run, name, spec, then)
  else edit(run, name, spec)
}

function deletePod(run: OperatorRun, name: string): void {
  const pods = podsOf(run, name)
  if (pods.length === 0) return
  const { metadata } = run.random.pick(pods)
  run.tell(`delete pod ${metadata.name}`)
  run.cluster.store.delete(RESOURCES.pods, metadata)
}

/** One that is open, opens soon, or does neither. */
function windows(run: OperatorRun, name: string): void {
  const { random, cluster } = run
  const at = new Date(cluster.scheduler.wallMs + random.pick([-30 * MINUTE, MINUTE, 12 * 60 * MINUTE])).toISOString()
  const window = { start: at.slice(11, 16), duration: '1h', ...(random.chance(0.3) ? { days: ['Mon'] } : {}) }
  edit(run, name, { maintenance: { windows: [window] } })
  // Once everybody has heard of them.
  const changeMs = random.between(MINUTE, 3 * MINUTE)
  run.later(changeMs, () => changeImage(run, name))
  run.later(changeMs + random.between(...MEND_MS), () => edit(run, name, { maintenance: null }))
}

/** The storage behind a claim is gone for good. */
function loseVolume(run: OperatorRun, name: string): void {
  const claims = run.cluster.store
    .all(RESOURCES.persistentVolumeClaims)
    .filter(
      ({ metadata }) => metadata.labels?.[LABELS.instance] === name && metadata.annotations?.[ANNOTATIONS.foreignVolume] === undefined,
    )
  if (!isWhole(run) || claims.length === 0) return
  const claim = run.random.pick(claims)
  run.tell(`the volume of ${claim.metadata.name} is lost`)
  run.cluster.kubelets.loseVolume(claim)
}

function wipe(run: OperatorRun, name: string): void {
  const pods = podsOf(run, name)
  if (!isWhole(run) || pods.length === 0) return
  const { metadata } = run.random.pick(pods)
  run.tell(`wipe ${metadata.name}: pod and claim`)
  run.cluster.store.delete(RESOURCES.persistentVolumeClaims, { namespace: NAMESPACE, name: `data-${metadata.name}` })
  run.cluster.store.delete(RESOURCES.pods, metadata)
}

/** Another volume behind a claim: somebody restored the wrong one, or exchanged two. */
export function plantForeign(run: OperatorRun, name: string): void {
  const { random } = run
  const nodes = run.tier.nodes().filter(({ start }) => start.pod.metadata.labels?.[LABELS.instance] === name)
  if (!isWhole(run) || nodes.length === 0) return
  const node = random.pick(nodes)
  const { clusterId, group, replica } = node.identity
  const twin = nodes.find(({ identity }) => identity.group !== group && identity.replica === replica)
  const [ours, theirs] = [node.volume?.files, twin?.volume?.files]
  if (ours === undefined) return
  if (theirs !== undefined && random.chance(0.3)) {
    run.tell(`the volumes of ${node.podName} and ${twin?.podName} are exchanged`)
    const content = [...theirs]
    fill(theirs, ours)
    fill(ours, content)
    twin?.crash()
  } else {
    const owner = random.pick([{ clusterId: 'f'.repeat(32) }, { group: group + 1 }, { replica: (replica + 1) % 3 }])
    run.tell(`${node.podName} gets a volume of ${JSON.stringify(owner)}`)
    fill(ours, [[IDENTITY, { ...node.identity, clusterId, ...owner }]])
  }
  node.crash()
}

function fill(files: Map<string, unknown>, content: Iterable<readonly [string, unknown]>): void {
  const entries = [...content]
  files.clear()
  for (const [name, value] of entries) files.set(name, value)
}

function crash(run: OperatorRun): void {
  const nodes = run.tier.nodes()
  if (nodes.length === 0) return
  const node = run.random.pick(nodes)
  run.tell(`${node.podName} crashes`)
  node.crash()
}

function loseNode(run: OperatorRun): void {
  const { cluster, random } = run
  const node = random.pick(cluster.store.all(RESOURCES.nodes)).metadata.name
  if (!cluster.fleet.isReachable(node)) return
  const forMs = random.between(...LOSS_MS)
  const isIsolated = random.chance(0.4)
  run.tell(`${isIsolated ? 'isolate' : 'lose'} node ${node} for ${Math.round(forMs / SECOND)} s`)
  if (isIsolated) cluster.isolateNode(node)
  else cluster.loseNode(node)
  run.later(forMs, () => cluster.restoreNode(node))
}

/** A claim with the data of others is people's to give up. */
export function hasForeignData({ cluster }: OperatorRun, node: string): boolean {
  return cluster.store
    .all(RESOURCES.persistentVolumeClaims)
    .filter(({ metadata }) => metadata.annotations?.[ANNOTATIONS.foreignVolume] !== undefined)
    .some(({ metadata }) => cluster.kubelets.volumes.get(metadata.uid ?? '')?.node === node)
}

function loseNodeForGood(run: OperatorRun): void {
  const { cluster, random } = run
  const nodes = cluster.store.all(RESOURCES.nodes).map(({ metadata }) => metadata.name)
  // Once in a run, and only what the groups can bear.
  if (!run.watchNodes || !isWhole(run) || nodes.length < 6 || nodes.some((node) => !cluster.fleet.isReachable(node))) return
  const node = random.pick(nodes)
  if (hasForeignData(run, node)) return
  const groups = cluster.store.all(RESOURCES.pods).flatMap((pod) => (nodeOf(pod) === node ? [pod.metadata.labels?.[LABELS.group]] : []))
  if (new Set(groups).size < groups.length) return
  run.tell(`lose node ${node} for good`)
  cluster.loseNode(node)
  if (random.chance(0.5)) cluster.fleet.remove(node)
}

function upgradeOperator(run: OperatorRun): void {
  run.image = run.random.pick(['default:2', 'default:3'])
  for (const at of run.operators.keys()) run.killOperator(at, `upgraded to ${run.image}`)
}

function serverAway(run: OperatorRun): void {
  const forMs = run.random.between(...AWAY_MS)
  run.tell(`the API server is away for ${Math.round(forMs / SECOND)} s`)
  run.cluster.serverAway(forMs)
  run.later(forMs, () => {})
}

function changeRefused(run: OperatorRun, name: string, field: 'groups' | 'replicas'): void {
  const volumes = volumesOf(run.cluster.store, { namespace: NAMESPACE, name })
  const now = field === 'groups' ? volumes?.length : volumes?.[0]?.length
  if (now === undefined) return
  const wanted = field === 'groups' ? run.random.pick([1, 2, 4].filter((one) => one !== now)) : now === 3 ? 5 : 3
  edit(run, name, { [field]: wanted })
  if (run.random.chance(0.5)) run.later(run.random.between(...MEND_MS), () => edit(run, name, { [field]: now }))
}

/** A machine moves to another zone: the topology changes. Returns what moves it back. */
export function relabel(run: OperatorRun): () => void {
  const { store } = run.cluster
  const { metadata } = run.random.pick(store.all(RESOURCES.nodes))
  const move = (zone: string | undefined): void => {
    run.tell(`node ${metadata.name} moves to zone ${zone}`)
    store.amend(RESOURCES.nodes, metadata, { metadata: { labels: { [ZONE_LABEL]: zone } } })
  }
  move(run.random.pick(['z1', 'z2', 'z3']))
  return () => move(metadata.labels?.[ZONE_LABEL])
}

/** Somebody deletes or edits what the operator applied. */
function disturb(run: OperatorRun, name: string): void {
  const { store } = run.cluster
  const at = { namespace: NAMESPACE, name: groupName(name, 0) }
  const kind = run.random.pick([RESOURCES.services, RESOURCES.podDisruptionBudgets, RESOURCES.statefulSets])
  const doesDelete = run.random.chance(0.5)
  run.tell(`${doesDelete ? 'delete' : 'edit'} ${kind.kind} ${at.name}`)
  if (doesDelete) store.delete(kind, at, { propagation: 'Orphan' })
  else store.amend(kind, at, { metadata: { labels: { [LABELS.component]: 'edited' } } })
}

/** Over the volumes that stay, at once or after a while. */
function recreate(run: OperatorRun, name: string): void {
  const { cluster, random } = run
  const resource = cluster.store.get(PAXOS_GROUPS, { namespace: NAMESPACE, name })
  const spec = resource?.spec
  const { storage } = (spec ?? {}) as { storage?: { retentionPolicy?: string } }
  if (resource === undefined || storage?.retentionPolicy === 'Delete' || (resource.metadata.finalizers ?? []).length > 0) return
  removeResource(run, name)
  const create = (): void => createResource(run, name, spec as Record<string, unknown>)
  run.expected.set(name, 'running')
  run.later(random.chance(0.3) ? 1 : random.between(...MEND_MS), create)
}
