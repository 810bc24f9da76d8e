/**
 * What a volume has to do before its replica may start: be named by the topology that fills its slot, or take a new
 * incarnation, one above the highest that n−q+1 other replicas name, and learn (design §4.1, §4.4).
 */
import { ByteReader, ByteWriter, FrameDecoder, FrameType, type Incarnation, WIRE_VERSION } from '@thermocline/protocol'
import type { LogFolder, PeerLink, PeerLinkEvents, PeerNetwork, StateFiles } from '../io/ports.ts'
import { readPeerHello, writePeerHello } from '../paxos/frames.ts'
import { saveVolume, type Volume } from './volume.ts'

export interface JoinOptions {
  readonly files: StateFiles
  readonly logFolder: LogFolder
  readonly network: PeerNetwork
  readonly replicaCount: number
  readonly randomHex: (bytes: number) => string
  /** Whether the topology fills the slot with this incarnation. */
  readonly isNamed: (replica: number, incarnation: Incarnation) => boolean
  /** Removes the applied state. */
  readonly dropEngine: () => Promise<void>
  /** The volume cannot be used as it is: it waits for the other replicas, to rejoin. */
  readonly onWaiting: (reason: string) => void
}

/** Resolves with the volume as the replica may use it; waits for other replicas as long as it takes. */
export async function joinGroup(found: Volume, options: JoinOptions): Promise<Volume> {
  const volume = withOrder(found, options)
  if (volume.rejoin === undefined) {
    return volume.standing === 'fresh' ? await saveVolume(options.files, { ...volume, standing: 'voter' }) : volume
  }
  // The order is durable before anything is done about it: it holds for later processes too.
  if (found.rejoin === undefined) await saveVolume(options.files, volume)
  options.onWaiting(volume.rejoin.reason)
  const highest = await askIncarnations(volume, options)
  // What it voted is void and what it applied comes back from the others; only now, when they are there.
  for (const name of await options.logFolder.list()) await options.logFolder.remove(name)
  if (volume.rejoin.dropEngine) await options.dropEngine()
  return await saveVolume(options.files, {
    ...volume,
    incarnation: { number: Math.max(highest, volume.incarnation.number) + 1, nonce: options.randomHex(8) },
    standing: 'learner',
    rejoin: undefined,
  })
}

function withOrder(volume: Volume, { isNamed }: JoinOptions): Volume {
  if (volume.rejoin !== undefined || volume.incarnation.number > 0 || isNamed(volume.replica, volume.incarnation)) return volume
  return { ...volume, rejoin: { reason: 'the slot was filled with another volume before', dropEngine: volume.standing !== 'fresh' } }
}

/** The highest number of an incarnation of this slot that n−q+1 other replicas name. */
function askIncarnations(volume: Volume, { network, replicaCount, onWaiting }: JoinOptions): Promise<number> {
  const needed = replicaCount - (replicaCount >> 1)
  const answered = new Set<number>()
  const strangers = new Set<number>()
  let highest = 0
  if (replicaCount - 1 < needed) onWaiting(nobodyToAsk(volume))
  return new Promise((resolve) => {
    network.start((link, dialled) => {
      if (dialled !== undefined) sendStrangerHello(link, volume)
      return strangerEvents(volume, link, dialled !== undefined, (replica, named, votesInAll) => {
        if (named === undefined) {
          const isNews = !strangers.has(replica)
          strangers.add(replica)
          if (isNews && replicaCount - 1 - strangers.size < needed) onWaiting(tooManyLost([volume.replica, ...strangers]))
          return
        }
        strangers.delete(replica)
        highest = Math.max(highest, named.get(volume.replica)?.number ?? 0)
        // Before anything is dropped here, others must have what it may be the last to hold: a learner may not.
        if (votesInAll) answered.add(replica)
        if (answered.size >= needed) resolve(highest)
      })
    })
  })
}

function sendStrangerHello(link: PeerLink, volume: Volume): void {
  const w = new ByteWriter(256)
  const { clusterId, group, replica, incarnation, boot } = volume
  writePeerHello(w, {
    version: WIRE_VERSION,
    clusterId,
    isStranger: true,
    votesInAll: false,
    process: { group, replica, incarnation, boot },
    bootNonce: '0'.repeat(16),
    logEnd: 0,
    incarnations: new Map(),
  })
  link.send(w.written())
}

function tooManyLost(replicas: readonly number[]): string {
  const names = replicas.toSorted((a, b) => a - b).join(' and ')
  return `NeedsOperator: replicas ${names} have lost their volumes, and the rest are too few to know all that was promised; put a volume back, or restore the group`
}

/** A group of one: no other replica can say what was promised, however long it waits. */
function nobodyToAsk({ group, replica, rejoin }: Volume): string {
  return `NeedsOperator: replica ${replica} is the only one of group ${group}, so that nobody can say what it has forgotten (${rejoin?.reason ?? ''}); nothing was deleted: put an intact copy of the volume back, or restore the group from a backup`
}

/** Reads the hello of a peer (its names, or undefined from one in the same state), whoever dialled, and hangs up: there is nothing else to say to it yet. */
function strangerEvents(
  volume: Volume,
  link: PeerLink,
  isDialled: boolean,
  take: (replica: number, named: ReadonlyMap<number, Incarnation> | undefined, votesInAll: boolean) => void,
): PeerLinkEvents {
  const { clusterId, group, replica } = volume
  const decoder = new FrameDecoder(new ByteReader(), (type, reader) => {
    if (type !== FrameType.peerHello) return
    const hello = readPeerHello(reader)
    // One in the same state has to hear of it too.
    if (hello.isStranger && !isDialled) sendStrangerHello(link, volume)
    const isOfGroup = hello.version === WIRE_VERSION && hello.clusterId === clusterId && hello.process.group === group
    if (isOfGroup && hello.process.replica !== replica)
      take(hello.process.replica, hello.isStranger ? undefined : hello.incarnations, hello.votesInAll)
    link.close()
  })
  return {
    onData: (chunk) => {
      try {
        decoder.push(chunk)
      } catch {
        // What cannot be read says nothing; the peer is dialled again.
        link.close()
      }
    },
    onClose: () => {},
  }
}
