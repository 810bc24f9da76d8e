/** The status of a MemoryGroup, from what was found and what is planned. */
import type { MachineStatus, MemoryGroupStatus, MemoryPhase } from '../api/memory-group.ts'
import { machinePodName } from '../api/names.ts'
import { memoryTemplateHash } from '../specs/memory-objects.ts'
import type { MemoryTier } from '../specs/memory-tier.ts'
import { selectorOf } from '../specs/object.ts'
import type { Refusal } from './acceptance.ts'
import { mergeConditions, type Verdict } from './conditions.ts'
import type { ObservedMachine, ObservedMemoryGroup } from './memory-observed.ts'
import type { ScalingIn } from './memory-scaling.ts'
import { addressesOf, listedBy, settingsOf } from './memory-topology.ts'
import type { MemoryLimit } from './observed.ts'

export interface MemoryStatusInput {
  readonly tier: MemoryTier
  readonly observed: ObservedMemoryGroup
  /** Groups, and machines of each. */
  readonly wanted: Pick<MemoryLimit, 'groups' | 'replicas'>
  readonly scalingIn: ScalingIn | undefined
}

/** The same, and what follows from it. */
interface Situation extends MemoryStatusInput {
  readonly machines: readonly ObservedMachine[]
  /** Those that there shall be. */
  readonly wantedMachines: readonly ObservedMachine[]
  /** Per group in force, the addresses that clients are told of. */
  readonly listed: readonly ReadonlySet<string>[]
  readonly outdated: number
  /** What the resource says of traffic is in the topology in force. */
  readonly areSettingsInForce: boolean
}

export function makeMemoryStatus(input: MemoryStatusInput): MemoryGroupStatus {
  const situation = situationOf(input)
  const { tier, observed, scalingIn, wantedMachines, listed, areSettingsInForce } = situation
  const { status: before, storage, parts, nowMs, generation } = observed
  const ready = wantedMachines.filter(isReady).length
  const epoch = areSettingsInForce ? storage?.topology?.epoch : before.topologyEpoch
  return {
    observedGeneration: generation,
    phase: phaseOf(situation),
    ...(epoch === undefined ? {} : { topologyEpoch: epoch }),
    groups: listed.length,
    replicas: Math.max(0, ...parts.map(({ set }) => set?.replicas ?? 0)),
    readyReplicas: ready,
    ready: `${ready}/${input.wanted.groups * input.wanted.replicas}`,
    selector: selectorOf(tier, 0),
    conditions: mergeConditions(before.conditions, verdictsOf(situation), nowMs, generation),
    groupStatuses: parts.map(({ machines }, group) => ({ group, machines: machines.map((one) => machineStatus(situation, one)) })),
    ...(scalingIn === undefined ? {} : { scalingIn: scalingIn.status }),
  }
}

function situationOf(input: MemoryStatusInput): Situation {
  const { tier, observed, wanted } = input
  const { parts, storage } = observed
  const memory = storage?.topology?.memory
  const own = listedBy(tier, memory)
  const isListed = own.some((machines) => machines.length > 0)
  const settings = settingsOf(tier.spec)
  const machines = parts.flatMap((part) => part.machines)
  const hash = memoryTemplateHash(tier)
  return {
    ...input,
    machines,
    wantedMachines: machines.filter(({ group, machine }) => group < wanted.groups && machine < wanted.replicas),
    listed: isListed ? own.map((group) => new Set(group.map(({ data }) => data))) : [],
    outdated: machines.filter(({ pod }) => pod !== undefined && !pod.isDeleting && pod.templateHash !== hash).length,
    areSettingsInForce:
      wanted.replicas === 0
        ? storage?.topology !== undefined && !isListed
        : isListed &&
          memory?.newerThanMs === settings.newerThanMs &&
          memory.ratioPercent === settings.ratioPercent &&
          memory.warmUpMs === settings.warmUpMs,
  }
}

const isReady = ({ pod }: ObservedMachine): boolean => pod?.isReady === true && !pod.isDeleting

function isListed({ tier, listed }: Situation, { group, machine }: ObservedMachine): boolean {
  return listed[group]?.has(addressesOf(tier, group, machine).data) === true
}

function machineStatus(situation: Situation, one: ObservedMachine): MachineStatus {
  const { tier, observed } = situation
  const zone = observed.nodes.get(one.pod?.node ?? '')?.zone
  return {
    machine: one.machine,
    pod: machinePodName(tier.name, one.group, one.machine),
    ...(zone === undefined || zone === '' ? {} : { zone }),
    ready: isReady(one),
    listed: isListed(situation, one),
    ...(one.facts === undefined ? {} : { version: one.facts.version }),
    ...(isReady(one) ? {} : { reason: describe(one) }),
  }
}

/** Why a machine is not ready, in words. */
function describe({ group, machine, pod, facts }: ObservedMachine): string {
  const name = `machine ${machine} of group ${group}`
  if (pod === undefined) return `${name} has no pod yet`
  if (pod.trouble !== undefined) return `${name} does not run: ${pod.trouble}`
  if (pod.isDeleting) return `${name} is stopping`
  return facts === undefined ? `${name} does not answer` : `${name} is ${facts.state} and not ready yet`
}

