/**
 * When the store's small tables are merged: after so many installs, and when there was none for a while. It is looked at once after a
 * start, too: an earlier process may have ended before it came to it.
 */
import type { Engine } from '../engine/port.ts'

const TIDY_INSTALLS = 32
const TIDY_IDLE_MS = 2000

export class StoreTidier {
  private readonly engine: Engine
  private installs = 1
  private lastInstallMs: number | undefined
  private isTidying = false

  constructor(engine: Engine) {
    this.engine = engine
  }

  noteInstall(nowMs: number): void {
    this.installs++
    this.lastInstallMs = nowMs
  }

  sweep(nowMs: number): void {
    this.lastInstallMs ??= nowMs
    if (this.isTidying || this.installs === 0) return
    if (this.installs < TIDY_INSTALLS && nowMs - this.lastInstallMs < TIDY_IDLE_MS) return
    this.installs = 0
    this.isTidying = true
    const done = (): void => {
      this.isTidying = false
    }
    // What fails is tried again after the next installs; damage has been told.
    this.engine.tidy().then(done, done)
  }
}
