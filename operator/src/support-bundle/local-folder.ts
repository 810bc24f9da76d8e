/** What the folder of a local cluster has: its description, ends of logs, names and sizes of files. Never its token, never data. */
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { MAX_LISTED_FILES, MAX_LOG_BYTES, MAX_LOG_FILES } from './bounds.ts'
import { pathOf } from './paths.ts'
import type { Collecting, Content } from './ports.ts'

const DESCRIPTION = 'cluster.json'
const TOKEN = 'token'

export async function collectFolder(folder: string, to: Collecting): Promise<void> {
  to.say(`the folder ${folder}`)
  const names = await readdir(folder).catch((error: Error) => error)
  if (names instanceof Error) return to.miss('cluster', `folder ${folder}`, names.message)
  const logs = names.filter((name) => name.endsWith('.log')).sort()
  for (const name of logs.slice(MAX_LOG_FILES)) to.leaveOut(pathOf('cluster', name), `end of ${name}`, `over ${MAX_LOG_FILES} logs`)
  await to.addAll([
    { path: `cluster/${DESCRIPTION}`, source: `file ${DESCRIPTION}`, read: () => readEnd(join(folder, DESCRIPTION)) },
    { path: 'cluster/files.txt', source: `names and sizes in ${folder}`, read: () => listFiles(folder) },
    ...logs.slice(0, MAX_LOG_FILES).map((name) => ({
      path: pathOf('cluster', name),
      source: `end of ${name}`,
      read: () => readEnd(join(folder, name)),
    })),
  ])
}

/** The cluster's admin token, to be taken out of everything; undefined if there is none to read. */
export async function tokenOf(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, TOKEN), 'utf8').catch(() => '')
  return text.trim() === '' ? undefined : text.trim()
}

/** A file, or the end of a long one from a whole line on. */
export async function readEnd(path: string, most: number = MAX_LOG_BYTES): Promise<Content> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const length = Math.min(size, most)
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await file.read(bytes, 0, length, size - length)
    const text = bytes.toString('utf8', 0, bytesRead)
    if (size <= most) return { body: text }
    return { body: text.slice(text.indexOf('\n') + 1), partial: `the last ${length} of ${size} bytes` }
  } finally {
    await file.close()
  }
}

/** A line for each file: size, when it was last written, path. */
async function listFiles(folder: string): Promise<Content> {
  const lines: string[] = []
  const walk = async (at: string): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      if (lines.length >= MAX_LISTED_FILES) return
      const path = join(at, entry.name)
      if (entry.isDirectory()) await walk(path)
      else if (entry.isFile()) lines.push(await lineOf(path, relative(folder, path)))
    }
  }
  await walk(folder)
  const partial = lines.length >= MAX_LISTED_FILES ? `the first ${MAX_LISTED_FILES} files` : undefined
  return { body: `${lines.join('\n')}\n`, partial }
}

/** Files come and go while a node runs. */
async function lineOf(path: string, name: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found === undefined
    ? `           ?  gone                      ${name}`
    : `${String(found.size).padStart(12)}  ${found.mtime.toISOString()}  ${name}`
}
