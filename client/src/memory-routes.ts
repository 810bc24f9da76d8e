/**
 * Which reads go to the memory tier, and where: newer than the split point and within the ratio, to a machine of the block's
 * memory group, at random. A machine that fails costs latency only: the others are next, then the storage tier.
 */
import { type Placement, placementOf, type Topology } from '@thermocline/protocol'
import type { Call } from './call.ts'
import type { Endpoint } from './endpoint.ts'

export class MemoryRoutes {
  private groups: Endpoint[][] = []
  private placement: Placement | undefined
  private newerThanMs = 0
  private ratio = 0

  /** The tier of a newer topology. `endpointOf` makes the endpoint of an address. */
  install({ memory }: Topology, endpointOf: (address: string) => Endpoint): void {
    this.placement = memory === undefined ? undefined : placementOf(memory.groups.length)
    this.newerThanMs = memory?.newerThanMs ?? 0
    this.ratio = (memory?.ratioPercent ?? 0) / 100
    this.groups = (memory?.groups ?? []).map((machines, group) =>
      machines.map(({ data }, replica) => {
        const endpoint = endpointOf(data)
        endpoint.slot = { group, replica }
        return endpoint
      }),
    )
  }

  endpoints(): Endpoint[] {
    return this.groups.flat()
  }

  /** Is it a read that the memory tier answers? Decided once, when the call begins. */
  takes({ fromMs }: Call): boolean {
    if (this.placement === undefined || fromMs === undefined) return false
    // Which tier is asked is a matter of speed: a clock that is wrong costs no more than that.
    if (this.newerThanMs > 0 && fromMs < Date.now() - this.newerThanMs) return false
    return this.ratio >= 1 || Math.random() < this.ratio
  }

  /** Sends the call to a machine that it has not tried. False if there is none that seems to live. */
  route(call: Call): boolean {
    const machines = this.groups[this.placement?.owner[call.block] ?? -1] ?? []
    const nowMs = performance.now()
    const start = Math.floor(Math.random() * machines.length)
    for (let step = 0; step < machines.length; step++) {
      const at = (start + step) % machines.length
      const endpoint = machines[at] as Endpoint
      if ((call.memoryTried & (1 << at)) !== 0 || !endpoint.isLive(nowMs)) continue
      call.memoryTried |= 1 << at
      endpoint.submit(call)
      return true
    }
    return false
  }
}
