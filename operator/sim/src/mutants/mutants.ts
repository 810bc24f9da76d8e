/**
 * Planted bugs: each breaks one rule by a change of shipped code, and names the invariant that must catch it. Runs that miss one
 * of them would miss the same mistake made by hand.
 */
export interface Edit {
  /** Path below `operator/src`. */
  readonly file: string
  /** Stands exactly once in the file. */
  readonly find: string
  readonly replace: string
}

export interface Mutant extends Edit {
  readonly name: string
  /** The other places, of a bug that takes several: where two defences hold one rule, both must go. */
  readonly also?: readonly Edit[]
  /** What must report it first: one invariant, or those that see the same mistake. */
  readonly caughtBy: readonly string[]
  readonly why: string
  /** One that catches it, tried first, where the seeds before it take long. */
  readonly seed?: number
}

const PERFORM = 'controllers/paxos-group/perform.ts'

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'restart-whoever-else-is-down',
    file: 'plan/disruption.ts',
    find: 'return mayStop(voters, replica) && countOf(voters, replica) === voters.length - 1',
    replace: 'return voters.length > replica',
    also: [
      { file: PERFORM, find: "if (how === 'evict') return", replace: 'if (how === undefined) return' },
      { file: 'plan/rollout.ts', find: 'isVoter) && room <= 0)', replace: 'isVoter) && room < -1000)' },
    ],
    caughtBy: ['never-costs-a-majority', 'one-down-per-group'],
    why: 'the guard ignores the other replicas, and no budget is asked',
  },
  {
    name: 'two-of-five-at-once',
    file: 'plan/disruption.ts',
    find: 'return mayStop(voters, replica) && countOf(voters, replica) === voters.length - 1',
    replace: 'return mayStop(voters, replica)',
    also: [{ file: 'plan/rollout.ts', find: 'isVoter) && room <= 0)', replace: 'isVoter) && room < -1000)' }],
    caughtBy: ['one-down-per-group'],
    why: 'a majority is left, but nothing to lose any more',
    seed: 11,
  },
  {
    name: 'one-refusal-holds-up-all',
    file: 'plan/plan.ts',
    find: 'actions: spec.paused ? [] : actions',
    replace: 'actions: spec.paused || refusals.length > 0 ? [] : actions',
    caughtBy: ['converges'],
    why: 'while one change is refused nothing else is done',
    seed: 90,
  },
  {
    name: 'larger-volumes-are-refused',
    file: 'plan/plan.ts',
    find: 'set !== undefined && (set.isDeleting || set.claimBytes !== claimBytes)',
    replace: 'set !== undefined && set.isDeleting && claimBytes !== 0',
    caughtBy: ['converges'],
    why: 'a StatefulSet is applied with other claim templates, which the server refuses for ever',
    seed: 82,
  },
  {
    name: 'silent-is-useless',
    file: 'plan/voters.ts',
    find: 'export function isIdle({ pod }: ObservedReplica): boolean {',
    replace: 'export function isIdle({ pod, facts }: ObservedReplica): boolean {\n  if (facts === undefined) return true',
    also: [{ file: PERFORM, find: 'if (how === undefined) return false', replace: '' }],
    caughtBy: ['never-costs-a-majority', 'one-down-per-group'],
    why: 'a replica that does not answer is restarted as if it gave no vote',
    seed: 26,
  },
  {
    name: 'waiting-is-useless',
    file: 'plan/voters.ts',
    find: 'export function isIdle({ pod }: ObservedReplica): boolean {',
    replace:
      "export function isIdle({ pod, facts }: ObservedReplica): boolean {\n  if (facts !== undefined && facts.mode !== 'Voter') return true",
    also: [
      {
        file: PERFORM,
        find: ', { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) })',
        replace: ', resourceVersion === "" ? {} : { uid })',
      },
    ],
    caughtBy: ['never-costs-a-majority'],
    why: 'a replica that waits for its topology, or learns, is restarted as if it could not vote in the next moment',
  },
  {
    name: 'silent-is-a-voter',
    file: 'plan/voters.ts',
    find: "return pod?.isDeleting !== true && facts?.state === 'serving' && facts.mode === 'Voter'",
    replace: "return facts === undefined || (facts.state === 'serving' && facts.mode === 'Voter')",
    caughtBy: ['available-is-true-to-voters', 'never-costs-a-majority', 'one-down-per-group', 'claim-kept'],
    why: 'a replica that does not answer counts as a voter',
  },
  {
    name: 'claims-go-with-the-resource',
    file: 'controllers/paxos-group/reconcile.ts',
    find: "if (hasFinalizer(resource) !== (spec.storage.retentionPolicy === 'Delete'))",
    replace: 'if (!hasFinalizer(resource))',
    caughtBy: ['claim-kept'],
    why: 'claims are deleted with the resource, whatever it says',
    seed: 54,
  },
  {
    name: 'volume-given-up-at-once',
    file: 'plan/recovery.ts',
    find: 'if (hasNode || pod?.isReady === true) return undefined',
    replace: 'if (pod?.isReady === true) return undefined',
    caughtBy: ['claim-kept'],
    why: 'a replica that is not ready counts as lost although its node is there',
    seed: 6,
  },
  {
    name: 'volume-given-up-with-too-few-voters',
    file: 'plan/disruption.ts',
    find: 'return voters[replica] !== true && countOf(voters) >= n - quorumOf(n) + 1',
    replace: 'return voters[replica] !== true && n > 0',
    also: [
      { file: 'plan/recovery.ts', find: 'if (!isOnlyLoss || !mayReplace', replace: 'if (!mayReplace' },
      {
        file: 'plan/recovery.ts',
        find: 'losses.every((loss, at) => (at === replica ? loss?.kind === kind : loss === undefined))',
        replace: 'losses[replica]?.kind === kind',
      },
    ],
    caughtBy: ['claim-kept'],
    why: 'the second volume of a group is given up, too',
  },
  {
    name: 'foreign-volume-given-up',
    file: 'plan/recovery.ts',
    find: "if (one.foreign !== undefined) return { kind: 'foreign', why: describe(one) }",
    replace: "if (one.foreign !== undefined) return { kind: 'unreachable', why: describe(one) }",
    caughtBy: ['claim-kept'],
    why: 'the claim of a volume with the data of others is deleted, as if it were lost',
    seed: 48,
  },
  {
    name: 'windows-are-for-others',
    file: 'plan/rollout.ts',
    find: 'else if (!isOpen(windows, nowMs)) waits',
    replace: 'else if (windows.length > 99) waits',
    caughtBy: ['windows-are-kept'],
    why: 'pods are restarted at any time',
  },
  {
    name: 'epoch-not-durable-before-the-push',
    file: 'plan/topology.ts',
    find: 'epoch: Math.max(current?.epoch ?? 0, observed.bootstrap?.epoch ?? 0, observed.status.topologyEpoch ?? 0) + 1',
    replace: 'epoch: (current?.epoch ?? 0) + 1',
    caughtBy: ['one-content-per-epoch'],
    why: 'a topology is given an epoch that another may have been given by an operator that ended',
    seed: 8,
  },
  {
    name: 'epoch-only-in-the-status',
    file: 'plan/topology.ts',
    find: 'observed.bootstrap?.epoch ?? 0, ',
    replace: '',
    caughtBy: ['one-content-per-epoch'],
    why: 'the status falls back to the epoch that is known, and so to one that was given before',
    seed: 29,
  },
  {
    name: 'slices-follow-the-resource',
    file: 'plan/topology.ts',
    find: '    sliceDurationMs,\n',
    replace: "    sliceDurationMs: cluster.spec.sliceDuration === '1h' ? 3_600_000 : sliceDurationMs,\n",
    also: [{ file: 'plan/acceptance.ts', find: 'initial?.sliceDurationMs ?? wantedMs', replace: 'wantedMs' }],
    caughtBy: ['slices-keep-their-length'],
    why: 'a topology is made with slices that the resource was given later',
    seed: 12,
  },
  {
    name: 'slots-filled-again',
    file: 'plan/plan.ts',
    find: '...fillActions(filling, bootstrap),',
    replace:
      '...fillActions(fillSlots(observed, cluster), bootstrap).filter((one) => JSON.stringify(one) !== JSON.stringify({ ...one, initial })),',
    also: [
      {
        file: 'plan/bootstrap.ts',
        find: '} else row.push(facts.incarnation)',
        replace: '}\n      if (facts !== undefined) row.push(facts.incarnation)',
      },
      {
        file: 'plan/bootstrap.ts',
        find: "else if (facts.standing !== 'fresh' || facts.incarnation.number !== 0) {",
        replace: 'else if (facts.incarnation.number > 99) {',
      },
    ],
    caughtBy: ['slots-filled-once'],
    why: 'slots are filled with whatever volumes there are, whenever all answer',
  },
  {
    name: 'templates-follow-the-operator',
    file: 'specs/stateful-set.ts',
    find: "specHashOf({ spec }: Pick<Cluster, 'spec'>): string {",
    replace: 'specHashOf({ spec, defaultImage }: Cluster): string {',
    also: [
      {
        file: 'specs/stateful-set.ts',
        find: 'return hashOf({ ...saidOfPods(spec), replicas,',
        replace: 'return hashOf({ defaultImage, ...saidOfPods(spec), replicas,',
      },
      {
        file: 'specs/stateful-set.ts',
        find: "templateHashOf({ spec }: Pick<Cluster, 'spec'>): string {",
        replace: 'templateHashOf({ spec, defaultImage }: Cluster): string {',
      },
      {
        file: 'specs/stateful-set.ts',
        find: 'return hashOf(saidOfPods(spec))',
        replace: 'return hashOf({ defaultImage, ...saidOfPods(spec) })',
      },
    ],
    caughtBy: ['restarts-only-when-asked'],
    why: 'a newer operator restarts every pod',
  },
  {
    name: 'secret-written-at-every-pass',
    file: 'controllers/apply-object.ts',
    find: 'if (writtenMs !== undefined && clock.nowMs() - writtenMs < SECRET_AGAIN_MS) return false',
    replace: '',
    also: [{ file: 'specs/access.ts', find: "type: 'Opaque',", replace: 'type: String(performance.now()),' }],
    caughtBy: ['no-write-when-settled'],
    why: 'a pass that has nothing to do writes',
  },
  {
    name: 'machines-end-at-once',
    file: 'plan/memory-plan.ts',
    find: 'const mayScaleIn = scalingIn === undefined || scalingIn.isDue',
    replace: 'const mayScaleIn = replicas >= 0',
    caughtBy: ['machines-leave-first'],
    why: 'a StatefulSet is made smaller while clients are still sent to its last machines',
  },
  {
    name: 'requests-under-way-are-cut',
    file: 'plan/memory-scaling.ts',
    find: 'isDue: before?.unlistedAt !== undefined && leftMs <= 0,',
    replace: 'isDue: leftMs < 1e9,',
    caughtBy: ['machines-leave-first'],
    why: 'machines end in the moment in which the last node ceases to list them',
    seed: 60,
  },
  {
    name: 'nodes-behind-do-not-count',
    file: 'plan/memory-scaling.ts',
    find: 'if (behind > 0) return',
    replace: 'if (behind > 99) return',
    also: [{ file: 'plan/memory-scaling.ts', find: 'if (silent > 0) return', replace: 'if (silent > 99) return' }],
    caughtBy: ['machines-leave-first'],
    why: 'one storage node without them is taken for all',
    seed: 18,
  },
  {
    name: 'listed-before-they-are-ready',
    file: 'plan/memory-topology.ts',
    find: 'const isReady = pod?.isReady === true && !pod.isDeleting',
    replace: 'const isReady = pod !== undefined',
    caughtBy: ['listed-machines-were-ready'],
    why: 'clients are sent to machines that have not warmed up',
  },
  {
    name: 'traffic-is-part-of-the-pods',
    file: 'specs/memory-objects.ts',
    find: 'resources: saidOfResources(resources),',
    replace: 'resources: [saidOfResources(resources), spec.trafficPercent, spec.newerThan, spec.replicas],',
    caughtBy: ['traffic-restarts-nothing'],
    why: 'what only the topology has to know makes all pods anew',
  },
  {
    name: 'the-limit-stays',
    file: 'plan/memory-plan.ts',
    find: 'if (limit === undefined) return []',
    replace: 'if (limit?.uid !== to.uid || limit.groups > 0) return []',
    caughtBy: ['converges'],
    why: 'machines that are wanted again are never listed again',
    seed: 46,
  },
]
