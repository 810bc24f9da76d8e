/**
 * Which reads go to the memory tier, and where: newer than the split point and within the ratio, to a machine of the block's
 * memory group, at random; one whose cache is not warm yet gets less than the others. A machine that fails costs latency only:
 * the others are next, then the storage tier.
 */
import { type Placement, placementOf, type Topology } from '@thermocline/protocol'
import type { Call } from './call.ts'
import type { Endpoint } from './endpoint.ts'
import type { ClientWorld } from './world.ts'

/** Of a machine that was just found, of the share of one that is warm. */
const LEAST_WEIGHT = 1 / 32

/** In place of a replica: machines of a group are alike. */
const ANY_MACHINE = -1

export class MemoryRoutes {
  private readonly world: ClientWorld
  private groups: Endpoint[][] = []
  private placement: Placement | undefined
  private newerThanMs = 0
  private ratio = 0
  private warmUpMs = 0

  constructor(world: ClientWorld) {
    this.world = world
  }

  /** The tier of a newer topology. `endpointOf` makes the endpoint of an address. */
  install({ memory }: Topology, endpointOf: (address: string) => Endpoint): void {
    const isFirst = this.groups.length === 0
    const known = new Set(this.endpoints())
    this.placement = memory === undefined ? undefined : placementOf(memory.groups.length)
    this.newerThanMs = memory?.newerThanMs ?? 0
    this.ratio = (memory?.ratioPercent ?? 0) / 100
    this.warmUpMs = memory?.warmUpMs ?? 0
    this.groups = (memory?.groups ?? []).map((machines, group) =>
      machines.map(({ data }) => {
        const endpoint = endpointOf(data)
        endpoint.slot = { group, replica: ANY_MACHINE }
        // One that comes later has to say first how warm it is.
        if (!isFirst && !known.has(endpoint)) endpoint.fullShareAtMs = Number.POSITIVE_INFINITY
        return endpoint
      }),
    )
  }

  endpoints(): Endpoint[] {
    return this.groups.flat()
  }

  /** Is it a read that the memory tier answers? Decided once, when the call begins. */
  takes(call: Call): boolean {
    if (this.placement === undefined || !call.isCacheable) return false
    // Which tier is asked is a matter of speed: a clock that is wrong costs no more than that.
    if (this.newerThanMs > 0 && call.fromMs < this.world.clock.wallMs() - this.newerThanMs) return false
    return this.ratio >= 1 || this.world.random() < this.ratio
  }

  /** Sends the call to a machine that it has not tried. False if there is none that seems to live. */
  route(call: Call, nowMs: number): boolean {
    const machines = this.groups[this.placement?.owner[call.block] ?? -1] ?? []
    const at = this.choose(machines, call.memoryTried, nowMs)
    if (at < 0) return false
    call.memoryTried |= 1 << at
    const endpoint = machines[at] as Endpoint
    if (endpoint.failures > 0) endpoint.beginTrial(nowMs)
    endpoint.submit(call)
    return true
  }

  /** One of those that seem to live and were not tried, by chance and weight; −1 if there is none. */
  private choose(machines: readonly Endpoint[], tried: number, nowMs: number): number {
    let chosen = -1
    let weights = 0
    for (let at = 0; at < machines.length; at++) {
      const endpoint = machines[at] as Endpoint
      if ((tried & (1 << at)) !== 0 || !endpoint.isLive(nowMs)) continue
      const weight = this.weightOf(endpoint, nowMs)
      weights += weight
      if (this.world.random() * weights < weight) chosen = at
    }
    return chosen
  }

  private weightOf({ fullShareAtMs }: Endpoint, nowMs: number): number {
    return nowMs >= fullShareAtMs ? 1 : Math.max(LEAST_WEIGHT, 1 - (fullShareAtMs - nowMs) / this.warmUpMs)
  }
}
