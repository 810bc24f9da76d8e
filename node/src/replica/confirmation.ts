/**
 * Whether a process that dials this replica is the one that it says it is. Anybody can dial and name a replica, an incarnation
 * and a boot; but the topology says where each replica is. So a process that was not known is asked about at that address, by
 * the secret nonce of its boot: who only claims to be the replica does not answer there.
 */
import { ByteReader, ByteWriter, DecodeError, FrameDecoder, FrameType, MAX_HELLO_BYTES } from '@thermocline/protocol'
import type { PeerLinkEvents, PeerNetwork } from '../io/ports.ts'
import { type PeerClaim, readPeerConfirmed, writePeerConfirm } from '../paxos/frames.ts'

export type Confirmation = 'confirmed' | 'denied' | 'unreachable'

/** Asks at the address of the claimed replica. Resolves within the time that the network gives one such connection. */
export function confirm(network: PeerNetwork, claim: PeerClaim): Promise<Confirmation> {
  return new Promise((resolve) => {
    network.reach(
      claim.process.replica,
      (link) => {
        const w = new ByteWriter(128)
        writePeerConfirm(w, claim)
        link.send(w.written())
        return answerEvents((answer) => {
          resolve(answer)
          link.close()
        })
      },
      () => resolve('unreachable'),
    )
  })
}

function answerEvents(answer: (answer: Confirmation) => void): PeerLinkEvents {
  const decoder = new FrameDecoder(
    new ByteReader(),
    (type, reader) => answer(type === FrameType.peerConfirmed && readPeerConfirmed(reader) ? 'confirmed' : 'denied'),
    MAX_HELLO_BYTES,
  )
  return {
    decoder,
    onData: (chunk) => {
      try {
        decoder.push(chunk)
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error
        answer('denied')
      }
    },
    onClose: () => answer('unreachable'),
  }
}
