/** Faults of the memory tier of a local cluster, and the alerts that must fire in them and be over after them. */
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@thermocline/client'
import type { Up } from '../up.ts'
import type { AlertWatch } from './alert-watch.ts'

/** More than the smallest cache holds. */
const SERIES = 1400
const VALUE_BYTES = 40 * 1024
const AT_ONCE = 24
const HALT_MS = 300
const ID = '1732233600000-0'

/** A memory node that stands still is like one that is gone. */
export async function stopMemoryNode(alerts: AlertWatch, up: Up): Promise<void> {
  const { pid } = up.memory[1] as Up['memory'][number]
  await alerts.isOver('ThermoclineMemoryNodeDown')
  try {
    process.kill(pid, 'SIGSTOP')
    await alerts.fires('ThermoclineMemoryNodeDown')
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await alerts.isOver('ThermoclineMemoryNodeDown')
}

/** A majority of the storage replicas stands still half of the time: rounds, and with them validations, wait for it. */
export async function slowDown(alerts: AlertWatch, up: Up): Promise<void> {
  const alert = 'ThermoclineMemoryValidationSlow'
  const replicas = [up.pidOf(1), up.pidOf(2)]
  const all = (name: 'SIGSTOP' | 'SIGCONT') => {
    for (const pid of replicas) process.kill(pid, name)
  }
  await alerts.isOver(alert)
  let isOver = false
  const halting = (async () => {
    while (!isOver) {
      all('SIGSTOP')
      await delay(HALT_MS)
      all('SIGCONT')
      await delay(HALT_MS)
    }
  })()
  try {
    await alerts.fires(alert)
  } finally {
    isOver = true
    await halting
  }
  await alerts.isOver(alert)
}

/** Somebody reads more than the cache holds, again and again, and then nothing; others must not, either. */
export async function churn(alerts: AlertWatch, up: Up): Promise<void> {
  await alerts.isOver('ThermoclineMemoryHitRateLow', 'ThermoclineMemoryPagesShortLived')
  const client = await connect({ endpoints: [...up.endpoints] })
  let isOver = false
  try {
    await inTurn(
      SERIES,
      () => false,
      (series) => client.put(series, ID, new Uint8Array(VALUE_BYTES)),
    )
    const reading = inTurn(
      Number.POSITIVE_INFINITY,
      () => isOver,
      (series) => client.get(series, ID),
    )
    await alerts.fires('ThermoclineMemoryHitRateLow', 'ThermoclineMemoryPagesShortLived')
    isOver = true
    await reading
    await alerts.isOver('ThermoclineMemoryHitRateLow', 'ThermoclineMemoryPagesShortLived')
  } finally {
    isOver = true
    await client.close()
  }
}

/** Does it with one series after the other, several at once. */
async function inTurn(times: number, isOver: () => boolean, run: (series: string) => Promise<unknown>): Promise<void> {
  let turn = 0
  const work = Array.from({ length: AT_ONCE }, async () => {
    while (turn < times && !isOver()) await run(`walked-${turn++ % SERIES}`)
  })
  await Promise.all(work)
}
