import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluate } from '@marcbachmann/cel-js'
import { crdOf, type Json, KINDS_OF_OURS, MEMORY_GROUP_KIND, PAXOS_GROUP_KIND, structuralSchema } from './crd.ts'
import { memoryGroupSpecSchema, memoryGroupStatusSchema } from './memory-group.ts'
import { paxosGroupSpecSchema, paxosGroupStatusSchema } from './paxos-group.ts'
import { MEMORY_GROUP_RULES, PAXOS_GROUP_RULES, type Rule } from './rules.ts'

type Fields = Record<string, unknown>

/** Every schema in a definition, with its path. */
function* schemasOf(schema: Json, path = ''): Generator<{ path: string; schema: Json }> {
  yield { path, schema }
  for (const [name, inner] of Object.entries((schema.properties ?? {}) as Fields)) yield* schemasOf(inner as Json, `${path}.${name}`)
  if (schema.items !== undefined) yield* schemasOf(schema.items as Json, `${path}[]`)
  if (typeof schema.additionalProperties === 'object') yield* schemasOf(schema.additionalProperties as Json, `${path}{}`)
}

/** Of every kind: where each schema stands, and the schema. */
const ALL = KINDS_OF_OURS.flatMap((kind) =>
  [...schemasOf(rootOf(crdOf(kind, { withCel: false })))].map(({ path, schema }) => ({ path: `${kind.names.kind}${path}`, schema })),
)

function rootOf(crd: Json): Json {
  const [version] = (crd.spec as { versions: { schema: { openAPIV3Schema: Json } }[] }).versions
  return (version as { schema: { openAPIV3Schema: Json } }).schema.openAPIV3Schema
}

const SCHEMA_KEYWORDS = new Set([
  ...['type', 'format', 'description', 'default', 'enum', 'pattern', 'nullable', 'required', 'properties', 'items', 'additionalProperties'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'anyOf'],
  ...['x-kubernetes-int-or-string', 'x-kubernetes-preserve-unknown-fields', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys'],
])

test('the schema is structural: a type everywhere, keywords that Kubernetes knows, no unions but int-or-string', () => {
  for (const { path, schema } of ALL) {
    if (schema['x-kubernetes-int-or-string'] === true) continue
    assert.equal(typeof schema.type, 'string', `${path} has no type`)
    assert.equal(schema.anyOf, undefined, `${path} is a union`)
    for (const key of Object.keys(schema)) assert.ok(SCHEMA_KEYWORDS.has(key), `${path}: ${key}`)
    assert.ok(!(schema.properties !== undefined && schema.additionalProperties !== undefined), `${path}: fields and a map`)
  }
})

test('an integer’s bounds fit its format: else a server refuses every value', () => {
  for (const { path, schema } of ALL) {
    if (schema.type !== 'integer') continue
    const limit = schema.format === 'int32' ? 2 ** 31 : 2 ** 53
    for (const bound of [schema.minimum, schema.maximum]) {
      assert.ok(bound === undefined || Math.abs(bound as number) < limit, `${path}: ${bound} does not fit ${schema.format}`)
    }
  }
})

test('keys of a list are required in its items: servers refuse the definition otherwise', () => {
  for (const { path, schema } of ALL) {
    for (const key of (schema['x-kubernetes-list-map-keys'] ?? []) as string[]) {
      assert.ok(((schema.items as Json).required as string[]).includes(key), `${path}: ${key}`)
    }
  }
})

/** What a server fills in: each default, then those within it. */
function withDefaults(schema: Json, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => withDefaults(schema.items as Json, one))
  const result: Fields = { ...value }
  for (const [name, inner] of Object.entries((schema.properties ?? {}) as Fields)) {
    const given = result[name] ?? structuredClone((inner as Json).default)
    if (given !== undefined) result[name] = withDefaults(inner as Json, given)
  }
  return result
}

test('defaults of the definition are those of the schema', () => {
  const memory = structuralSchema(memoryGroupSpecSchema)
  for (const spec of [{}, { newerThan: '3d', cache: { size: '2Gi' }, zones: {} }]) {
    const full = { paxosGroupRef: { name: 'main' }, ...spec }
    assert.deepEqual(withDefaults(memory, full), memoryGroupSpecSchema.parse(full))
  }
  const schema = structuralSchema(paxosGroupSpecSchema)
  for (const spec of [{}, { maintenance: { windows: [{ start: '02:00', duration: '4h' }] } }, { storage: { size: '1Ti' }, zones: {} }]) {
    assert.deepEqual(withDefaults(schema, spec), paxosGroupSpecSchema.parse(spec))
  }
})

