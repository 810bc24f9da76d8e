/**
 * A volume's identity: which cluster, group and replica it belongs to, its incarnation, and how often a process started
 * on it. It stands in one small file that is replaced as a whole. ⚖1: the boot is durably raised before the first
 * message of a process.
 *
 *     fresh ──the topology fills its slot with it──► voter ──rolled back, replaced, damaged──► must rejoin
 *       └─────the slot is another volume's──────────► must rejoin
 *     must rejoin ──n−q+1 others name the incarnations, it takes the next──► learner ──every block votes──► voter
 *
 * ⚖15: a fresh volume votes nowhere; it becomes a voter at once only by the topology that fills its slot, once.
 */
import { crc32 } from 'node:zlib'
import { DISK_VERSION, type Incarnation, ThermoclineError } from '@thermocline/protocol'
import { z } from 'zod'
import type { StateFiles } from '../io/ports.ts'

export const VOLUME_FILE = 'volume.json'

/** What to do about a file that cannot be trusted: everything else in the folder hangs on what it says. */
const NEXT_STEP =
  'remove what is in the data directory and start the node again: the replica comes back empty and learns everything from its peers'

const nonceSchema = z.string().regex(/^[0-9a-f]{16}$/)

const volumeSchema = z.strictObject({
  formatVersion: z.number().int().min(1),
  clusterId: z.string().regex(/^[0-9a-f]{32}$/),
  group: z.number().int().min(0),
  replica: z.number().int().min(0),
  incarnation: z.strictObject({ number: z.number().int().min(0), nonce: nonceSchema }),
  boot: z.number().int().min(0),
  standing: z.enum(['fresh', 'voter', 'learner']),
  /** Why the volume must take a new incarnation before it may be a member again. */
  rejoin: z.strictObject({ reason: z.string(), dropEngine: z.boolean() }).optional(),
  /** CRC-32 of all the rest: a wrong boot or nonce would be believed. */
  check: z.string(),
})

/** Whether the volume's blocks vote: `learner` leaves it to what the log says of each. */
export type Standing = 'fresh' | 'voter' | 'learner'

export interface RejoinOrder {
  readonly reason: string
  /** The applied state cannot be trusted either. */
  readonly dropEngine: boolean
}

export interface Volume {
  readonly clusterId: string
  readonly group: number
  readonly replica: number
  readonly incarnation: Incarnation
  /** Of the running process. */
  readonly boot: number
  readonly standing: Standing
  readonly rejoin?: RejoinOrder | undefined
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
  const found: Volume =
    bytes === undefined
      ? {
          clusterId: owner.clusterId,
          group: owner.group,
          replica: owner.replica,
          incarnation: { number: 0, nonce: owner.freshNonce },
          boot: 0,
          standing: 'fresh' as const,
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
  if (bytes !== undefined) verifyVolume(parseVolume(bytes))
  return await saveVolume(files, { ...found, boot: found.boot + 1 })
}

/** Replaces the volume's file; what it says is durable when this resolves. */
export async function saveVolume(files: StateFiles, volume: Volume): Promise<Volume> {
  const { clusterId, group, replica, incarnation, boot, standing, rejoin } = volume
  const document = {
    formatVersion: DISK_VERSION,
    clusterId,
    group,
    replica,
    incarnation,
    boot,
    standing,
    rejoin,
    check: checkOf(volume),
  }
  await files.replace(VOLUME_FILE, new TextEncoder().encode(`${JSON.stringify(document, undefined, 2)}\n`))
  return volume
}

function checkOf({ clusterId, group, replica, incarnation, boot, standing, rejoin }: Volume): string {
  const { number, nonce } = incarnation
  const all = [clusterId, group, replica, number, nonce, boot, standing, rejoin?.reason ?? null, rejoin?.dropEngine ?? null]
  return crc32(JSON.stringify(all)).toString(16).padStart(8, '0')
}

/** @throws ThermoclineError `corrupt` if anything in the file has changed. */
export function verifyVolume(volume: StoredVolume): void {
  if (volume.check === checkOf(volume)) return
  throw new ThermoclineError('corrupt', `${VOLUME_FILE} fails its checksum; ${NEXT_STEP}`)
}

export type StoredVolume = z.infer<typeof volumeSchema>

/** @throws ThermoclineError as `openVolume`. */
export function parseVolume(bytes: Uint8Array): StoredVolume {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw new ThermoclineError('corrupt', `${VOLUME_FILE} is not JSON; ${NEXT_STEP}`, { cause })
  }
  const version = (document as { formatVersion?: unknown }).formatVersion
  if (typeof version === 'number' && version > DISK_VERSION) {
    throw new ThermoclineError(
      'unsupported_version',
      `${VOLUME_FILE}: the volume has format ${version}; this program reads up to ${DISK_VERSION}. Start a newer version on it`,
    )
  }
  if (typeof version === 'number' && version < DISK_VERSION) {
    throw new ThermoclineError(
      'unsupported_version',
      `${VOLUME_FILE}: the volume has format ${version}, of a build before the first release; this program reads format ${DISK_VERSION}: ${NEXT_STEP}`,
    )
  }
  const parsed = volumeSchema.safeParse(document)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new ThermoclineError(
      'corrupt',
      `${VOLUME_FILE}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}; ${NEXT_STEP}`,
    )
  }
  return parsed.data
}
