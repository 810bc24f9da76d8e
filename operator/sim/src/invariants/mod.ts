/** All invariants of a run. */
import type { Invariant, RunView } from '../invariant.ts'
import { AvailableIsTrueToVoters } from './available-is-true-to-voters.ts'
import { ClaimKept } from './claim-kept.ts'
import { ListedMachinesWereReady } from './listed-machines-were-ready.ts'
import { MachinesLeaveFirst } from './machines-leave-first.ts'
import { NeverCostsAMajority } from './never-costs-a-majority.ts'
import { NoWriteWhenSettled } from './no-write-when-settled.ts'
import { OneContentPerEpoch } from './one-content-per-epoch.ts'
import { OneDownPerGroup } from './one-down-per-group.ts'
import { RestartsOnlyWhenAsked } from './restarts-only-when-asked.ts'
import { SlicesKeepTheirLength } from './slices-keep-their-length.ts'
import { SlotsFilledOnce } from './slots-filled-once.ts'
import { TrafficRestartsNothing } from './traffic-restarts-nothing.ts'
import { WindowsAreKept } from './windows-are-kept.ts'

export function allInvariants(view: RunView): Invariant[] {
  return [
    new NeverCostsAMajority(view),
    new OneDownPerGroup(view),
    new ClaimKept(view),
    new SlotsFilledOnce(),
    new OneContentPerEpoch(),
    new SlicesKeepTheirLength(),
    new AvailableIsTrueToVoters(view),
    new NoWriteWhenSettled(),
    new RestartsOnlyWhenAsked(view),
    new WindowsAreKept(view),
    new MachinesLeaveFirst(view),
    new ListedMachinesWereReady(),
    new TrafficRestartsNothing(view),
  ]
}
