/**
 * An incarnation is one volume's: what takes part under it has every vote that was cast under it (⚖5). A volume that was
 * wiped, or has dropped its log, takes another.
 */
import type { Core } from '../../../src/paxos/core.ts'
import type { Invariant } from '../invariant.ts'
import { mapEntry } from '../map-entry.ts'
import { Violation } from '../violation.ts'
import type { SimVolume } from '../volume.ts'

export class OneVolumePerIncarnation implements Invariant {
  readonly name = 'one-volume-per-incarnation'
  private readonly volumes = new Map<string, SimVolume>()

  onServing(replica: number, volume: SimVolume, core: Core): void {
    // One on a volume that was rolled back may, but is found out before it takes part.
    if (!core.isActive) return
    const { number, nonce } = core.processes.get(core.self).incarnation
    const first = mapEntry(this.volumes, `${replica}/${number}/${nonce}`, () => volume)
    if (first === volume) return
    throw new Violation(this.name, `replica ${replica} serves under incarnation ${number} of ${nonce}, as another volume did that is lost`)
  }
}
