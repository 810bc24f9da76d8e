/**
 * A volume's identity: which cluster, group and replica it belongs to, its incarnation, and how often a process started
 * on it. It stands in one small file that is replaced as a whole. ⚖1: the boot is durably raised before the first
 * message of a process.
 */
import { DISK_VERSION, type Incarnation, ThermoclineError } from '@thermocline/protocol'
import { z } from 'zod'
import type { StateFiles } from '../io/ports.ts'

export const VOLUME_FILE = 'volume.json'

const volumeSchema = z.strictObject({
  formatVersion: z.number().int().min(1),
  clusterId: z.string().regex(/^[0-9a-f]{32}$/),
  group: z.number().int().min(0),
  replica: z.number().int().min(0),
  incarnation: z.strictObject({ number: z.number().int().min(0), nonce: z.string().regex(/^[0-9a-f]{16}$/) }),
  boot: z.number().int().min(0),
})

export interface Volume {
  readonly clusterId: string
  readonly group: number
  readonly replica: number
  readonly incarnation: Incarnation
  /** Of the running process. */
  readonly boot: number
}

export interface VolumeOwner {
  readonly clusterId: string
  readonly group: number
  readonly replica: number
  /** 16 random hexadecimal digits, used if the volume is fresh. */
  readonly freshNonce: string
}

/**
 * Opens the volume for a new process: formats a fresh one, refuses a foreign or newer one, raises the boot.
 * @throws ThermoclineError `wrong_cluster`, `unsupported_version`, `corrupt`.
 */
export async function openVolume(files: StateFiles, owner: VolumeOwner): Promise<Volume> {
  const bytes = await files.read(VOLUME_FILE)
  const found =
    bytes === undefined
      ? {
          formatVersion: DISK_VERSION,
          clusterId: owner.clusterId,
          group: owner.group,
          replica: owner.replica,
          incarnation: { number: 0, nonce: owner.freshNonce },
          boot: 0,
        }
      : parseVolume(bytes)
  if (found.clusterId !== owner.clusterId) {
    throw new ThermoclineError(
      'wrong_cluster',
      `the data directory belongs to cluster ${found.clusterId}, not to ${owner.clusterId}; choose another directory, or start it with its own cluster`,
    )
  }
  if (found.group !== owner.group || found.replica !== owner.replica) {
    throw new ThermoclineError(
      'wrong_cluster',
      `the data directory belongs to group ${found.group} replica ${found.replica}, not to group ${owner.group} replica ${owner.replica}; choose another directory`,
    )
  }
  const raised = { ...found, formatVersion: DISK_VERSION, boot: found.boot + 1 }
  await files.replace(VOLUME_FILE, new TextEncoder().encode(`${JSON.stringify(raised, undefined, 2)}\n`))
  return raised
}

/** @throws ThermoclineError as `openVolume`. */
export function parseVolume(bytes: Uint8Array): z.infer<typeof volumeSchema> {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw new ThermoclineError('corrupt', `${VOLUME_FILE} is not JSON`, { cause })
  }
  const version = (document as { formatVersion?: unknown }).formatVersion
  if (typeof version === 'number' && version > DISK_VERSION) {
    throw new ThermoclineError(
      'unsupported_version',
      `${VOLUME_FILE}: the volume has format ${version}; this program reads up to ${DISK_VERSION}. Start a newer version on it`,
    )
  }
  const parsed = volumeSchema.safeParse(document)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new ThermoclineError('corrupt', `${VOLUME_FILE}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}`)
  }
  return parsed.data
}
