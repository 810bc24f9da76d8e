/** Waits for alerts to fire, and to be over. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Prometheus } from './prometheus.ts'

const ALERT_TIMEOUT_MS = 60_000

type Say = (line: string) => void

export class AlertWatch {
  private readonly prometheus: Prometheus
  private readonly say: Say

  constructor(prometheus: Prometheus, say: Say) {
    this.prometheus = prometheus
    this.say = say
  }

  async fires(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.until(name, true)
  }

  async isOver(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.until(name, false)
  }

  private async until(name: string, isWanted: boolean): Promise<void> {
    const untilMs = performance.now() + ALERT_TIMEOUT_MS
    for (;;) {
      const firing = (await this.prometheus.alerts()).filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname)
      if (firing.includes(name) === isWanted) break
      if (performance.now() > untilMs) {
        const what = isWanted ? 'does not fire' : 'still fires'
        throw new Error(`${name} ${what} after ${ALERT_TIMEOUT_MS} ms; firing: ${firing.join(', ') || 'nothing'}`)
      }
      await delay(250)
    }
    this.say(`${name} ${isWanted ? 'fires' : 'does not fire'}`)
  }
}
