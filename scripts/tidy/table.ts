/**
 * Who may import whom. Three tables, from the large to the small: packages, folders inside `node/src`, and the folders that
 * stay pure. ARCHITECTURE.md explains the shape; this is what is enforced. An edge that is missing here is a decision to
 * make, not a line to add in passing: say in the commit why the one folder has to know the other.
 */

/**
 * Package → the packages it may import. `node` and `operator` never know each other; the launcher starts them by path, in a
 * process of their own, so that client commands never load them. `e2e` and `bench` are black boxes; `bench` drives clusters with what
 * `e2e` has for it. `scripts` generates
 * pages from everybody's tables.
 */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  native: [],
  // A memory node is a client of the storage tier.
  node: ['protocol', 'native', 'client', 'simulation'],
  operator: ['protocol', 'simulation'],
  client: ['protocol'],
  cli: ['protocol', 'client'],
  checker: ['simulation'],
  simulation: [],
  e2e: ['protocol', 'client', 'cli', 'checker', 'simulation'],
  bench: ['protocol', 'client', 'cli', 'simulation', 'e2e'],
  scripts: ['protocol', 'node', 'operator', 'client', 'cli'],
}

/** Not in the image: of the packages that are, only tests and simulators may import it. */
export const NOT_SHIPPED = 'simulation'
export const SHIPPED: RegExp = /^(?:protocol|native|node|operator|client|cli)\/src\//

/**
 * Folder of `node/src` → the folders it may import; '.' is `node/src` itself. Below stand the ports and the pure core,
 * above what runs them: paxos ← kv, wal ← replica ← roles ← main. Tests may also look sideways.
 */
export const NODE_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  // What connections may take, and who asks: every way in knows it.
  doors: [],
  paxos: ['doors'],
  io: [],
  'io/os': ['io', 'doors'],
  engine: [],
  kv: ['paxos', 'engine'],
  wal: ['paxos', 'io'],
  replica: ['doors', 'paxos', 'kv', 'wal', 'engine', 'io'],
  server: ['doors', 'kv', 'io'],
  admin: ['doors'],
  tier: [],
  'roles/memory': ['.', 'doors', 'tier', 'server', 'admin', 'kv', 'io'],
  'roles/storage': ['.', 'doors', 'paxos', 'kv', 'engine', 'replica', 'server', 'admin', 'io'],
  '.': ['doors', 'paxos', 'wal', 'engine', 'tier', 'replica', 'admin', 'io', 'io/os', 'roles/storage', 'roles/memory'],
}

/** What is decided without IO: no `node:` module, no clock, no chance, no environment, no logger. */
export const PURE: readonly RegExp[] = [
  /^protocol\/src\//,
  /^checker\/src\//,
  /^node\/src\/doors\//,
  /^node\/src\/paxos\//,
  /^node\/src\/kv\//,
  /^node\/src\/(?:.+\/)?ports?\.ts$/,
  /^operator\/src\/(?:specs|plan)\//,
  /^operator\/src\/(?:.+\/)?ports?\.ts$/,
  /^operator\/src\/runtime\/(?:bounds|resources|discovery|json-lines|object-cache|work-queue|lease-decision|event-log|canonical|difference)\.ts$/,
  /^operator\/src\/support-bundle\/(?:bounds|kinds|selection|redact-text|redact-object|paths|index-page)\.ts$/,
]

/** Only these may import the real world; everything else is handed it. */
export const OS_IMPORTERS: readonly string[] = [
  'node/src/main.ts',
  'node/src/inspect.ts',
  'node/bench/unvalidated-node.ts',
  'node/fuzz/src/data-port.ts',
]
