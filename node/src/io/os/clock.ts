/** The real clock and event loop: those of the client library. */
export { osClock } from '@thermocline/client/internal'
