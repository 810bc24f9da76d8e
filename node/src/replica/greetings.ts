/** The wait of a replica that starts for the verdicts of its peers (⚖5). */
import type { Clock } from '../io/ports.ts'
import type { Peers } from './peers.ts'

/** How long a replica that starts waits for its peers' hellos before it votes. */
const GREETINGS_MS = 500
const GREETINGS_CHECK_MS = 5

/** Resolves when every peer has looked at this volume, or one has refused it; soon, if one may be down. */
export function greetings(clock: Clock, peers: Peers, isRejected: () => boolean): Promise<void> {
  const until = clock.nowMs() + GREETINGS_MS
  return new Promise((resolve) => {
    const stop = clock.every(GREETINGS_CHECK_MS, () => {
      // A peer that dialled has said its hello before it judged ours: its first frame says that it took it.
      const isMissing = peers.all.filter((peer) => peer.isReady && peer.naming >= 0).length < peers.all.length - 1
      if (isMissing && clock.nowMs() < until && !isRejected()) return
      stop()
      resolve()
    })
  })
}
