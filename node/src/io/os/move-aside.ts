/** Takes a folder out of the way, whole and durably: one rename within the volume, so that no room is needed and nothing is half done. */
import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ThermoclineError } from '@thermocline/protocol'
import { syncFolder } from './log-folder.ts'

const MOST_OF_A_NAME = 1000

/** @returns where it is now: beside where it was, by the name of its owner if that is known. @throws ThermoclineError `unavailable` */
export async function moveAside(
  path: string,
  owner: { readonly clusterId: string; readonly group: number; readonly replica: number } | undefined,
): Promise<string> {
  const whose = owner === undefined ? 'unknown' : `${owner.clusterId}-g${owner.group}-r${owner.replica}`
  const names = Array.from({ length: MOST_OF_A_NAME }, (_, count) => `${path}.foreign-${whose}${count === 0 ? '' : `-${count}`}`)
  const free = names.find((name) => !existsSync(name))
  try {
    if (free === undefined) throw new Error(`${MOST_OF_A_NAME} folders of that name are there already`)
    await rename(path, free)
    await syncFolder(dirname(path))
    return free
  } catch (cause) {
    throw new ThermoclineError('unavailable', `${path} could not be moved aside: ${(cause as Error).message}; move it by hand`, { cause })
  }
}
