/** Pages written from the tables that the code itself uses. */
import { COUNTERS, describeMetric, ENGINE_GAUGES, LABELLED_GAUGES, NODE_GAUGES, REPLICA_GAUGES } from '../../node/src/admin/metric-table.ts'
import { FLAGS } from '../../node/src/config.ts'
import { LOG_FIELDS } from '../../node/src/log-fields.ts'
import { MEMORY_FLAGS } from '../../node/src/roles/memory/config.ts'
import { MEMORY_METRICS, MEMORY_PREFIX, VALIDATION_SECONDS } from '../../node/src/roles/memory/metric-table.ts'
import { DEFAULT_DATA_PORT, DEFAULT_HTTP_PORT } from '../../protocol/src/constants.ts'
import { ERRORS, type Outcome } from '../../protocol/src/errors.ts'
import type { Flags } from '../../protocol/src/flags.ts'
import { code, page, table } from './markdown.ts'

const OUTCOMES: Readonly<Record<Outcome, string>> = { not: 'did not happen', maybe: 'may have happened', did: 'happened' }

export function errorsPage(): string {
  const rows = Object.entries(ERRORS)
    .sort(([, a], [, b]) => a.number - b.number)
    .map(([name, error]) => [
      code(name),
      String(error.number),
      String(error.httpStatus),
      OUTCOMES[error.outcome],
      error.retry ? 'yes' : 'no',
      error.summary,
      error.nextStep,
    ])
  return page(
    'Errors',
    '[protocol/src/errors.ts](../../protocol/src/errors.ts)',
    `Every error has a code that does not change, a message that names what was wrong, and says what a failed *write* may
assume. An error may say more precisely than this table whether the write happened: the \`outcome\` of the error itself
counts. Over HTTP an error is \`{ "code", "message", "outcome" }\` with the status below.`,
    table(['code', 'number', 'HTTP', 'the write', 'retried by clients', 'meaning', 'what to do'], rows),
  )
}

export function flagsPage(): string {
  const rows = (flags: Flags) =>
    Object.entries(flags).map(([name, { env, fallback, about }]) => [
      code(`--${name}`),
      code(env),
      fallback === undefined ? '' : code(fallback),
      about,
    ])
  const headings = ['flag', 'environment', 'default', 'meaning']
  return page(
    'Flags of a node',
    '[node/src/config.ts](../../node/src/config.ts) and [node/src/roles/memory/config.ts](../../node/src/roles/memory/config.ts)',
    '`thermocline node` takes these; a flag wins over its environment variable. `thermocline up` sets them for its nodes.',
    '## Storage',
    table(headings, rows(FLAGS)),
    '## Memory',
    '`thermocline node --role memory`:',
    table(headings, rows(MEMORY_FLAGS)),
  )
}

export function metricsPage(): string {
  const group = (type: string, names: object) => Object.keys(names).map((name) => [code(`thermocline_${name}`), type, describeMetric(name)])
  const headings = ['metric', 'type', 'meaning']
  const ofMemory = Object.entries(MEMORY_METRICS).map(([name, { type, about }]) => [code(`${MEMORY_PREFIX}${name}`), type, about])
  const validations = [code(`${MEMORY_PREFIX}${VALIDATION_SECONDS.name}`), 'histogram', VALIDATION_SECONDS.about]
  return page(
    'Metrics',
    '[node/src/admin/metric-table.ts](../../node/src/admin/metric-table.ts) and [node/src/roles/memory/metric-table.ts](../../node/src/roles/memory/metric-table.ts)',
    `\`GET /metrics\` on the HTTP port, in the format of Prometheus. Counters count since the process started. Besides these
there are \`process_*\` and \`nodejs_*\`, the usual figures of a Node.js process.`,
    '## Storage nodes: what the replica does',
    table(headings, group('counter', COUNTERS)),
    '## Storage nodes: what they hold',
    table(headings, [...group('gauge', LABELLED_GAUGES), ...group('gauge', NODE_GAUGES), ...group('gauge', REPLICA_GAUGES)]),
    '## Storage nodes: the engine',
    table(headings, group('gauge', ENGINE_GAUGES)),
    '## Memory nodes',
    table(headings, [...ofMemory, validations]),
  )
}

export function logFieldsPage(): string {
  return page(
    'Log fields',
    '[node/src/log-fields.ts](../../node/src/log-fields.ts)',
    'A node logs to stdout, one JSON object per line; `--log-level` sets how much.',
    table(
      ['field', 'meaning'],
      Object.entries(LOG_FIELDS).map(([name, about]) => [code(name), about]),
    ),
  )
}

export function portsPage(): string {
  return page(
    'Ports',
    '[protocol/src/constants.ts](../../protocol/src/constants.ts)',
    `A node listens on two ports, on 127.0.0.1 unless told otherwise. Replica r of a local cluster takes the defaults plus
10·r.`,
    table(
      ['port', 'flag', 'who speaks there', 'what'],
      [
        [
          String(DEFAULT_DATA_PORT),
          code('--listen'),
          'clients and the peers of the group',
          'the binary protocol: a hello, then frames of batched requests',
        ],
        [
          String(DEFAULT_HTTP_PORT),
          code('--http'),
          'people, operators, probes, Prometheus',
          'health, metrics, admin API and data API: see [http-api.md](http-api.md)',
        ],
      ],
    ),
  )
}
