/** Facts about this machine that explain how nodes on it fare. No names of people or hosts. */
import { statfs } from 'node:fs/promises'
import { availableParallelism, cpus, freemem, loadavg, release, totalmem, type, uptime } from 'node:os'

export interface Runtime {
  readonly os: string
  readonly architecture: string
  readonly node: string
}

export const runtimeFacts = (): Runtime => ({ os: `${type()} ${release()}`, architecture: process.arch, node: process.versions.node })

/** `folders` are those whose disks matter. */
export async function machineFacts(folders: readonly string[]): Promise<object> {
  const disks = await Promise.all(folders.map(async (folder) => ({ folder, ...(await diskFacts(folder)) })))
  return {
    ...runtimeFacts(),
    cpus: { model: cpus()[0]?.model ?? 'unknown', count: cpus().length, usable: availableParallelism(), load: loadavg() },
    memory: { totalBytes: totalmem(), freeBytes: freemem() },
    uptimeSeconds: Math.round(uptime()),
    disks,
  }
}

async function diskFacts(folder: string): Promise<object> {
  try {
    const { type: kind, bsize, blocks, bfree, bavail } = await statfs(folder)
    return { type: `0x${kind.toString(16)}`, totalBytes: blocks * bsize, freeBytes: bfree * bsize, availableBytes: bavail * bsize }
  } catch (error) {
    return { error: (error as Error).message }
  }
}
