/** A core of replica 0 of three, all connected, whose log is durable on command and whose frames nobody reads: for unit tests. */
import { ByteWriter } from '@thermocline/protocol'
import { Core, type CoreOptions, type LogSink, type Outbox } from './core.ts'
import { MessageWriter } from './messages.ts'
import { type ProcessRef, ProcessTable } from './processes.ts'

export interface CoreFixture {
  readonly core: Core
  readonly processes: ProcessTable
  /** Processes of the replicas, by number. */
  readonly refs: readonly ProcessRef[]
  readonly log: { durableWrite: number; write: number; records: string[] }
  readonly violations: string[]
}

export function coreOfThree(options: Partial<CoreOptions> = {}): CoreFixture {
  const processes = new ProcessTable()
  const refs = [0, 1, 2].map((replica) =>
    processes.intern({ group: 0, replica, incarnation: { number: 0, nonce: String(replica).repeat(16) }, boot: 1 }),
  )
  const self = refs[0] as ProcessRef
  const writer = new ByteWriter(1024)
  const outbox: Outbox = { messages: new MessageWriter(processes, self), now: () => writer, afterSync: () => writer }
  const log = { durableWrite: 0, write: 1, records: [] as string[] }
  const add = (record: string): number => {
    log.records.push(record)
    return log.write
  }
  const sink: LogSink = {
    promise: (block, instance, round) => add(`promise ${block}/${instance} ${round}`),
    accept: (block, instance, round) => add(`accept ${block}/${instance} ${round}`),
    learned: (block, instance) => add(`learned ${block}/${instance}`),
    chosen: () => {},
    get durableWrite() {
      return log.durableWrite
    },
  }
  const violations: string[] = []
  const core = new Core({
    processes,
    self,
    replica: 0,
    replicaCount: 3,
    log: sink,
    outbox,
    random: () => 0.5,
    priority: () => [0, 1, 2],
    remember: () => 0,
    checkEntry: (_block, _instance, entry) => (entry.length === 0 ? 'it is empty' : undefined),
    violation: (what) => violations.push(what),
    ...options,
  })
  core.isActive = true
  core.setCountable(0b111)
  core.live = 0b111
  for (const [replica, ref] of refs.entries()) core.peerProcess[replica] = ref
  return { core, processes, refs, log, violations }
}
