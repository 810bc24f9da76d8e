/** The dashboard of the memory tier. Its nodes are scraped with the labels namespace, pod and paxosgroup, as those of the storage tier. */
import type { Dashboard, Query } from './dashboard.ts'

const AT = 'namespace=~"$namespace",paxosgroup=~"$paxosgroup"'
const RANGE = '[$__rate_interval]'

const metric = (name: string, labels = ''): string => `thermocline_memory_${name}{${labels === '' ? '' : `${labels},`}${AT}}`
const rate = (name: string, labels = ''): string => `rate(${metric(name, labels)}${RANGE})`
const perPod = (expr: string, legend = '{{pod}}'): Query => ({ expr, legend })
const total = (expr: string, legend: string): Query => ({ expr: `sum(${expr})`, legend })
const by = (label: string, expr: string): Query => ({ expr: `sum by (${label}) (${expr})`, legend: `{{${label}}}` })
/** Of the figures of any process, those of memory nodes. */
const ofMemoryNodes = (expr: string): string => `${expr} and on (namespace, pod) ${metric('info')}`
const latency = (q: number): Query => ({
  expr: `histogram_quantile(${q}, sum by (lane, le) (${rate('validation_seconds_bucket')}))`,
  legend: `{{lane}} p${q * 100}`,
})
const rings = (q: number, legend: string): Query => ({
  expr: `quantile by (pod) (${q}, ${metric('ring_oldest_age_seconds')})`,
  legend: `{{pod}} ${legend}`,
})

