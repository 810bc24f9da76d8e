/**
 * One group as the server and the nodes themselves say it is, right before something is taken from it. The caches that a plan
 * rests on may be behind, even behind what this operator did a moment ago.
 */
import { claimName, podName } from '../../api/names.ts'
import type { NodeAdmin } from '../../cluster-admin/node-admin.ts'
import type { Observed, ObservedNode, ObservedReplica } from '../../plan/observed.ts'
import { type Kube, type KubeObject, RESOURCES } from '../../runtime/mod.ts'
import { hostOfNode, viewClaim, viewNode, viewPod } from '../views.ts'
import type { Watches } from '../watches.ts'
import { askAll, wordsOf } from './observe.ts'

export interface GroupContext {
  readonly kube: Kube
  readonly admin: NodeAdmin
  readonly watches: Watches
}

export interface GroupSubject {
  readonly namespace: string
  readonly name: string
  readonly clusterId: string
  /** The node label that names zones. */
  readonly zoneKey: string
  readonly observed: Pick<Observed, 'groups'>
}

export interface Group {
  readonly replicas: readonly ObservedReplica[]
  /** Those that volumes of the group are tied to, by name; a node that is not there is not in it. */
  readonly nodes: ReadonlyMap<string, ObservedNode>
}

export async function observeGroup(context: GroupContext, subject: GroupSubject, group: number): Promise<Group> {
  const { kube, watches } = context
  const { namespace, name, clusterId, zoneKey, observed } = subject
  const hosts = new Map((watches.nodes?.all() ?? []).map((node) => [hostOfNode(node), node.metadata.name]))
  const canSeeNodes = watches.nodes?.hasSynced === true && watches.volumes?.hasSynced === true
  const slots = await Promise.all(
    (observed.groups[group] ?? []).map(async ({ replica }) => {
      const [pod, claim] = await Promise.all([
        kube.get(RESOURCES.pods, { namespace, name: podName(name, group, replica) }),
        kube.get(RESOURCES.persistentVolumeClaims, { namespace, name: claimName(name, group, replica) }),
      ])
      const volume = claim === undefined || !canSeeNodes ? undefined : await volumeOf(kube, claim)
      return {
        group,
        replica,
        pod: pod === undefined ? undefined : viewPod(pod),
        claim: claim === undefined ? undefined : viewClaim(claim, volume, canSeeNodes, hosts),
      }
    }),
  )
  const names = new Set(slots.flatMap(({ claim }) => claim?.pinnedTo ?? []))
  const nodes = await Promise.all([...names].map((node) => kube.get(RESOURCES.nodes, { name: node })))
  const facts = await askAll(context.admin, slots, clusterId)
  return {
    replicas: slots.map((slot) => ({ ...slot, ...wordsOf(facts.get(slot)) })),
    nodes: new Map(nodes.flatMap((node) => (node === undefined ? [] : [[node.metadata.name, viewNode(node, zoneKey)]]))),
  }
}

async function volumeOf(kube: Kube, { spec }: KubeObject): Promise<KubeObject | undefined> {
  const { volumeName } = (spec ?? {}) as { volumeName?: string }
  return volumeName === undefined ? undefined : await kube.get(RESOURCES.persistentVolumes, { name: volumeName })
}
