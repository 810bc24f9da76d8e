/**
 * How many second attempts a client may begin before the first ones have ended. Each answer that comes earns a part of one, so
 * that attempts stay a fraction more than calls whatever happens: a cluster that is slow because it has too much to do gets no
 * further work for it, and a replica that hangs among others that answer costs its calls little.
 */
const EARNED_BY_ANSWER = 0.1
/** The most second attempts that are saved up: as many as calls may be on their way to one replica when it hangs. */
const MOST = 1024

export class RetryBudget {
  private left = MOST

  /** A call was answered as it should be. */
  earn(): void {
    this.left = Math.min(MOST, this.left + EARNED_BY_ANSWER)
  }

  /** True if another attempt may begin now. */
  spend(): boolean {
    if (this.left < 1) return false
    this.left--
    return true
  }
}
