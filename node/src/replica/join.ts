/**
 * What a volume has to do before its replica may start: be named by the topology that fills its slot, or take a new
 * incarnation, one above the highest that n−q+1 other replicas name, and learn (design §4.1, §4.4).
 */
import {
  ByteReader,
  ByteWriter,
  FrameDecoder,
  FrameType,
  type Incarnation,
  MAX_HELLO_BYTES,
  MAX_INCARNATION,
  PEER_VERSION,
} from '@thermocline/protocol'
import type { LogFolder, PeerLink, PeerLinkEvents, PeerNetwork, StateFiles } from '../io/ports.ts'
import { type PeerHello, readPeerHello, writePeerHello } from '../paxos/frames.ts'
import { saveVolume, type Volume } from './volume.ts'

/**
 * Incarnations that never voted may be known to some replicas and not to others; so many in a row are none that anybody has met.
 * A larger number would take a slot's numbers away from it.
 */
const MAX_SPREAD = 1024

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

/**
 * The highest number of an incarnation of this slot that n−q+1 other replicas name. Each of them is asked at its address in the
 * topology; who dials this volume is asked back there, and believed nothing.
 */
function askIncarnations(volume: Volume, options: JoinOptions): Promise<number> {
  const { network, replicaCount, onWaiting } = options
  const needed = replicaCount - (replicaCount >> 1)
  /** What each replica names of the slot, once it votes in all blocks. */
  const answered = new Map<number, number>()
  const strangers = new Set<number>()
  const asking = new Set<number>()
  if (replicaCount - 1 < needed) onWaiting(nobodyToAsk(volume))
  return new Promise((resolve) => {
    const take = (hello: PeerHello): void => {
      const { replica } = hello.process
      if (hello.isStranger) {
        const isNews = !strangers.has(replica)
        strangers.add(replica)
        if (isNews && replicaCount - 1 - strangers.size < needed) onWaiting(tooManyLost([volume.replica, ...strangers]))
        return
      }
      strangers.delete(replica)
      // Before anything is dropped here, others must have what it may be the last to hold: a learner may not.
      if (!hello.votesInAll) return
      answered.set(replica, hello.incarnations.get(volume.replica)?.number ?? 0)
      if (answered.size < needed) return
      const numbers = [...answered.values()]
      const highest = Math.max(...numbers)
      if (highest - Math.min(...numbers) > MAX_SPREAD || highest >= MAX_INCARNATION) onWaiting(doubtful(volume, answered))
      else resolve(highest)
    }
    const askBack = (replica: number): void => {
      if (asking.has(replica)) return
      asking.add(replica)
      const done = (): void => void asking.delete(replica)
      network.reach(replica, (link) => askEvents(volume, link, replica, take, done), done)
    }
    network.start((link, dialled) =>
      dialled === undefined ? answerEvents(volume, link, replicaCount, askBack) : askEvents(volume, link, dialled, take, () => {}),
    )
  })
}

function sendStrangerHello(link: PeerLink, volume: Volume): void {
  const w = new ByteWriter(256)
  const { clusterId, group, replica, incarnation, boot } = volume
  writePeerHello(w, {
    version: PEER_VERSION,
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

function doubtful({ replica, group }: Volume, answered: ReadonlyMap<number, number>): string {
  const names = [...answered].map(([other, number]) => `replica ${other} names ${number}`).join(', ')
  return `NeedsOperator: the other replicas of group ${group} do not agree on the last incarnation of replica ${replica}: ${names}; one of them is damaged: find out which, and replace its volume`
}

/** Asks a replica of the group, which this volume has dialled, for its hello, and hangs up. */
function askEvents(volume: Volume, link: PeerLink, asked: number, take: (hello: PeerHello) => void, done: () => void): PeerLinkEvents {
  sendStrangerHello(link, volume)
  return helloEvents(
    volume,
    link,
    (hello) => {
      if (hello.process.replica === asked) take(hello)
    },
    done,
  )
}

/** Answers a replica that has dialled this volume: one in the same state has to hear of it. All it says is where to ask. */
function answerEvents(volume: Volume, link: PeerLink, replicaCount: number, askBack: (replica: number) => void): PeerLinkEvents {
  return helloEvents(
    volume,
    link,
    ({ isStranger, process: { replica } }) => {
      if (isStranger) sendStrangerHello(link, volume)
      if (replica < replicaCount && replica !== volume.replica) askBack(replica)
    },
    () => {},
  )
}

function helloEvents({ clusterId, group }: Volume, link: PeerLink, take: (hello: PeerHello) => void, done: () => void): PeerLinkEvents {
  const decoder = new FrameDecoder(
    new ByteReader(),
    (type, reader) => {
      if (type === FrameType.peerHello) {
        const hello = readPeerHello(reader)
        if (hello.version === PEER_VERSION && hello.clusterId === clusterId && hello.process.group === group) take(hello)
      }
      link.close()
    },
    MAX_HELLO_BYTES,
  )
  return {
    decoder,
    onData: (chunk) => {
      try {
        decoder.push(chunk)
      } catch {
        // What cannot be read says nothing; the peer is dialled again.
        link.close()
      }
    },
    onClose: done,
  }
}
