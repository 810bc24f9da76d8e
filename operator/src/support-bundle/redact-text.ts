/**
 * Takes secrets out of text: logs, metrics, answers, messages of errors. It knows forms, not values, so it is the second line
 * of defence; the first is not to ask for secrets at all (`selection.ts`), the other to leave fields out (`redact-object.ts`).
 * Values that the program itself holds, such as the token it is let in with, are taken out wherever they stand. Pure.
 */

export const LEFT_OUT = '[left out]'

/** The end of a name whose value is nobody's business: `password`, `adminToken`, `api_key`. */
const SENSITIVE_END = '(?:password|passwd|passphrase|secret|token|credentials?|(?:api|private|access|secret|signing|encryption)[-_]?key)'
const sensitiveName = new RegExp(`${SENSITIVE_END}$`, 'i')

/** Whether what is called so is taken for a secret. Names of files and of Secrets (`tokenFile`, `secretName`) are not. */
export const isSensitiveName = (name: string): boolean => sensitiveName.test(name)

/** Known values shorter than this would take words out of the text. */
const MIN_KNOWN_LENGTH = 8

interface Rule {
  readonly pattern: RegExp
  readonly becomes: string
}

/** `name: value` in JSON, in JSON within JSON, in YAML, in flags and in logs; true, false, null and numbers stay. */
const ASSIGNED = new RegExp(
  `(${SENSITIVE_END}(?:\\\\*["'])?\\s*[:=]\\s*)` +
    `(?:"(?:[^"\\\\\\n]|\\\\.)*"|'[^'\\n]*'|(\\\\+["'])[^\\n]*?\\\\+["']|(?!(?:true|false|null|-?[\\d.]+)\\b|[{["'\\\\<])[^\\s,;"'\\\\}&]+)`,
  'gi',
)

const RULES: readonly Rule[] = [
  // A key that was cut off has no end line; in JSON its line ends are written as \n.
  {
    pattern: /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g,
    becomes: `-----BEGIN $1----- ${LEFT_OUT}`,
  },
  { pattern: /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, becomes: LEFT_OUT },
  { pattern: /\b(authorization\\*["']?\s*[:=]\s*\\*["']?(?:[a-z]+ +)?)[^\s"'\\,}]+/gi, becomes: `$1${LEFT_OUT}` },
  { pattern: /\b(bearer +)[\w.~+/=-]{8,}/gi, becomes: `$1${LEFT_OUT}` },
  // scheme://user:password@host
  { pattern: /\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@"'\\]+@/gi, becomes: `$1${LEFT_OUT}@` },
]

/** The text without what looks like a secret, and without the values that are `known` to be one. */
export function redactText(text: string, known: readonly string[] = []): string {
  let clean = text
  for (const value of known) if (value.length >= MIN_KNOWN_LENGTH) clean = clean.replaceAll(value, LEFT_OUT)
  for (const { pattern, becomes } of RULES) clean = clean.replace(pattern, becomes)
  return clean.replace(ASSIGNED, (whole: string, name: string, escapedQuote: string | undefined) => {
    const value = whole.slice(name.length)
    const quote = escapedQuote ?? (/^["']/.test(value) ? value[0] : '')
    return `${name}${quote}${LEFT_OUT}${quote}`
  })
}
