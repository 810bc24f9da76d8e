/** The frames of the data port. A frame type without a line here, or the other way round, is a type error and a failed test. */
import { HELLO_TIMEOUT_MS, MAX_LINKS_PER_SLOT, MAX_UNGREETED_LINKS } from '../../../node/src/doors/hello-bounds.ts'
import { MAX_ARRIVALS } from '../../../node/src/server/arrivals.ts'
import { MAX_CONNECTION_REQUESTS, STALL_MS } from '../../../node/src/server/connection.ts'
import type { FrameType } from '../../../protocol/src/client-messages.ts'
import { MAX_BATCH_REQUESTS, MAX_FRAME_BYTES, MAX_HELLO_BYTES } from '../../../protocol/src/constants.ts'
import { type Door, NOTHING } from './door.ts'

const HELLO = `${MAX_HELLO_BYTES} bytes`

export const FRAMES: Readonly<Record<keyof typeof FrameType, Door>> = {
  hello: {
    from: 'anybody who reaches the data port',
    expected: 'the first frame of a connection, once; names this cluster, or any',
    changes: NOTHING,
    bounds: `${HELLO}; whole within ${HELLO_TIMEOUT_MS} ms; ${MAX_ARRIVALS} connections wait for theirs, fewer on small nodes`,
  },
  helloOk: {
    from: 'a node, to its client',
    expected: 'the answer to `hello`; a node refuses it',
    changes: NOTHING,
    bounds: HELLO,
  },
  goodbye: {
    from: 'either side',
    expected: 'at any time; the connection ends',
    changes: NOTHING,
    bounds: 'a message of 4096 bytes',
  },
  requests: {
    from: 'a client that has said hello',
    expected: 'after `helloOk`',
    changes: 'what its operations change',
    bounds: `${MAX_FRAME_BYTES} bytes, ${MAX_BATCH_REQUESTS} requests; ${MAX_CONNECTION_REQUESTS} of a connection wait; whole within 30 s, never 10 s without a byte; all unfinished frames of the node: a share of \`--memory\``,
  },
  responses: {
    from: 'a node, to its client',
    expected: 'for requests that it asked; a node refuses it',
    changes: NOTHING,
    bounds: `${MAX_FRAME_BYTES} bytes; what is not taken: a share of \`--memory\` for all connections, half of it for one; ${STALL_MS} ms without any being taken`,
  },
  peerHello: {
    from: 'whoever claims to be a replica of the group; a memory node refuses it',
    expected:
      'the first frame of a peer connection, once; of this cluster and group; a process that is not remembered is asked about at the replica’s address in the topology, then judged by what is remembered of the slot (⚖5)',
    changes: 'once it is confirmed, what is remembered of the slot: incarnation, boot, last write',
    bounds: `${HELLO}; whole within ${HELLO_TIMEOUT_MS} ms; ${MAX_UNGREETED_LINKS} links wait for theirs; ${MAX_LINKS_PER_SLOT} links claim one slot`,
  },
  peer: {
    from: 'a replica of the group whose hello was taken, on its newest connection',
    expected: 'after both hellos',
    changes: 'what its messages change; what is remembered of the sender, likewise',
    bounds: `${MAX_FRAME_BYTES} bytes; time and shares as of \`requests\` and \`responses\``,
  },
  peerGoodbye: {
    from: 'a replica',
    expected: 'at any time on a peer connection, which ends; a verdict on this volume counts from whom this side has dialled, or greeted',
    changes: 'verdicts of enough others (`rolled_back`, `replaced`): the order to rejoin, in the volume’s file',
    bounds: 'a message of 4096 bytes',
  },
  peerConfirm: {
    from: 'a replica that was told this process’s name',
    expected: 'the first and only frame of a connection; answered with whether name and nonce are this process’s',
    changes: NOTHING,
    bounds: `${HELLO}; ${MAX_UNGREETED_LINKS} at once`,
  },
  peerConfirmed: {
    from: 'the process at the address that was asked',
    expected: 'the answer to the own `peerConfirm`',
    changes: NOTHING,
    bounds: `${HELLO}; within 2 s`,
  },
}
