/** The dashboard of the storage tier. Nodes are scraped with the labels that the chart's PodMonitor gives. */
import { EVENT_LOOP_SAMPLE_MS } from '../../node/src/admin/process-metrics.ts'
import type { Dashboard, Query } from './dashboard.ts'

const AT = 'namespace=~"$namespace",paxosgroup=~"$paxosgroup"'
const GROUP = 'namespace, paxosgroup, storage_group'
const GROUP_LEGEND = '{{paxosgroup}} group {{storage_group}}'

const metric = (name: string): string => `thermocline_${name}{${AT}}`
const rate = (name: string): string => `rate(${metric(name)}[$__rate_interval])`
const perPod = (expr: string, legend = '{{pod}}'): Query => ({ expr, legend })
const total = (expr: string, legend: string): Query => ({ expr: `sum(${expr})`, legend })
/** Of the figures of any process, those of storage nodes: what is not Thermocline's own has the target's labels alone. */
const ofStorageNodes = (expr: string): string => `(${expr} and on (namespace, pod) ${metric('info')})`
const process = (name: string): string => ofStorageNodes(`${name}{${AT}}`)

export const STORAGE_DASHBOARD: Dashboard = {
  name: 'storage',
  title: 'Thermocline / storage tier',
  variables: {
    namespace: 'label_values(thermocline_info, namespace)',
    paxosgroup: 'label_values(thermocline_info{namespace=~"$namespace"}, paxosgroup)',
  },
  sections: [
    {
      title: 'Health',
      panels: [
        {
          title: 'Voters of each group',
          about: 'Replicas that vote in every block. Below a majority of the group’s replicas its blocks do not serve.',
          queries: [{ expr: `count by (${GROUP}) (${metric('blocks_voting')} == 65536)`, legend: GROUP_LEGEND }],
        },
        {
          title: 'State',
          about: 'How many replicas are in which state. Normal: all are serving.',
          queries: [{ expr: `sum by (state) (${metric('state')})`, legend: '{{state}}' }],
        },
        {
          title: 'Peers that answer',
          about: 'As each replica sees it. Normal: one less than the group’s replicas.',
          queries: [perPod(`sum by (pod) (${metric('peer_live')})`)],
        },
      ],
    },
    {
      title: 'Requests',
      panels: [
        {
          title: 'Writes',
          about: 'Taken from clients.',
          unit: 'reqps',
          queries: [perPod(rate('writes_total'))],
        },
        {
          title: 'Strong reads',
          about: 'Taken from clients.',
          unit: 'reqps',
          queries: [perPod(rate('reads_total'))],
        },
        {
          title: 'Refused',
          about: 'Overloaded, disk full or not serving. Normal: none.',
          unit: 'reqps',
          queries: [perPod(rate('requests_refused_total'))],
        },
        {
          title: 'Waiting',
          about: 'Writes, reads and forwarded writes that are not answered yet.',
          queries: [
            total(metric('writes_waiting'), 'writes'),
            total(metric('reads_waiting'), 'reads'),
            total(metric('forwards_waiting'), 'forwarded'),
          ],
        },
        {
          title: 'Where reads are answered',
          about: 'From memory or from the tables on disk; failed ones mean a damaged disk.',
          unit: 'reqps',
          queries: [
            total(rate('reads_hot_total'), 'memory'),
            total(rate('reads_disk_total'), 'disk'),
            total(rate('reads_failed_total'), 'failed'),
          ],
        },
        {
          title: 'Client connections',
          about: 'To the data port, peers not counted.',
          queries: [perPod(metric('client_connections'))],
        },
      ],
    },
    {
      title: 'Consensus',
      panels: [
        {
          title: 'Entries chosen',
          about: 'As each replica learns them; replicas of a group should go together.',
          unit: 'ops',
          queries: [perPod(rate('paxos_chosen_total'))],
        },
        {
          title: 'Collisions',
          about: 'Fast attempts beside Prepares, refusals and values that lost their instance. Many of these: proposers collide.',
          unit: 'ops',
          queries: [
            total(rate('paxos_fast_accepts_total'), 'fast'),
            total(rate('paxos_prepares_total'), 'prepares'),
            total(rate('paxos_refused_total'), 'refused'),
            total(rate('paxos_displaced_total'), 'displaced'),
          ],
        },
        {
          title: 'Reads and their rounds',
          about: 'One majority round serves all reads that wait: far fewer rounds than reads under load.',
          unit: 'ops',
          queries: [
            total(rate('reads_total'), 'reads'),
            total(rate('read_rounds_total'), 'rounds'),
            total(rate('read_proofs_total'), 'proofs'),
          ],
        },
        {
          title: 'Repairs between replicas',
          about: 'Messages sent again, entries asked for, instances of others finished. Normal: few.',
          unit: 'ops',
          queries: [
            total(rate('paxos_resends_total'), 'resends'),
            total(rate('paxos_fetches_total'), 'fetches'),
            total(rate('paxos_settles_total'), 'settled'),
          ],
        },
        {
          title: 'Blocks open and behind',
          about: 'Being decided; lacking entries that are known to be chosen.',
          queries: [perPod(metric('blocks_open'), '{{pod}} open'), perPod(metric('blocks_behind'), '{{pod}} behind')],
        },
        {
          title: 'What must stay 0',
          about: 'Violations of the protocol and digests that differ, since each process started.',
          queries: [
            total(metric('protocol_violations_total'), 'violations'),
            total(metric('digest_mismatches_total'), 'digest mismatches'),
          ],
        },
      ],
    },
    {
      title: 'Learning',
      panels: [
        {
          title: 'Blocks a replica votes in',
          about: 'All 65,536 unless it learns.',
          queries: [perPod(metric('blocks_voting'))],
        },
        {
          title: 'Blocks copied and stuck',
          about: 'Being taken over from a peer; not to be had without somebody’s decision.',
          queries: [total(metric('blocks_copying'), 'copying'), total(metric('blocks_stuck'), 'stuck')],
        },
        {
          title: 'Copies',
          about: 'Bytes taken in.',
          unit: 'Bps',
          queries: [perPod(rate('blocks_copied_bytes_total'))],
        },
      ],
    },
    {
      title: 'Disk',
      panels: [
        {
          title: 'Syncs of the log',
          about: 'One per tick for all blocks: bound by the disk.',
          unit: 'ops',
          queries: [perPod(rate('log_syncs_total'))],
        },
        {
          title: 'Bytes to the log',
          about: 'With every entry once.',
          unit: 'Bps',
          queries: [perPod(rate('log_bytes_total'))],
        },
        {
          title: 'Space',
          about: 'Tables and log, mean of the replicas.',
          unit: 'bytes',
          queries: [
            { expr: `avg(${metric('engine_records_file_bytes')})`, legend: 'records' },
            { expr: `avg(${metric('engine_pages_file_bytes')})`, legend: 'page headers' },
            { expr: `avg(${metric('engine_meta_file_bytes')})`, legend: 'positions and answers' },
            { expr: `avg(${metric('log_size_bytes')})`, legend: 'log' },
          ],
        },
        {
          title: 'Compaction behind',
          about: 'Bytes that compaction still has to rewrite. Growing for hours: the disk is too slow for the load.',
          unit: 'bytes',
          queries: ['records', 'pages', 'meta'].map((name) => total(metric(`engine_${name}_pending_compaction_bytes`), name)),
        },
        {
          title: 'Flushes',
          about: 'Of the memory component to tables.',
          unit: 'ops',
          queries: [perPod(rate('flushes_total'))],
        },
        {
          title: 'Writes refused',
          about: '1: the volume is full, or writes are not accepted for another reason.',
          queries: [
            { expr: `max(${metric('disk_full')})`, legend: 'disk full' },
            { expr: `1 - min(${metric('writes_accepted')})`, legend: 'not accepted' },
          ],
        },
      ],
    },
    {
      title: 'Memory and CPU',
      panels: [
        {
          title: 'Memory of what it may use',
          about: 'Resident memory over --memory.',
          unit: 'percentunit',
          queries: [perPod(`${process('process_resident_memory_bytes')} / ${metric('memory_limit_bytes')}`)],
        },
        {
          title: 'Parts of it',
          about: 'Mean of the replicas.',
          unit: 'bytes',
          queries: [
            { expr: `avg(${metric('engine_active_bytes')} + ${metric('engine_frozen_bytes')})`, legend: 'memory component' },
            { expr: `avg(${metric('engine_block_cache_bytes')})`, legend: 'block cache' },
            { expr: `avg(${metric('engine_request_table_bytes')})`, legend: 'request table' },
            { expr: `avg(${metric('log_index_bytes')})`, legend: 'log index' },
            { expr: `avg(${process('nodejs_heap_size_used_bytes')})`, legend: 'JavaScript heap' },
          ],
        },
        {
          title: 'CPU',
          about: 'Cores in use.',
          queries: [perPod(ofStorageNodes(`rate(process_cpu_seconds_total{${AT}}[$__rate_interval])`))],
        },
        {
          title: 'Delay of the event loop',
          about: 'The 99th percentile. Above some 20 ms: too little CPU.',
          unit: 's',
          queries: [perPod(`clamp_min(${process('nodejs_eventloop_lag_p99_seconds')} - ${EVENT_LOOP_SAMPLE_MS / 1000}, 0)`)],
        },
        {
          title: 'Version cache',
          about: 'Look-ups that it answered, of all.',
          unit: 'percentunit',
          queries: [
            perPod(
              `${metric('engine_version_cache_hits')} / clamp_min(${metric('engine_version_cache_hits')} + ${metric('engine_version_cache_misses')}, 1)`,
            ),
          ],
        },
        {
          title: 'Uptime',
          about: 'Since each process started: steps down are restarts.',
          unit: 's',
          queries: [perPod(metric('uptime_seconds'))],
        },
      ],
    },
  ],
}
