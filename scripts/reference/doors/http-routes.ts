/** The routes of the HTTP ports. A route without a line here, or the other way round, is a failed test. */
import { HTTP_HEAD_TIMEOUT_MS, MAX_HTTP_CONNECTIONS } from '../../../node/src/admin/http-traffic.ts'
import { MAX_SCAN_RECORDS, MAX_VALUE_BYTES } from '../../../protocol/src/constants.ts'
import { type Door, NOTHING } from './door.ts'

const ANYBODY = 'anybody who reaches the port'
const TOKEN = 'who has the admin token'
const SMALL = 'no body'
const always = (bounds = SMALL): Door => ({ from: ANYBODY, expected: 'in every state', changes: NOTHING, bounds })
const TOPOLOGY_WATCH = 'no body; waits 60 s; as many wait as of the operation `topology`'

export const PORT_BOUNDS = `${MAX_HTTP_CONNECTIONS} connections; the head of a request within ${HTTP_HEAD_TIMEOUT_MS} ms, all of it within 60 s, never 10 s without a byte; bodies and answers count against the node's shares`

export const STORAGE_ROUTES: Readonly<Record<string, Door>> = {
  'GET /healthz': always(),
  'GET /readyz': always(),
  'GET /metrics': always(),
  'GET /openapi.json': always(),
  'GET /v1/admin/status': always(),
  'GET /v1/admin/digests': always('no body; an answer of up to 65,536 blocks'),
  'GET /v1/admin/topology': always(TOPOLOGY_WATCH),
  'PUT /v1/admin/topology': {
    from: TOKEN,
    expected: 'of this cluster, with a newer epoch; the number of replicas and the slice duration stay',
    changes: 'the topology; a slot that it fills with this volume makes it a voter’s (⚖15)',
    bounds: '4 MiB',
  },
  'POST /v1/admin/volume/set-aside': {
    from: TOKEN,
    expected: 'the state is `foreign`',
    changes: 'the data directory is renamed; nothing is deleted',
    bounds: SMALL,
  },
  'PUT /v1/series/:series/records/:id': {
    from: ANYBODY,
    expected: 'as the operation `write`',
    changes: 'as the operation `write`: one put',
    bounds: `${MAX_VALUE_BYTES} bytes; 60 s`,
  },
  'GET /v1/series/:series/records/:id': { from: ANYBODY, expected: 'as the operation `get`', changes: NOTHING, bounds: 'no body; 60 s' },
  'DELETE /v1/series/:series/records/:id': {
    from: ANYBODY,
    expected: 'as the operation `write`',
    changes: 'as the operation `write`: one delete',
    bounds: 'no body; 60 s',
  },
  'POST /v1/series/:series/records': {
    from: ANYBODY,
    expected: 'as the operation `write`',
    changes: 'as the operation `write`: one append',
    bounds: `${MAX_VALUE_BYTES} bytes; 60 s`,
  },
  'GET /v1/series/:series/records': {
    from: ANYBODY,
    expected: 'as the operation `scan`',
    changes: NOTHING,
    bounds: `no body; ${MAX_SCAN_RECORDS} records as JSON, any number as a stream, as the caller takes them`,
  },
}

export const MEMORY_ROUTES: Readonly<Record<string, Door>> = {
  'GET /healthz': always(),
  'GET /readyz': always(),
  'GET /metrics': always(),
  'GET /openapi.json': always(),
  'GET /v1/admin/status': always(),
  'GET /v1/admin/topology': always(TOPOLOGY_WATCH),
  'GET /v1/cache/pages': {
    from: `${ANYBODY}; meant for memory nodes that warm up`,
    expected: 'the cache is open, and of the same cluster, slices and history',
    changes: NOTHING,
    bounds: 'no body; one piece of one ring',
  },
}

export const OPERATOR_ROUTES: Readonly<Record<string, Door>> = {
  'GET /healthz': always(),
  'GET /readyz': always(),
  'GET /metrics': always(),
}
