/** The page on every way in: operations, routes, frames and messages of peers. */
import type { Door } from './doors/door.ts'
import { FRAMES } from './doors/frames.ts'
import { MEMORY_ROUTES, OPERATOR_ROUTES, PORT_BOUNDS, STORAGE_ROUTES } from './doors/http-routes.ts'
import { OPERATIONS } from './doors/operations.ts'
import { PEER_MESSAGES } from './doors/peer-messages.ts'
import { code, page, table } from './markdown.ts'

const HEADINGS = ['from whom', 'expected', 'may change on disk', 'bounds']

const rows = (doors: Readonly<Record<string, Door>>): string[][] =>
  Object.entries(doors).map(([name, { from, expected, changes, bounds }]) => [code(name), from, expected, changes, bounds])

export function doorsPage(): string {
  return page(
    'Doors',
    '[scripts/reference/doors](../scripts/reference/doors)',
    `Every way into a process: who may send what, when it is expected, what it may change on disk, and its bounds. A test compares this page
with the code, both ways. What is not expected is refused with a code, or ignored and counted; it costs at most the connection that it came by.

There are no identities yet: “a client” and “a replica” are what a connection says that it is. Whoever reaches the data port can read, write and
claim to be a peer; whoever reaches the HTTP port can read and write, and needs the token for the rest. Keep both ports inside
([NetworkPolicies](kubernetes.md), or loopback with \`thermocline up\`). What all connections hold together is bounded by shares of
\`--memory\`; who holds most gives way ([decision 40](decisions/0040-who-holds-most-gives-way.md)). Each request is one value with its caller
(\`node/src/doors/node-request.ts\`), the place where identities will be checked.`,
    '## Operations of the data port',
    table(['operation', ...HEADINGS], rows(OPERATIONS)),
    '## Frames of the data port',
    table(['frame', ...HEADINGS], rows(FRAMES)),
    '## Messages of peers',
    'In `peer` frames, from the newest connection of a replica whose hello was taken.',
    table(['message', ...HEADINGS], rows(PEER_MESSAGES)),
    '## HTTP port of a storage node',
    `By an allowed name, and from no page of another site ([decision 42](decisions/0042-names-of-the-http-port.md)). ${PORT_BOUNDS}.`,
    table(['route', ...HEADINGS], rows(STORAGE_ROUTES)),
    '## HTTP port of a memory node',
    'Names and bounds of the port as of a storage node’s.',
    table(['route', ...HEADINGS], rows(MEMORY_ROUTES)),
    '## HTTP port of the operator',
    table(['route', ...HEADINGS], rows(OPERATOR_ROUTES)),
  )
}
