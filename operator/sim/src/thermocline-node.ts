/**
 * A simulated Thermocline node, as far as an operator can tell it from a real one: what is on its volume, when it votes, which
 * topologies it takes. It keeps no data; to learn takes it a while, and needs as many voters as the real one would ask.
 *
 *     joining ──a topology names this volume──► starting ──► serving
 *        └──it names another──► joining, to rejoin ──n−q+1 others vote: a new incarnation──► learning ──► serving
 *     foreign ──what is on the volume is set aside──► the process ends, and the next begins on an empty one
 */
import { canonicalTopology, type Incarnation, type Topology } from '@thermocline/protocol'
import type { NodeFacts } from '../../src/plan/observed.ts'
import type { PodProcess, SimVolume, Start } from './pod-process.ts'
import type { StorageTier } from './storage-tier.ts'

const REPLAY_MS = [200, 4000] as const
const LEARN_MS = [3000, 60_000] as const
const BLOCKS = 100

/** What is on a volume. */
export interface SimIdentity {
  readonly clusterId: string
  readonly group: number
  readonly replica: number
  readonly incarnation: Incarnation
  readonly standing: 'fresh' | 'voter' | 'learner'
  /** It must take a new incarnation before it may be a member again. */
  readonly mustRejoin: boolean
}

export const IDENTITY = 'identity'
/** What was moved aside. */
export const ASIDE = 'aside'
const TOPOLOGY = 'topology'
/** Highest incarnation number of each replica of the group that this volume has durably named. */
const NAMED = 'named'

export class ThermoclineNode implements PodProcess {
  readonly start: Start
  readonly namespace: string
  /** Of the pod: `NAME-gG-R`. */
  readonly podName: string
  readonly token: string | undefined
  state: NodeFacts['state'] = 'joining'
  isStopped = false
  /** Once it serves. */
  servingSinceMs = Number.POSITIVE_INFINITY
  private readonly tier: StorageTier
  readonly volume: SimVolume | undefined
  private exited = false
  /** Who it would be on an empty volume. */
  private readonly fresh: SimIdentity
  /** When it has replayed its log, or is through with learning if enough others vote. */
  private readyAtMs: number | undefined
  private learnMs = 0
  private learnedMs = 0

