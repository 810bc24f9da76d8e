/** The file of the admin token: who can read it can change the topology, so nobody else may. */
import { closeSync, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { ThermoclineError } from '@thermocline/protocol'

const MAX_TOKEN_BYTES = 4096
const OTHERS = 0o077
/** Of a file that root has made for this process's group, as Kubernetes mounts Secrets. */
const OTHERS_BUT_GROUP_READS = 0o037

/** @throws ThermoclineError `invalid_argument`, naming the file, what it is, and what was expected. */
export function readTokenFile(path: string, uid = process.getuid?.() ?? 0): string {
  const refuse = (what: string, cause?: unknown): ThermoclineError =>
    new ThermoclineError('invalid_argument', `--token-file: ${path} ${what}`, { cause })
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (cause) {
    throw refuse(`cannot be read (${(cause as Error).message})`, cause)
  }
  try {
    const wrong = faultOf(fstatSync(file), uid)
    if (wrong !== undefined) throw refuse(wrong)
    const bytes = Buffer.alloc(MAX_TOKEN_BYTES + 1)
    const length = readSync(file, bytes)
    const token = bytes.toString('latin1', 0, length).trim()
    if (length > MAX_TOKEN_BYTES) throw refuse(`is longer than ${MAX_TOKEN_BYTES} bytes; expected a token`)
    if (!/^[\x21-\x7e]+$/.test(token)) throw refuse('holds no token; expected printable ASCII without blanks')
    return token
  } finally {
    closeSync(file)
  }
}

function faultOf(stat: Stats, uid: number): string | undefined {
  if (!stat.isFile()) return 'is no regular file; expected one with the token'
  if (stat.uid !== uid && stat.uid !== 0) return `belongs to user ${stat.uid}; expected this process's user, ${uid}, or root`
  const excess = stat.mode & (stat.uid === uid ? OTHERS : OTHERS_BUT_GROUP_READS)
  if (excess === 0) return undefined
  const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
  return `has mode ${mode}, so that others can read or change it; expected 0600${stat.uid === uid ? '' : ', or 0640 as it is root’s'}: chmod it`
}
