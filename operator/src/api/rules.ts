/**
 * What a schema can't say, each rule twice: as CEL, which the API server evaluates, and as a function, which the operator
 * does for servers without CEL. A test runs both over one table and wants the same verdicts.
 *
 * Sizes are compared by the operator alone (plan/acceptance.ts): CEL reads quantities from 1.29 on, and a definition with a function
 * that a server does not know is refused as a whole. Its durations know no days: what is written with some is left to the operator.
 */
import { MAX_WARM_UP_MS } from '@thermocline/protocol'
import { MAX_NAME_LENGTH } from './names.ts'
import { parseDuration } from './quantity.ts'

export interface Rule {
  /** The object or field that `self` is, from the resource's root; empty for the root. */
  readonly path: readonly string[]
  readonly cel: string
  /** Names what is wrong and what to do instead. */
  readonly message: string
  /** Compares with the value before; holds when there was none. */
  readonly isTransition?: true
  readonly holds: (self: unknown, oldSelf: unknown) => boolean
}

type Fields = Readonly<Record<string, unknown>>

const MIN_SLICE_MS = 60_000
/** What 32 bits hold. */
const MAX_SLICE_MS = 0xffffffff

export function isSliceDuration(text: string): boolean {
  const ms = parseDuration(text) ?? 0
  return ms >= MIN_SLICE_MS && ms <= MAX_SLICE_MS
}

const MIN_NEWER_THAN_MS = 1000
/** A hundred years: CEL's durations end not far beyond. */
const MAX_NEWER_THAN_MS = 36_500 * 86_400_000

export function isNewerThan(text: string): boolean {
  const ms = parseDuration(text) ?? 0
  return ms >= MIN_NEWER_THAN_MS && ms <= MAX_NEWER_THAN_MS
}

export function isWarmUp(text: string): boolean {
  return (parseDuration(text) ?? Number.POSITIVE_INFINITY) <= MAX_WARM_UP_MS
}

const unchanged = (path: readonly string[], message: string): Rule => ({
  path,
  cel: 'self == oldSelf',
  message,
  isTransition: true,
  holds: (self, oldSelf) => self === oldSelf,
})

const hasShortName: Rule = {
  path: [],
  cel: `size(self.metadata.name) <= ${MAX_NAME_LENGTH}`,
  message: `metadata.name: is longer than ${MAX_NAME_LENGTH} characters; pods are named after it: choose a shorter one`,
  holds: (self) => String(((self as Fields).metadata as Fields).name).length <= MAX_NAME_LENGTH,
}

export const PAXOS_GROUP_RULES: readonly Rule[] = [
  hasShortName,
  {
    path: ['spec', 'replicas'],
    cel: 'self == 3 || self == 5',
    message: 'spec.replicas: must be 3 or 5: an even number survives no more losses than one less',
    holds: (self) => self === 3 || self === 5,
  },
  unchanged(
    ['spec', 'replicas'],
    'spec.replicas: cannot be changed; make a second PaxosGroup with the number wanted, and move the data there',
  ),
  {
    path: ['spec', 'sliceDuration'],
    cel: `self.contains('d') || (duration(self) >= duration('${MIN_SLICE_MS}ms') && duration(self) <= duration('${MAX_SLICE_MS}ms'))`,
    message: 'spec.sliceDuration: must be from 1m to 49d',
    holds: (self) => String(self).includes('d') || isSliceDuration(String(self)),
  },
  unchanged(['spec', 'sliceDuration'], 'spec.sliceDuration: cannot be changed, it is in every key; make a second PaxosGroup instead'),
  {
    path: ['spec', 'storage'],
    cel: 'has(self.className) == has(oldSelf.className) && (!has(self.className) || self.className == oldSelf.className)',
    message:
      'spec.storage.className: cannot be changed: volumes stay in the class that they were made in; make a second PaxosGroup instead',
    isTransition: true,
    holds: (self, oldSelf) => (self as Fields).className === (oldSelf as Fields).className,
  },
]

export const MEMORY_GROUP_RULES: readonly Rule[] = [
  hasShortName,
  unchanged(
    ['spec', 'paxosGroupRef', 'name'],
    'spec.paxosGroupRef.name: cannot be changed: its machines cache one cluster; make a second MemoryGroup instead',
  ),
  {
    path: ['spec'],
    cel: `!has(self.newerThan) || self.newerThan.contains('d') || (duration(self.newerThan) >= duration('${MIN_NEWER_THAN_MS}ms') && duration(self.newerThan) <= duration('${MAX_NEWER_THAN_MS / 3_600_000}h'))`,
    message: 'spec.newerThan: must be from 1s to 36500d; leave it out to have records of any age cached',
    holds: (self) => {
      const { newerThan } = self as Fields
      return newerThan === undefined || String(newerThan).includes('d') || isNewerThan(String(newerThan))
    },
  },
  {
    path: ['spec', 'warmUp', 'duration'],
    cel: `!self.contains('d') && duration(self) <= duration('${MAX_WARM_UP_MS}ms')`,
    message: 'spec.warmUp.duration: must be at most 1h',
    holds: (self) => !String(self).includes('d') && isWarmUp(String(self)),
  },
]
