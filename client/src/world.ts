/** The world as a client sees it. `os/` is the real one; the simulator has its own. Nothing else here reads a clock or draws a random number. */
import type { Clock } from '@thermocline/protocol'

export interface ClientWorld {
  readonly clock: Clock
  /** From 0 to below 1. */
  random(): number
  /** Unpredictable bytes: they name the client. */
  randomBytes(count: number): Uint8Array
}
