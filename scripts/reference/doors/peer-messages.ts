/** The messages in the frames of peers. A message without a line here, or the other way round, is a type error and a failed test. */

import type { BatchKind } from '../../../node/src/paxos/batch-messages.ts'
import {
  COPY_BYTES_PER_SECOND,
  FETCH_BYTES,
  FETCH_ENTRIES,
  HEARTBEAT_MS,
  MAX_AUDIT_HINTS,
  MAX_AUDITS,
  MAX_BATCH_BLOCKS,
  MAX_COMPARING,
  MAX_FETCHES,
  MAX_PREPARES,
  MAX_ROUND_BLOCKS,
  SNAPSHOT_PART_BYTES,
} from '../../../node/src/paxos/constants.ts'
import type { Kind } from '../../../node/src/paxos/messages.ts'
import { PART_TIMEOUT_MS } from '../../../node/src/replica/copier.ts'
import { MAX_SERVED, SERVED_IDLE_MS } from '../../../node/src/replica/copy-server.ts'
import { MAX_ENTRY_BYTES, MAX_ENTRY_REQUESTS, MAX_WRITE_BYTES } from '../../../protocol/src/constants.ts'
import { type Door, NOTHING } from './door.ts'

const ENTRY = `an entry of ${MAX_ENTRY_BYTES} bytes, ${MAX_ENTRY_REQUESTS} requests`
const ONE = 'one open instance of each block'
const THE_ASKED = 'the replica that was asked'
const LEARNING = 'while this replica learns'