  constructor(tier: StorageTier, start: Start) {
    this.tier = tier
    this.start = start
    const { metadata, spec } = start.pod
    this.namespace = metadata.namespace ?? ''
    this.podName = metadata.name
    this.token = tier.tokenOf(start.pod)
    this.volume = [...start.volumes.values()][0]
    const { containers } = spec as { containers: readonly { args: readonly string[] }[] }
    const argument = (name: string): string => containers[0]?.args.find((one) => one.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ''
    this.fresh = {
      clusterId: argument('cluster'),
      group: Number(argument('group')),
      replica: Number(metadata.name.slice(metadata.name.lastIndexOf('-') + 1)),
      incarnation: { number: 0, nonce: tier.random.hex(8) },
      standing: 'fresh',
      mustRejoin: false,
    }
    this.open(this.fresh)
  }

  private open(fresh: SimIdentity): void {
    if (this.volume === undefined) {
      this.exited = true
      return
    }
    const found = this.volume.files.get(IDENTITY) as SimIdentity | undefined
    const isForeign =
      found !== undefined && (found.clusterId !== fresh.clusterId || found.group !== fresh.group || found.replica !== fresh.replica)
    if (isForeign) {
      this.state = 'foreign'
      return
    }
    if (found === undefined) this.save(fresh)
    this.followTopology()
  }

  /** What is on the volume. */
  get identity(): SimIdentity {
    return this.volume?.files.get(IDENTITY) as SimIdentity
  }

  get topology(): Topology | undefined {
    return this.volume?.files.get(TOPOLOGY) as Topology | undefined
  }

  get named(): ReadonlyMap<number, number> {
    return (this.volume?.files.get(NAMED) as Map<number, number> | undefined) ?? new Map()
  }

  get votes(): boolean {
    return !this.isStopped && !this.exited && this.state === 'serving'
  }

  isReady(): boolean {
    return this.votes
  }

  hasExited(): boolean {
    return this.exited
  }

  /** Ends by itself, as by a bug: its kubelet starts it again. */
  crash(): void {
    this.exited = true
    this.tier.forget(this)
  }

  stop(): void {
    this.isStopped = true
    this.tier.forget(this)
  }

  /** What time alone brings about. */
  tick(passedMs: number): void {
    if (this.isStopped || this.exited) return
    if (this.state === 'starting' && this.tier.nowMs >= (this.readyAtMs ?? 0)) this.serve()
    else if (this.state === 'learning') this.learn(passedMs)
    else if (this.state === 'joining' && this.identity.mustRejoin) this.rejoin()
  }

  facts(): NodeFacts {
    if (this.state === 'foreign') return this.foreignFacts()
    const { clusterId, group, replica, incarnation, standing } = this.identity
    const voting = Math.min(BLOCKS - 1, Math.floor((this.learnedMs * BLOCKS) / Math.max(1, this.learnMs)))
    return {
      version: '0.1.0',
      state: this.state,
      clusterId,
      group,
      replica,
      incarnation,
      standing,
      mode: this.state === 'serving' ? 'Voter' : this.state === 'learning' ? 'LearnerOnly' : 'Unknown',
      epoch: this.topology?.epoch ?? 0,
      chosenTotal: 1000,
      ...(this.state === 'learning' ? { learner: { blocks: BLOCKS, voting, stuck: 0 } } : {}),
      writes: { state: 'accepted' },
    }
  }

  private foreignFacts(): NodeFacts {
    const { clusterId, group, replica, incarnation } = this.fresh
    const own = { version: '0.1.0', state: this.state, clusterId, group, replica, incarnation }
    const { clusterId: theirs, group: theirGroup, replica: theirReplica } = this.identity
    const owner = { clusterId: theirs, group: theirGroup, replica: theirReplica }
    return { ...own, owner, standing: 'learner', mode: 'Unknown', epoch: 0, chosenTotal: 0, writes: { state: 'accepted' } }
  }

  /** @throws Error as the real node answers. */
  setVolumeAside(): void {
    if (this.state !== 'foreign' || this.volume === undefined) throw new Error('invalid_argument: the volume is this replica’s own')
    const { files } = this.volume
    const all = new Map(files)
    files.clear()
    files.set(ASIDE, all)
    this.crash()
  }

  /** @throws Error as the real node answers. */
  install(next: Topology): void {
    const { topology: current, identity } = this
    if (this.state === 'foreign') throw new Error('wrong_cluster')
    if (next.clusterId !== identity.clusterId) throw new Error(`wrong_cluster: topology.clusterId: ${next.clusterId}`)
    const isSame = current !== undefined && canonicalTopology(current) === canonicalTopology(next)
    if (isSame) return
    if (current !== undefined && next.epoch <= current.epoch) throw new Error(`stale_epoch: topology.epoch: ${next.epoch}`)
    if (current !== undefined && next.sliceDurationMs !== current.sliceDurationMs)
      throw new Error('invalid_argument: topology.sliceDurationMs')
    this.volume?.files.set(TOPOLOGY, next)
    this.tier.installed(this, next)
    if (this.state === 'joining') this.followTopology()
  }

  /** Another replica says that it has a new incarnation: older ones count no more. */
  name(replica: number, number: number): void {
    this.volume?.files.set(NAMED, new Map([...this.named, [replica, number]]))
  }

  private followTopology(): void {
    const { identity, topology } = this
    const slot = topology?.groups[identity.group]?.replicas[identity.replica]
    if (slot === undefined || identity.mustRejoin) return
    const { number, nonce } = identity.incarnation
    const isNamed = slot.incarnation.number === number && slot.incarnation.nonce === nonce
    if (number === 0 && !isNamed) {
      this.save({ ...identity, mustRejoin: true })
      return
    }
    if (identity.standing === 'fresh') {
      this.save({ ...identity, standing: 'voter' })
      this.tier.becameVoter(this)
    }
    if (this.identity.standing === 'learner') this.beginToLearn()
    else this.beginToServe()
  }

  private beginToServe(): void {
    this.state = 'starting'
    this.readyAtMs = this.tier.nowMs + this.tier.random.between(...REPLAY_MS)
  }

  private beginToLearn(): void {
    this.state = 'learning'
    this.learnMs = this.tier.random.between(...LEARN_MS)
    this.learnedMs = 0
  }

  private serve(): void {
    this.state = 'serving'
    this.servingSinceMs = this.tier.nowMs
    this.tier.changed()
  }

  /** Those that must tell a new incarnation what was promised, if enough of them vote. */
  private witnesses(): ThermoclineNode[] | undefined {
    const n = this.topology?.groups[this.identity.group]?.replicas.length ?? 0
    const others = this.tier.votersOf(this).filter(({ identity }) => identity.replica !== this.identity.replica)
    return others.length >= n - (n >> 1) ? others : undefined
  }

  private rejoin(): void {
    const witnesses = this.witnesses()
    if (witnesses === undefined) return
    const { identity } = this
    const highest = Math.max(identity.incarnation.number, ...witnesses.map(({ named }) => named.get(identity.replica) ?? 0))
    const number = highest + 1
    for (const witness of witnesses) witness.name(identity.replica, number)
    this.save({ ...identity, incarnation: { number, nonce: this.tier.random.hex(8) }, standing: 'learner', mustRejoin: false })
    this.beginToLearn()
  }

  private learn(passedMs: number): void {
    if (this.witnesses() === undefined) return
    this.learnedMs += passedMs
    if (this.learnedMs < this.learnMs) return
    this.save({ ...this.identity, standing: 'voter' })
    this.serve()
  }

  private save(identity: SimIdentity): void {
    this.volume?.files.set(IDENTITY, identity)
  }
}
