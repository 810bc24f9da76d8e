/** Bounds and times of the Paxos core. The simulator runs the same values; its clock is its own. */

/** Prepares one write may cause before it is answered `busy` or `unknown` (design §4.1). */
export const MAX_PREPARES = 3
/**
 * A round this far above all that a replica knows of an instance is taken for a lie, and refused: rounds grow by one with each
 * lost attempt, and one that came near 2³² would leave no higher one.
 */
export const MAX_ROUND_LEAD = 65_536
/** A lost attempt waits this long at random before it prepares again, doubled by each loss. */
export const BACKOFF_MS = 4
export const MAX_BACKOFF_MS = 200
/** It waits for so many phases at random, if they take longer than that: a majority's votes to a Prepare or an Accept. */
export const BACKOFF_PHASES = 4
export const MAX_SLOW_BACKOFF_MS = 1000
/** An attempt without a majority is sent again. */
export const RESEND_MS = 400
/** Sooner, if a peer said that it has to catch up first. */
export const BEHIND_RESEND_MS = 40
/** An accepted instance that nobody finishes is settled by the block's best live replica after this. */
export const SETTLE_AFTER_MS = 250
/** A read that waits for an open instance asks for it to be settled after this, and prepares itself after three times. */
export const READ_SETTLE_MS = 60
/** A read that still waits for what its round has named goes into a round that asks all who are there. */
export const READ_DOUBT_MS = 400
/** A read round asks the peers that it has left out after this. */
export const ROUND_HEDGE_MS = 10
/** A read round without a majority is sent again. */
export const ROUND_RESEND_MS = 250
/** A fetch without an answer goes to another peer. */
export const FETCH_RETRY_MS = 300
/** A fetch that brought nothing is not repeated before this. */
export const FETCH_PAUSE_MS = 100
/** Blocks being fetched at once. */
export const MAX_FETCHES = 64
/** With those of blocks that requests wait for. */
export const MAX_URGENT_FETCHES = 96
/** Bytes and entries of one answer to a fetch. */
export const FETCH_BYTES = 1024 * 1024
export const FETCH_ENTRIES = 512
/** Bytes of one snapshot part. */
export const SNAPSHOT_PART_BYTES = 512 * 1024
/** How often deadlines and retries are looked at. */
export const SWEEP_MS = 20
/** So many notices get frames of their own at the next sweep. */
export const MANY_NOTICES = 64
export const HEARTBEAT_MS = 100
/** A peer that sent nothing for this long is not live: writes go to the next replica. */
export const PEER_SILENT_MS = 600
/**
 * A peer of which no whole frame came for this long is given up, and dialled again: a length that a wire has changed would
 * swallow all that follows.
 */
export const PEER_DEAD_MS = 5000
/** A read of a block that too few of the answering replicas vote in ends this long before its deadline. */
export const SCARCE_READ_LEAD_MS = 50
/** Most blocks in one read round; the rest take the next. */
export const MAX_ROUND_BLOCKS = 8192
/** A learner asks again for the barriers that it does not know. */
export const BARRIER_RETRY_MS = 500
/** A learner that still waits for an index up to its barrier asks for the barriers again after this. */
export const BARRIER_RECHECK_MS = 5000
/** A learner that waits for an open instance up to its barrier asks for it to be settled this often. */
export const LEARNER_SETTLE_MS = 250
/** A comparison of digests that has not come to an end starts over, with another peer. */
export const COMPARE_RETRY_MS = 1000
/** Times that a learner copies a block anew because its digest differs from that of every voter it could ask. */
export const MAX_RECOPIES = 4
/** Blocks that one sweep of a long list looks at: the next goes on where it stopped. */
export const MAX_SWEPT_BLOCKS = 4096
/** Blocks whose digests a learner compares at once. */
export const MAX_COMPARING = 64
/** Blocks whose digests are compared in the background at once. */
export const MAX_AUDITS = 16
/** A comparison that has not come to an end asks again after this, so often. */
export const AUDIT_RETRY_MS = 500
export const MAX_AUDIT_TRIES = 20
/** Blocks that peers may have asked this replica to compare, and that wait. */
export const MAX_AUDIT_HINTS = 1024
/** Questions for digests that are answered in one turn. */
export const MAX_DIGEST_QUERIES = 1024
/** Blocks that are copied in one batch: one snapshot there, one ingest here. With 32 KiB of a block it is the bytes of a batch that end it. */
export const MAX_BATCH_BLOCKS = 2048
/** Mean rate at which a replica takes in snapshots of blocks, and at which it gives them. */
export const COPY_BYTES_PER_SECOND = 32 * 1024 * 1024
