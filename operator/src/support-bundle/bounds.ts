/** Bounds of a bundle: what it may hold, and how long its making may take. */

const MIB = 1024 * 1024

/** Of any one request, unless --timeout says otherwise. */
export const REQUEST_TIMEOUT_MS = 10_000
export const REQUEST_TIMEOUT_RANGE_MS = { least: 100, most: 600_000 } as const
/** A log takes so many times as long, and all pages of a list do: a slow link has its news at the end. */
export const LONG_ANSWER = 3
/** After this nothing new is begun; what was under way ends within its own time-out. */
export const TOTAL_MS = 10 * 60 * 1000
/** Items that are fetched and written at once: with the bounds of an item, what the program holds in memory. */
export const PARALLEL = 6
/** Of all items together, before compression. */
export const MAX_BUNDLE_BYTES = 1024 * MIB
/** Of one container's or process's log: its end, where the news is. */
export const MAX_LOG_BYTES = 4 * MIB
/** What the API server is asked for: the last lines, and no more bytes of them than this. */
export const LOG_LINES = 20_000
export const MAX_LOG_TRANSFER_BYTES = 32 * MIB
/** Of one answer of a node or an operator: a group has thousands of metrics, a topology 5000 replicas. */
export const MAX_ANSWER_BYTES = 16 * MIB
/** Of one page of a list; a page of objects is far below this. */
export const MAX_PAGE_BYTES = 64 * MIB
export const PAGE_OBJECTS = 250
/** Of one kind in one namespace. A PaxosGroup can have 5000 pods. */
export const MAX_OBJECTS = 6000
/** Objects looked through, of kinds that are not all ours. */
export const MAX_LOOKED_AT = 50_000
/** Namespaces with resources of ours; --namespace names one of more. */
export const MAX_NAMESPACES = 20
/** Files of a local cluster that are listed by name and size, and logs that are taken. */
export const MAX_LISTED_FILES = 20_000
export const MAX_LOG_FILES = 200
/** Of what an answer says of its failure. */
export const MAX_REASON = 300
/** Failures that are told at the end; the index has all. */
export const TOLD_FAILURES = 10
