/** The dashboard of the operator, and of what it says of PaxosGroups. */
import type { Dashboard, Query } from './dashboard.ts'

const AT = 'namespace=~"$namespace"'
const rate = (name: string, labels = ''): string => `rate(thermocline_operator_${name}${labels}[$__rate_interval])`
const by = (label: string, expr: string): Query => ({ expr: `sum by (${label}) (${expr})`, legend: `{{${label}}}` })
const quantile = (q: number): Query => ({
  expr: `histogram_quantile(${q}, sum by (le) (${rate('reconcile_seconds_bucket')}))`,
  legend: `p${q * 100}`,
})
/** Figures of the process, of operators only. */
const ofOperators = (expr: string): string => `${expr} and on (pod) thermocline_operator_leader`

export const OPERATOR_DASHBOARD: Dashboard = {
  name: 'operator',
  title: 'Thermocline / operator',
  variables: { namespace: 'label_values(thermocline_paxosgroup_replicas, namespace)' },
  sections: [
    {
      title: 'PaxosGroups',
      panels: [
        {
          title: 'Voters and replicas',
          about: 'Replicas that vote in every block, of all. Normal: equal.',
          queries: [
            { expr: `max by (namespace, name) (thermocline_paxosgroup_voters{${AT}})`, legend: '{{namespace}}/{{name}} voters' },
            { expr: `max by (namespace, name) (thermocline_paxosgroup_replicas{${AT}})`, legend: '{{namespace}}/{{name}} replicas' },
          ],
        },
        {
          title: 'Conditions',
          about: '1 True, 0 False, −1 Unknown; the worst of all PaxosGroups for those that should be True.',
          queries: [
            { expr: `min by (type) (thermocline_paxosgroup_condition{${AT},type=~"Accepted|Available"})`, legend: 'least {{type}}' },
            { expr: `max by (type) (thermocline_paxosgroup_condition{${AT},type!~"Accepted|Available"})`, legend: 'most {{type}}' },
          ],
        },
        {
          title: 'Jobs',
          about: 'Recoveries, rolling changes and growths of volumes under way.',
          queries: [by('type', `thermocline_paxosgroup_jobs{${AT}}`)],
        },
      ],
    },
    {
      title: 'Reconciling',
      panels: [
        {
          title: 'Passes by result',
          about: 'In a quiet cluster all are unchanged.',
          unit: 'ops',
          queries: [by('result', rate('reconciles_total'))],
        },
        { title: 'Time of a pass', about: 'Median and 99th percentile.', unit: 's', queries: [quantile(0.5), quantile(0.99)] },
        {
          title: 'Queue',
          about: 'Keys that wait, and retries after failures.',
          queries: [
            { expr: 'sum by (kind) (thermocline_operator_queue_depth)', legend: '{{kind}} waiting' },
            { expr: `sum by (kind) (${rate('queue_retries_total')})`, legend: '{{kind}} retries a second' },
          ],
        },
      ],
    },
    {
      title: 'API server',
      panels: [
        { title: 'Requests by verb', about: 'Of all operators.', unit: 'reqps', queries: [by('verb', rate('api_requests_total'))] },
        {
          title: 'Answers by code',
          about: '403: a right is missing. 409: somebody else wrote in between. 429: the server is overloaded.',
          unit: 'reqps',
          queries: [by('code', rate('api_requests_total'))],
        },
        { title: 'Writes by resource', about: 'None while nothing changes.', unit: 'ops', queries: [by('resource', rate('writes_total'))] },
      ],
    },
    {
      title: 'Processes',
      panels: [
        { title: 'Leaders', about: 'Exactly one.', queries: [{ expr: 'sum(thermocline_operator_leader)', legend: 'leaders' }] },
        {
          title: 'Restarts of watches',
          about: 'Broken connections to the API server that were made anew.',
          unit: 'ops',
          queries: [by('resource', rate('watch_restarts_total'))],
        },
        {
          title: 'Memory',
          about: 'Resident memory of each operator.',
          unit: 'bytes',
          queries: [{ expr: ofOperators('process_resident_memory_bytes'), legend: '{{pod}}' }],
        },
      ],
    },
  ],
}
