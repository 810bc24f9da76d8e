/**
 * Takes out of an object of Kubernetes what may hold a secret, and what only makes it long:
 *
 * - `managedFields`, and annotations that hold the object as somebody applied it: copies of fields, Secret data among them;
 * - data of Secrets, wherever an object of that kind stands;
 * - values of environment variables, but for our own; headers of probes; strings under names like `password`;
 * - what follows a flag like `--token` in arguments;
 * - binary data of ConfigMaps, and a node's list of images.
 *
 * References (`secretKeyRef`, `secretName`) stay: they say where a value comes from, not what it is. Pure.
 */
import { isSensitiveName, LEFT_OUT } from './redact-text.ts'

type Fields = Readonly<Record<string, unknown>>

/** Hold what was applied, by kubectl and by tools like it. */
const APPLIED_ANNOTATION = /(?:last-applied|applied-configuration|kapp\.k14s\.io\/original|objectset\.rio\.cattle\.io\/applied)/
/** Any other that holds an object. */
const LOOKS_APPLIED = /"(?:apiVersion|stringData)"\s*:/
const MAX_ANNOTATION = 4096

/** Variables whose values are settings of ours or of the runtime. */
const OWN_VARIABLE = /^(?:THERMOCLINE_\w+|NODE_OPTIONS|NODE_ENV|UV_THREADPOOL_SIZE|TZ|LANG)$/
/** Says where a value is, not what it is. */
const REFERENCE = /(?:name|ref|file|path|namespace)$/i

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The same object without what must not leave the cluster. */
export function redactObject(value: unknown): unknown {
  return redactAt(value, '')
}

function redactAt(value: unknown, key: string): unknown {
  if (typeof value === 'string') return isSensitiveName(key) && !REFERENCE.test(key) && value !== '' ? LEFT_OUT : value
  if (Array.isArray(value)) {
    if (key === 'env' || key === 'httpHeaders') return value.map((one) => redactVariable(one, key))
    if (key === 'args' || key === 'command') return redactArguments(value)
    return value.map((one) => redactAt(one, ''))
  }
  if (!isFields(value)) return value
  if (value.kind === 'Secret' && ('data' in value || 'stringData' in value)) return redactSecret(value)
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, field]) => {
      if (name === 'managedFields') return []
      if (name === 'annotations' && isFields(field)) return [[name, redactAnnotations(field)]]
      if (name === 'binaryData' && isFields(field)) return [[name, Object.fromEntries(Object.keys(field).map((one) => [one, LEFT_OUT]))]]
      // Of a node: thousands of lines, of everybody's images.
      if (name === 'images' && 'nodeInfo' in value) return []
      return [[name, redactAt(field, name)]]
    }),
  )
}

function redactSecret({ apiVersion, kind, metadata }: Fields): Fields {
  const { name, namespace } = isFields(metadata) ? metadata : {}
  return { apiVersion, kind, metadata: { name, namespace }, data: LEFT_OUT }
}

function redactAnnotations(annotations: Fields): Fields {
  return Object.fromEntries(
    Object.entries(annotations).map(([name, value]) => {
      const text = String(value)
      const isApplied = APPLIED_ANNOTATION.test(name) || LOOKS_APPLIED.test(text) || text.length > MAX_ANNOTATION
      return [name, isApplied ? LEFT_OUT : redactAt(value, name)]
    }),
  )
}

/** Literal values are left out, too: people do put passwords there. */
function redactVariable(variable: unknown, key: string): unknown {
  if (!isFields(variable) || typeof variable.value !== 'string' || variable.value === '') return redactAt(variable, '')
  const name = String(variable.name)
  const isOwn = key === 'env' && OWN_VARIABLE.test(name) && !isSensitiveName(name)
  return isOwn ? variable : { ...variable, value: LEFT_OUT }
}

/** `--token x` in two arguments; `--token=x` is found by its form. */
function redactArguments(args: readonly unknown[]): unknown[] {
  return args.map((argument, at) => {
    const before = args[at - 1]
    const isValue = typeof before === 'string' && before.startsWith('-') && !before.includes('=') && isSensitiveName(before)
    return isValue && typeof argument === 'string' ? LEFT_OUT : argument
  })
}