export const MEMORY_DASHBOARD: Dashboard = {
  name: 'memory',
  title: 'Thermocline / memory tier',
  variables: {
    namespace: 'label_values(thermocline_memory_info, namespace)',
    paxosgroup: 'label_values(thermocline_memory_info{namespace=~"$namespace"}, paxosgroup)',
  },
  sections: [
    {
      title: 'Health',
      panels: [
        {
          title: 'State',
          about: 'How many nodes are in which state, and how many the topology names. Normal: all that are named are serving.',
          queries: [
            by('state', metric('state')),
            { expr: `max(thermocline_topology_memory_machines{${AT}})`, legend: 'named by the topology' },
          ],
        },
        {
          title: 'Warm-up',
          about: 'Until clients give a node its full share of the reads. 0 but for half a minute after a start with an empty cache.',
          unit: 's',
          queries: [perPod(metric('warm_up_left_seconds'))],
        },
        {
          title: 'Taken over from peers',
          about: 'Bytes of pages that a node took over before it took part.',
          unit: 'bytes',
          queries: [perPod(metric('warm_up_bytes'))],
        },
      ],
    },
    {
      title: 'Reads',
      panels: [
        {
          title: 'Requests by result',
          about: 'answered; not cached, which clients ask of the storage tier; refused with an error. Normal: answered, by far.',
          unit: 'reqps',
          queries: [by('result', rate('responses_total'))],
        },
        {
          title: 'Hit rate',
          about: 'Pages found of those looked up. What is not found costs a transfer, not correctness.',
          unit: 'percentunit',
          queries: [perPod(`${rate('pages_found_total')} / ${rate('pages_looked_up_total')}`)],
        },
        {
          title: 'Requests of each node',
          about: 'Machines of a group get equal shares, but for those that warm up.',
          unit: 'reqps',
          queries: [perPod(rate('requests_total'))],
        },
        {
          title: 'Waiting and connections',
          about: 'Requests that are not answered yet; connections of clients.',
          queries: [total(metric('requests_waiting'), 'waiting'), total(metric('client_connections'), 'connections')],
        },
        {
          title: 'Joined, asked again, overloaded',
          about: 'Requests that travelled with an equal one; that needed another validation; that were refused since too much waited.',
          unit: 'reqps',
          queries: [
            total(rate('requests_joined_total'), 'joined'),
            total(rate('requests_again_total'), 'again'),
            total(rate('requests_overloaded_total'), 'overloaded'),
          ],
        },
        {
          title: 'Ratio in force',
          about: 'Of the reads that could go to the memory tier, the part that does, as each node knows it. Nodes should agree.',
          unit: 'percentunit',
          queries: [perPod(metric('traffic_ratio'))],
        },
      ],
    },
    {
      title: 'Validations',
      panels: [
        {
          title: 'Latency by lane',
          about:
            'From a validation’s way out to its answer. held: all pages are in the cache; missing: some come along; patient: waits for a disk.',
          unit: 's',
          queries: [latency(0.5), latency(0.99)],
        },
        {
          title: 'Batch size',
          about: 'Series and pages in one validation. It grows with the load; that is what keeps rounds few.',
          queries: [
            { expr: `sum(${rate('validated_series_total')}) / sum(${rate('validations_total')})`, legend: 'series' },
            { expr: `sum(${rate('validated_pages_total')}) / sum(${rate('validations_total')})`, legend: 'pages' },
          ],
        },
        {
          title: 'Validations and failures',
          about: 'Sent; without an answer; series that had to be asked about patiently. Normal: no failures.',
          unit: 'ops',
          queries: [
            total(rate('validations_total'), 'sent'),
            total(rate('validations_failed_total'), 'failed'),
            total(rate('later_series_total'), 'series later'),
          ],
        },
        {
          title: 'Verdicts',
          about: 'Pages by how they stood. Normal: unchanged, most of all.',
          unit: 'ops',
          queries: [by('verdict', rate('verdicts_total'))],
        },
        {
          title: 'Split in force',
          about: 'Age of records from which on they are read from the storage tier; 0: none are too old.',
          unit: 's',
          queries: [perPod(metric('newer_than_seconds'))],
        },
        {
          title: 'Epochs',
          about: 'Of the topology in force. Nodes agree within seconds of a change.',
          queries: [perPod(metric('epoch')), { expr: `max(thermocline_epoch{${AT}})`, legend: 'storage tier' }],
        },
      ],
    },
    {
      title: 'Cache',
      panels: [
        {
          title: 'Bytes that hold pages',
          about: 'Of the size of the cache’s file.',
          unit: 'bytes',
          queries: [perPod(`sum by (pod) (${metric('ring_bytes')})`), { expr: `max(${metric('cache_bytes')})`, legend: 'size' }],
        },
        {
          title: 'Ages of the rings',
          about:
            'Of the oldest page of each ring: how long pages live, once the rings are full. The youngest ring, the middle, the oldest.',
          unit: 's',
          queries: [rings(0, 'least'), rings(0.5, 'middle'), rings(1, 'most')],
        },
        {
          title: 'Evictions',
          about: 'Pages that made room for newer ones; 0 until the cache is full.',
          unit: 'ops',
          queries: [perPod(`sum by (pod) (${rate('ring_evictions_total')})`)],
        },
        {
          title: 'Torn pages',
          about: 'Found half written by an ended process, and taken for misses. None but after a crash.',
          queries: [perPod(`sum by (pod) (${metric('ring_torn_total')})`)],
        },
      ],
    },
    {
      title: 'Memory and CPU',
      panels: [
        {
          title: 'CPU per request',
          about: 'Seconds of one core. It falls with the load, as batches grow.',
          unit: 's',
          queries: [perPod(`rate(process_cpu_seconds_total{${AT}}${RANGE}) / on (namespace, pod) ${rate('requests_total')}`)],
        },
        {
          title: 'CPU',
          about: 'Cores in use.',
          queries: [perPod(ofMemoryNodes(`rate(process_cpu_seconds_total{${AT}}${RANGE})`))],
        },
        {
          title: 'Memory',
          about: 'Resident memory, pages of the cache that were touched included.',
          unit: 'bytes',
          queries: [perPod(ofMemoryNodes(`process_resident_memory_bytes{${AT}}`))],
        },
      ],
    },
  ],
}