test('a status of every field fits its schema', () => {
  const names = [...schemasOf(structuralSchema(paxosGroupStatusSchema))].map(({ path }) => path)
  for (const path of ['.conditions[].lastTransitionTime', '.groupStatuses[].replicas[].lag', '.jobs[].etaSeconds', '.topologyEpoch']) {
    assert.ok(names.includes(path), path)
  }
  const memory = [...schemasOf(structuralSchema(memoryGroupStatusSchema))].map(({ path }) => path)
  for (const path of ['.conditions[].reason', '.groupStatuses[].machines[].listed', '.scalingIn.unlistedAt', '.selector'])
    assert.ok(memory.includes(path), path)
})

test('columns and the scale subresource are of fields that there are', () => {
  for (const kind of KINDS_OF_OURS) {
    const paths = [...schemasOf(rootOf(crdOf(kind, { withCel: false })))].map(({ path }) => path)
    const used = [...Object.values(kind.scale), ...kind.columns.map(({ jsonPath }) => jsonPath)]
    for (const path of used.filter((one) => !one.includes('[?') && !one.startsWith('.metadata'))) assert.ok(paths.includes(path), path)
  }
})

test('rules stand at their places, only where they are asked for', () => {
  for (const kind of [PAXOS_GROUP_KIND, MEMORY_GROUP_KIND]) {
    const rulesOf = (withCel: boolean) =>
      [...schemasOf(rootOf(crdOf(kind, { withCel })))].flatMap(({ path, schema }) =>
        ((schema['x-kubernetes-validations'] ?? []) as { rule: string }[]).map(({ rule }) => `${path}: ${rule}`),
      )
    assert.deepEqual(rulesOf(false), [])
    const wanted = kind.rules.map(({ path, cel }) => `${path.map((name) => `.${name}`).join('')}: ${cel}`)
    assert.deepEqual(rulesOf(true).sort(), wanted.sort())
  }
})

// Every rule, as CEL and as a function, over one table.

const resource = (spec: Fields = {}, name = 'main'): Json =>
  ({ metadata: { name }, spec: paxosGroupSpecSchema.parse(spec) }) as unknown as Json

const memory = (spec: Fields = {}, name = 'cache'): Json =>
  ({ metadata: { name }, spec: memoryGroupSpecSchema.parse({ paxosGroupRef: { name: 'main' }, ...spec }) }) as unknown as Json

interface Case {
  /** PaxosGroup's unless said. */
  readonly rules?: readonly Rule[]
  readonly what: string
  readonly before?: Json
  readonly after: Json
  /** The messages' beginnings, up to the colon. */
  readonly refused: readonly string[]
}

const MEMORY_CASES: readonly Case[] = [
  { what: 'the least', after: memory(), refused: [] },
  { what: 'a name of 41', after: memory({}, 'n'.repeat(41)), refused: ['metadata.name'] },
  { what: 'nothing changed', before: memory(), after: memory(), refused: [] },
  { what: 'another cluster', before: memory(), after: memory({ paxosGroupRef: { name: 'other' } }), refused: ['spec.paxosGroupRef.name'] },
  { what: 'other replicas, groups, traffic', before: memory(), after: memory({ replicas: 0, groups: 3, trafficPercent: 5 }), refused: [] },
  { what: 'a split point', before: memory(), after: memory({ newerThan: '3d' }), refused: [] },
  { what: 'a split point of an hour and a half', after: memory({ newerThan: '1h30m' }), refused: [] },
  { what: 'a split point of nothing', after: memory({ newerThan: '0s' }), refused: ['spec.newerThan'] },
  { what: 'a split point that is too near', after: memory({ newerThan: '999ms' }), refused: ['spec.newerThan'] },
  { what: 'a split point of a hundred years', after: memory({ newerThan: '876000h' }), refused: [] },
  { what: 'a split point of more', after: memory({ newerThan: '876001h' }), refused: ['spec.newerThan'] },
  { what: 'no warm-up', after: memory({ warmUp: { duration: '0s' } }), refused: [] },
  { what: 'the longest warm-up', after: memory({ warmUp: { duration: '60m' } }), refused: [] },
  { what: 'a warm-up that is too long', after: memory({ warmUp: { duration: '61m' } }), refused: ['spec.warmUp.duration'] },
  { what: 'a warm-up of days', after: memory({ warmUp: { duration: '1d' } }), refused: ['spec.warmUp.duration'] },
].map((one) => ({ ...one, what: `MemoryGroup: ${one.what}`, rules: MEMORY_GROUP_RULES }))

