/** A simulated memory node, as far as an operator can tell it from a real one: it is warm after a while, and keeps nothing. */
import type { MemoryFacts } from '../../src/plan/memory-observed.ts'
import type { PodProcess, Start } from './pod-process.ts'
import type { StorageTier } from './storage-tier.ts'

const WARM_MS = [500, 20_000] as const

export class MemoryMachine implements PodProcess {
  readonly start: Start
  readonly podName: string
  private readonly tier: StorageTier
  private readonly warmAtMs: number
  private readonly words: MemoryFacts
  private exited = false

  constructor(tier: StorageTier, start: Start) {
    const { metadata, spec } = start.pod
    const { containers } = spec as { containers: readonly { args: readonly string[] }[] }
    const argument = (name: string): string => containers[0]?.args.find((one) => one.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ''
    this.tier = tier
    this.start = start
    this.podName = metadata.name
    this.warmAtMs = tier.nowMs + tier.random.between(...WARM_MS)
    const machine = Number(metadata.name.slice(metadata.name.lastIndexOf('-') + 1))
    this.words = { version: '0.1.0', state: 'serving', clusterId: argument('cluster'), group: Number(argument('group')), machine }
  }

  isReady(): boolean {
    return !this.exited && this.tier.nowMs >= this.warmAtMs
  }

  hasExited(): boolean {
    return this.exited
  }

  crash(): void {
    this.exited = true
    this.tier.forgetMachine(this)
  }

  stop(): void {
    this.exited = true
    this.tier.forgetMachine(this)
  }

  facts(): MemoryFacts {
    return this.words
  }
}
