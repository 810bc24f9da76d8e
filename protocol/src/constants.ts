/**
 * Named bounds of the data model and of the wire. Every queue, batch and message has its limit here; relations between
 * them are asserted by `constants.test.ts`.
 */

/** Minimal invariant blocks: `hash64(series) >> 48`. A block is never split (design §2). */
export const BLOCK_COUNT = 65_536
/** Most storage groups the placement table is generated for (design §3). */
export const MAX_GROUPS = 1000
/** Largest replica count of a group. */
export const MAX_REPLICAS = 5
/** Most machines of a memory group. */
export const MAX_MEMORY_MACHINES = 16
/** How long the share of a machine whose cache is empty grows. */
export const DEFAULT_WARM_UP_MS = 30_000
export const MAX_WARM_UP_MS = 3_600_000

export const MIN_SERIES_BYTES = 1
export const MAX_SERIES_BYTES = 512
/** Largest value of one record. */
export const MAX_VALUE_BYTES = 1024 * 1024
/** Most operations in one `batchWrite`. */
export const MAX_WRITE_OPS = 1024
/** Largest sum of the values of one `batchWrite`. */
export const MAX_WRITE_BYTES = 2 * 1024 * 1024
/** Most ids in one get of a series. */
export const MAX_GET_IDS = 1024
/** Most records one scan chunk returns, whatever the caller's limit. */
export const MAX_SCAN_RECORDS = 10_000
/** A scan chunk ends at this many bytes of values, and always returns at least one record. */
export const SCAN_CHUNK_BYTES = 256 * 1024
/** Most pages in one page-version request. */
export const MAX_PAGE_VERSIONS = 4096

/** Most series in one validation, and most pages of one of them. */
export const MAX_VALIDATE_ITEMS = 4096
export const MAX_VALIDATE_PAGES = 64
/** In place of a slice: the directory of a series, which lists the slices that it has pages in. Only a validation may name it. */
export const DIRECTORY_SLICE = 2 ** 48 - 1
/** In place of a version: nothing of the page is held. No page gets so far: see MAX_INDEX. */
export const NOTHING_HELD = 2 ** 48 - 1

/** Largest entry a proposer builds: it must fit in a frame, a log record and a snapshot chunk. */
export const MAX_ENTRY_BYTES = 4 * 1024 * 1024
/** Most requests in one entry. */
export const MAX_ENTRY_REQUESTS = 4096

/** A frame's length word covers what follows it. */
export const FRAME_HEADER_BYTES = 5
export const MAX_FRAME_BYTES = 8 * 1024 * 1024
/** Of a frame on a connection whose hello has not been read. */
export const MAX_HELLO_BYTES = 4096
/** Most requests in one client frame. */
export const MAX_BATCH_REQUESTS = 4096

/** Milliseconds of an id fit in 48 bits, the sequence in 16. */
export const MAX_ID_MS = 2 ** 48 - 1
export const MAX_ID_SEQ = 65_535
/** Log indexes travel as 48-bit numbers; they are the versions of pages and records, so that the largest one is taken by NOTHING_HELD. */
export const MAX_INDEX = NOTHING_HELD - 1
/** Most of an id's milliseconds fit in a slice's number, so that a page never takes the number of the directory. */
export const MAX_SLICE = DIRECTORY_SLICE - 1

export const DEFAULT_SLICE_DURATION_MS = 24 * 60 * 60 * 1000
export const MIN_SLICE_DURATION_MS = 1000

/** First bytes of a hello, so that a wrong port is noticed at the first frame. */
export const WIRE_MAGIC = 0x4c434854 // "THCL", little-endian
export const WIRE_VERSION = 1
/** Spoken between replicas: frames and entries have checksums since 2. */
export const PEER_VERSION = 3
/** Of a volume: entries have checksums, and those of log writes are keyed, since 2. */
export const DISK_VERSION = 2
/** Highest number of an incarnation: the next one must still be a number of 32 bits. */
export const MAX_INCARNATION = 0xffff_fffe

/** Default ports; replica r of a local cluster takes base + 10 r. */
export const DEFAULT_DATA_PORT = 7400
export const DEFAULT_HTTP_PORT = 7401
