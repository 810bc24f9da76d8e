/** Bounds of connections that have not said whole who they are, and of those that claim to be a peer's. */

/** A hello that is not whole by then will not come. */
export const HELLO_TIMEOUT_MS = 2000
/** Of one slot: a link and one that takes its place, or that is told why it may not. */
export const MAX_LINKS_PER_SLOT = 2
/** Accepted links whose hello has begun and is not whole: that takes a moment. */
export const MAX_UNGREETED_LINKS = 16