export const PEER_MESSAGES: Readonly<Record<keyof typeof Kind | keyof typeof BatchKind, Door>> = {
  accept: {
    from: 'a proposer of the block',
    expected:
      'here this replica votes; the instance is the next one, by the same chosen entry before it (⚖3); the ballot is not below the promise',
    changes: 'the vote, in the log; the entry before it as chosen',
    bounds: `${ENTRY}; ${ONE}`,
  },
  accepted: {
    from: 'an acceptor, with its vote durable (⚖4)',
    expected: 'the answer to the own Accept that is open, on the connection that it left by',
    changes: 'with a majority: the entry as chosen, and applied',
    bounds: ONE,
  },
  refused: {
    from: 'an acceptor that promised a higher ballot',
    expected: 'the answer to the own Prepare or Accept that is open',
    changes: 'nothing at once; the next Prepare here does',
    bounds: `${MAX_PREPARES} Prepares for a write`,
  },
  behind: {
    from: 'an acceptor that lacks entries',
    expected: 'the answer to the own Prepare or Accept that is open',
    changes: NOTHING,
    bounds: 'sent again after a wait',
  },
  ahead: {
    from: 'a replica that knows more of the block',
    expected: 'the answer to a message about an old instance',
    changes: 'nothing at once; the entries are fetched',
    bounds: `${MAX_FETCHES} fetches at once`,
  },
  prepare: {
    from: 'a proposer of the block',
    expected: 'here this replica votes; instance and ballot as of `accept`',
    changes: 'the promise, in the log',
    bounds: ONE,
  },
  promise: {
    from: 'an acceptor, with its promise durable (⚖4)',
    expected: 'the answer to the own Prepare that is open, on the connection that it left by',
    changes: 'with a majority: the own vote for the value of the highest ballot that was accepted, or for the own value',
    bounds: ENTRY,
  },
  chosen: {
    from: 'any replica of the group',
    expected: 'at any time; counts where this replica has accepted the same value, else the entry is fetched',
    changes: 'the entry as chosen, and applied',
    bounds: `${MAX_FETCHES} fetches at once`,
  },
  fetch: {
    from: 'a replica that lacks entries',
    expected: 'at any time',
    changes: NOTHING,
    bounds: `an answer of ${FETCH_ENTRIES} entries, about ${FETCH_BYTES} bytes`,
  },
  entries: {
    from: 'the replica that was asked',
    expected: 'the answer to the own `fetch`',
    changes: 'the entries as chosen, and applied',
    bounds: `${ENTRY}; ${FETCH_ENTRIES} of them`,
  },
  readRound: {
    from: 'a replica with strong reads',
    expected: 'at any time; answered for the blocks that this replica votes in',
    changes: NOTHING,
    bounds: `${MAX_ROUND_BLOCKS} blocks`,
  },
  readAnswer: {
    from: 'a replica that was asked',
    expected: 'the answer to the round that is under way, for its blocks (⚖6)',
    changes: 'equal durable ballots at a majority: the entry as chosen, and applied',
    bounds: `${MAX_ROUND_BLOCKS} blocks`,
  },
  forward: {
    from: 'a replica that is not the block’s best',
    expected: 'once for each id and connection; never forwarded again',
    changes: 'as the operation `write`',
    bounds: 'as the operation `write`; 4096 ids of a connection are remembered',
  },
  forwardAnswer: {
    from: 'the replica that the write was forwarded to',
    expected: 'for a write that waits for it',
    changes: NOTHING,
    bounds: `writes of ${MAX_WRITE_BYTES} bytes, counted as waiting`,
  },
  settle: {
    from: 'a replica whose read waits for an open instance',
    expected: 'the instance is not known to be chosen; else answered with `ahead`',
    changes: 'a Prepare of this replica: promise, then vote',
    bounds: ONE,
  },
  positions: {
    from: 'any replica of the group',
    expected: 'at any time; says what the sender has chosen',
    changes: 'nothing at once; what is missing is fetched',
    bounds: 'one block each; 65,536 of them',
  },
  wantPositions: {
    from: 'a replica whose heartbeat differs while both are idle',
    expected: 'at any time',
    changes: NOTHING,
    bounds: 'answered with one position for each block that is known',
  },
  wantBatch: {
    from: 'a replica that is too far behind for entries, or that learns blocks',
    expected: 'at any time; answered for the blocks that this replica votes in and has flushed',
    changes: 'nothing, or a flush of what is not flushed yet',
    bounds: `${MAX_BATCH_BLOCKS} blocks; ${MAX_SERVED} batches at once, each let go after ${SERVED_IDLE_MS} ms`,
  },
  batchHead: {
    from: THE_ASKED,
    expected: 'the answer to the own `wantBatch`: blocks out of it, none older than was asked for',
    changes: 'a begin of each block, in the log (⚖13)',
    bounds: `${MAX_BATCH_BLOCKS} blocks`,
  },
  wantPart: {
    from: 'the replica that the batch is for',
    expected: 'the batch is open, and this is its next part',
    changes: NOTHING,
    bounds: 'one part at once of each batch',
  },
  batchPart: {
    from: THE_ASKED,
    expected: 'the answer to the own `wantPart`',
    changes:
      'tables beside the store; after the last part the applied states of all blocks of the batch, with an end of each in the log (⚖13)',
    bounds: `${SNAPSHOT_PART_BYTES} bytes a part, within ${PART_TIMEOUT_MS} ms; ${COPY_BYTES_PER_SECOND} bytes a second`,
  },
  batchGone: {
    from: THE_ASKED,
    expected: 'for a batch that was asked for',
    changes: 'nothing; the batch is given up',
    bounds: 'that peer is not asked again at once',
  },
  dropBatch: {
    from: 'the replica that the batch is for',
    expected: 'at any time',
    changes: NOTHING,
    bounds: 'lets go of the batch',
  },
  heartbeat: {
    from: 'any replica of the group',
    expected: 'at any time',
    changes: NOTHING,
    bounds: `one in ${HEARTBEAT_MS} ms`,
  },
  barrierQuery: {
    from: 'a learner',
    expected: 'at any time; the learner’s incarnation is durable before it is answered (⚖5)',
    changes: 'what is remembered of the peers, in the log',
    bounds: 'answered for 65,536 blocks',
  },
  barrierAnswer: {
    from: 'the replica that was asked',
    expected: LEARNING,
    changes: 'the barriers, in the log before the first vote (⚖16)',
    bounds: '65,536 blocks',
  },
  digestQuery: {
    from: 'a learner, or a replica that compares its blocks',
    expected: 'at any time; answered where this replica votes',
    changes: NOTHING,
    bounds: `${MAX_COMPARING} comparisons at once`,
  },
  digestAnswer: {
    from: 'the replica that was asked',
    expected: `${LEARNING}, or compares its blocks`,
    changes: 'equal digests: this replica votes in the block, in the log; others: the block is copied again',
    bounds: `${MAX_COMPARING} comparisons at once`,
  },
  auditHint: {
    from: 'a replica whose digest of the block differs from another’s',
    expected: 'at any time; this replica compares digests of the block itself, and believes no more than that it should',
    changes: 'nothing at once; a block that most others have otherwise is set aside, and copied again',
    bounds: `${MAX_AUDIT_HINTS} blocks wait; ${MAX_AUDITS} comparisons at once`,
  },
}
