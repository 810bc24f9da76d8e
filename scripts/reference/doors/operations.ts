/** The operations of the data port. An operation without a line here, or the other way round, is a type error and a failed test. */
import type { Operation } from '../../../protocol/src/client-messages.ts'
import {
  MAX_GET_IDS,
  MAX_PAGE_VERSIONS,
  MAX_SCAN_RECORDS,
  MAX_SERIES_BYTES,
  MAX_VALIDATE_ITEMS,
  MAX_VALIDATE_PAGES,
  MAX_VALUE_BYTES,
  MAX_WRITE_BYTES,
  MAX_WRITE_OPS,
  SCAN_CHUNK_BYTES,
} from '../../../protocol/src/constants.ts'
import { type Door, NOTHING } from './door.ts'

const CLIENT = 'a client, the HTTP port'
const VOTER = 'at a replica that votes in the block, of the group that owns it'
const READ_BOUNDS = '65,536 reads and a share of `--memory` of their bodies wait; 30 s'

export const OPERATIONS: Readonly<Record<keyof typeof Operation, Door>> = {
  write: {
    from: `${CLIENT}, a peer that forwards it`,
    expected: 'at any replica of the group that owns the block; disk and memory have room; the stamp is not below the horizon',
    changes: 'one entry in the block’s log, at a majority; then the records, once for each request id (⚖9)',
    bounds: `${MAX_WRITE_OPS} operations on one series of ${MAX_SERIES_BYTES} bytes, ${MAX_VALUE_BYTES} bytes a value, ${MAX_WRITE_BYTES} together; 65,536 writes and a share of \`--memory\` wait; 30 s`,
  },
  get: {
    from: `${CLIENT}; at a memory node, a client`,
    expected: `${VOTER}; at a memory node, of any block`,
    changes: NOTHING,
    bounds: `${MAX_GET_IDS} ids of one series; an answer of 6 MiB; ${READ_BOUNDS}`,
  },
  scan: {
    from: `${CLIENT}; at a memory node, a client`,
    expected: `${VOTER}; at a memory node, of any block`,
    changes: NOTHING,
    bounds: `${MAX_SCAN_RECORDS} records, ${SCAN_CHUNK_BYTES} bytes of values in one answer; it steps over 8192 removals; ${READ_BOUNDS}`,
  },
  stamps: {
    from: CLIENT,
    expected: 'at a replica that votes in the blocks',
    changes: NOTHING,
    bounds: '65,535 blocks; answered at once',
  },
  pageVersions: {
    from: 'a client',
    expected: VOTER,
    changes: NOTHING,
    bounds: `${MAX_PAGE_VERSIONS} slices of one series; ${READ_BOUNDS}`,
  },
  topology: {
    from: 'a client',
    expected: 'at any node, whatever its state; answered with a newer epoch than the one that is named',
    changes: NOTHING,
    bounds: 'a body of 8 bytes; waits 60 s; 16,384 callers wait at a storage node, 4096 at a memory node',
  },
  validate: {
    from: 'a memory node, as a client',
    expected: `${VOTER}, for all its series`,
    changes: NOTHING,
    bounds: `${MAX_VALIDATE_ITEMS} series of ${MAX_VALIDATE_PAGES} pages, 1 if patient; an answer of 6 MiB; 2048 steps over removals and headers, 8192 if patient; ${READ_BOUNDS}`,
  },
}
