/** docs/doors.md names every way in that the code has, and no other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHttpServer } from '../../node/src/admin/mod.ts'
import type { AdminService, DataService } from '../../node/src/admin/ports.ts'
import { quietDoors } from '../../node/src/doors/quiet-doors.fixture.ts'
import { BatchKind } from '../../node/src/paxos/batch-messages.ts'
import { Kind } from '../../node/src/paxos/messages.ts'
import type { MemoryConfig } from '../../node/src/roles/memory/config.ts'
import { createMemoryHttp } from '../../node/src/roles/memory/http.ts'
import type { MemoryNode } from '../../node/src/roles/memory/memory-node.ts'
import { createHealthServer, OperatorMetrics } from '../../operator/src/telemetry/mod.ts'
import { FrameType, Operation } from '../../protocol/src/client-messages.ts'
import { FRAMES } from './doors/frames.ts'
import { MEMORY_ROUTES, OPERATOR_ROUTES, STORAGE_ROUTES } from './doors/http-routes.ts'
import { OPERATIONS } from './doors/operations.ts'
import { PEER_MESSAGES } from './doors/peer-messages.ts'
import { routesOf } from './doors/routes-of.ts'

/** Sorted, both. */
const names = (of: readonly string[]): string[] => of.toSorted((a, b) => (a < b ? -1 : 1))
const same = (said: object, there: readonly string[]): void => assert.deepEqual(names(Object.keys(said)), names(there))

test('operations, frames and messages of peers', () => {
  same(OPERATIONS, Object.keys(Operation))
  same(FRAMES, Object.keys(FrameType))
  same(PEER_MESSAGES, [...Object.keys(Kind), ...Object.keys(BatchKind)])
})

test('routes of the HTTP ports', async () => {
  const nobody = {}
  const storage = await createHttpServer({
    data: nobody as DataService,
    admin: nobody as AdminService,
    randomHex: () => '',
    token: undefined,
    doors: quietDoors(),
    hosts: new Set(),
  })
  const memory = await createMemoryHttp(
    nobody as MemoryNode,
    { http: '', allowHosts: [] as readonly string[] } as MemoryConfig,
    quietDoors(),
  )
  const operator = createHealthServer({ unhealthy: () => undefined, unready: () => undefined, registry: new OperatorMetrics().registry })
  await operator.ready()
  try {
    same(STORAGE_ROUTES, routesOf(storage.app))
    same(MEMORY_ROUTES, routesOf(memory.app))
    same(OPERATOR_ROUTES, routesOf(operator))
  } finally {
    await Promise.all([storage.close(), memory.close(), operator.close()])
  }
})

test('nothing is left unsaid', () => {
  for (const doors of [OPERATIONS, FRAMES, PEER_MESSAGES, STORAGE_ROUTES, MEMORY_ROUTES, OPERATOR_ROUTES]) {
    for (const [name, door] of Object.entries(doors)) {
      for (const [what, text] of Object.entries(door)) assert.ok((text as string).length > 0, `${name}: ${what}`)
    }
  }
})