const CASES: readonly Case[] = [
  ...MEMORY_CASES,
  { what: 'the least', after: resource(), refused: [] },
  { what: 'a name of 40', after: resource({}, 'n'.repeat(40)), refused: [] },
  { what: 'a name of 41', after: resource({}, 'n'.repeat(41)), refused: ['metadata.name'] },
  { what: 'five replicas', after: resource({ replicas: 5 }), refused: [] },
  { what: 'four replicas', after: resource({ replicas: 4 }), refused: ['spec.replicas'] },
  { what: 'nothing changed', before: resource(), after: resource(), refused: [] },
  { what: 'more groups', before: resource(), after: resource({ groups: 4 }), refused: [] },
  { what: 'other replicas', before: resource(), after: resource({ replicas: 5 }), refused: ['spec.replicas'] },
  { what: 'other replicas, and four', before: resource(), after: resource({ replicas: 4 }), refused: ['spec.replicas', 'spec.replicas'] },
  { what: 'another slice', before: resource(), after: resource({ sliceDuration: '1h' }), refused: ['spec.sliceDuration'] },
  { what: 'a slice in days', after: resource({ sliceDuration: '2d' }), refused: [] },
  { what: 'the longest slice', after: resource({ sliceDuration: '4294967295ms' }), refused: [] },
  { what: 'a slice that is too long', after: resource({ sliceDuration: '4294967296ms' }), refused: ['spec.sliceDuration'] },
  { what: 'a slice that is too short', after: resource({ sliceDuration: '59s' }), refused: ['spec.sliceDuration'] },
  { what: 'a class from the first', after: resource({ storage: { className: 'fast' } }), refused: [] },
  {
    what: 'the same class, more space',
    before: resource({ storage: { className: 'fast' } }),
    after: resource({ storage: { className: 'fast', size: '20Gi' } }),
    refused: [],
  },
  { what: 'a class later', before: resource(), after: resource({ storage: { className: 'fast' } }), refused: ['spec.storage.className'] },
  { what: 'no class later', before: resource({ storage: { className: 'fast' } }), after: resource(), refused: ['spec.storage.className'] },
  {
    what: 'another class',
    before: resource({ storage: { className: 'fast' } }),
    after: resource({ storage: { className: 'slow' } }),
    refused: ['spec.storage.className'],
  },
]

const at = (root: Json | undefined, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, name) => (value as Fields | undefined)?.[name], root)

/** Integers of a schema are `int` in CEL, where a number of JavaScript is a `double`. */
function celValue(value: unknown): unknown {
  if (typeof value === 'number') return BigInt(value)
  if (Array.isArray(value)) return value.map(celValue)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([name, inner]) => [name, celValue(inner)]),
  )
}

function verdicts(
  judge: (rule: Rule, self: unknown, oldSelf: unknown) => boolean,
  { rules = PAXOS_GROUP_RULES, before, after }: Case,
): string[] {
  return rules
    .filter(({ isTransition }) => isTransition !== true || before !== undefined)
    .filter((rule) => !judge(rule, at(after, rule.path), at(before, rule.path)))
    .map(({ message }) => message.split(':')[0] as string)
}

for (const one of CASES) {
  test(`rules: ${one.what}`, () => {
    const asFunctions = verdicts((rule, self, oldSelf) => rule.holds(self, oldSelf), one)
    const asCel = verdicts((rule, self, oldSelf) => {
      const context = { self: celValue(self), ...(rule.isTransition === true ? { oldSelf: celValue(oldSelf) } : {}) }
      const result: unknown = evaluate(rule.cel, context as Parameters<typeof evaluate>[1])
      assert.equal(typeof result, 'boolean', rule.cel)
      return result as boolean
    }, one)
    assert.deepEqual([asFunctions, asCel], [one.refused, one.refused])
  })
}

test('every rule refuses something in the table', () => {
  for (const { rules: all } of KINDS_OF_OURS) {
    for (const rule of all) {
      const isRefused = CASES.some(
        ({ rules = PAXOS_GROUP_RULES, before, after }) =>
          rules === all && (rule.isTransition !== true || before !== undefined) && !rule.holds(at(after, rule.path), at(before, rule.path)),
      )
      assert.ok(isRefused, rule.cel)
    }
  }
})