function phaseOf(situation: Situation): MemoryPhase {
  const { tier, observed, wanted, scalingIn, machines, wantedMachines, listed, outdated } = situation
  if (tier.spec.paused) return 'Paused'
  if (observed.storage === undefined) return 'Pending'
  if (scalingIn !== undefined || machines.length > wantedMachines.length) return 'Scaling'
  if (wanted.replicas === 0) return 'Off'
  if (listed.length === 0) return 'Starting'
  if (outdated > 0) return 'Upgrading'
  if (!wantedMachines.every((one) => isListed(situation, one))) return 'Scaling'
  return wantedMachines.every(isReady) ? 'Running' : 'Degraded'
}

function verdictsOf(situation: Situation): Verdict[] {
  const { outdated, machines } = situation
  return [
    { type: 'Accepted', status: 'True', reason: 'Valid', message: 'the resource can be acted upon' },
    availability(situation),
    progress(situation),
    degradation(situation),
    outdated > 0
      ? {
          type: 'Upgrading',
          status: 'True',
          reason: 'Restarting',
          message: `${outdated} of ${machines.length} pods are to be made anew; one of a group at a time`,
        }
      : { type: 'Upgrading', status: 'False', reason: 'UpToDate', message: 'every pod is made from the template in force' },
  ]
}

function availability(situation: Situation): Verdict {
  const { wanted, listed, machines, observed } = situation
  const type = 'Available'
  if (wanted.replicas === 0) return { type, status: 'False', reason: 'Off', message: 'spec.replicas is 0: reads go to the storage tier' }
  if (observed.storage === undefined)
    return { type, status: 'False', reason: 'StorageNotReady', message: 'the storage tier has not begun to serve' }
  if (listed.length === 0)
    return { type, status: 'False', reason: 'NotListed', message: 'clients are told of no machine yet; reads go to the storage tier' }
  const serves = (group: number): boolean => machines.some((one) => one.group === group && isReady(one) && isListed(situation, one))
  const without = listed.flatMap((_, group) => (serves(group) ? [] : [group]))
  if (without.length === 0)
    return { type, status: 'True', reason: 'EveryGroupServes', message: 'every group has a machine that is ready and that clients know' }
  const message = `${without.length} of ${listed.length} groups have no such machine, and their reads go to the storage tier`
  return { type, status: 'False', reason: 'NoMachineReady', message }
}

function progress(situation: Situation): Verdict {
  const { tier, observed, wanted, scalingIn, wantedMachines, machines, outdated, areSettingsInForce } = situation
  const type = 'Progressing'
  const is = (reason: string, message: string): Verdict => ({ type, status: 'True', reason, message })
  if (tier.spec.paused) return { type, status: 'False', reason: 'Paused', message: 'spec.paused: the operator changes nothing' }
  if (observed.storage === undefined)
    return is('WaitsForStorage', `waits for PaxosGroup ${tier.spec.paxosGroupRef.name} to have a topology in force`)
  if (scalingIn !== undefined)
    return is('ScalingIn', `to ${wanted.replicas} machines in each of ${wanted.groups} groups; waits for ${scalingIn.waitsFor}`)
  if (machines.length > wantedMachines.length)
    return is('ScalingIn', `${machines.length - wantedMachines.length} machines that nobody is sent to any more are ending`)
  const missing = wantedMachines.filter((one) => !isListed(situation, one))
  const [first] = missing
  if (first !== undefined) return is('ScalingOut', `${missing.length} machines were not ready to be listed yet; ${describe(first)}`)
  if (outdated > 0) return is('RollingChange', `${outdated} of ${machines.length} pods are to be made anew`)
  if (!areSettingsInForce) return is('TopologyBehind', 'a topology with what the resource says is on its way')
  return { type, status: 'False', reason: 'Settled', message: 'everything is as the resource says' }
}

function degradation(situation: Situation): Verdict {
  const type = 'Degraded'
  const missing = situation.wantedMachines.filter((one) => !isReady(one) && (isListed(situation, one) || one.pod?.trouble !== undefined))
  if (missing.length === 0) return { type, status: 'False', reason: 'Healthy', message: 'every machine that clients know is ready' }
  return { type, status: 'True', reason: 'MachineMissing', message: missing.map(describe).join('; ') }
}

/** Of a resource that cannot be acted upon: nothing of it is, and what runs goes on. */
export function refusedMemoryStatus(before: MemoryGroupStatus, refusal: Refusal, nowMs: number, generation: number): MemoryGroupStatus {
  const refused: Verdict = { type: 'Accepted', status: 'False', ...refusal }
  const others = (before.conditions ?? []).filter(({ type }) => type !== 'Accepted')
  return {
    ...before,
    observedGeneration: generation,
    phase: 'Refused',
    conditions: [...mergeConditions(before.conditions, [refused], nowMs, generation), ...others],
  }
}
