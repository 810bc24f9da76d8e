/** Where the replicas of a local cluster live: folders under --data, ports from a base. Pure. */
import { MAX_GROUPS, ThermoclineError } from '@thermocline/protocol'

/** Ports per replica: data, HTTP and eight to spare. */
export const PORT_STEP = 10
const MAX_PORT = 65_535

export interface ReplicaPlace {
  readonly group: number
  /** Of a memory node: the machine in its group. */
  readonly replica: number
  /** `g0-r1`, and `m0-1` for a memory node. */
  readonly name: string
  readonly data: string
  readonly http: string
}

export interface ClusterShape {
  readonly groups: number
  readonly replicas: number
}

/** @throws ThermoclineError `invalid_argument` */
export function checkShape({ groups, replicas }: ClusterShape): void {
  if (![1, 3, 5].includes(replicas)) throw new ThermoclineError('invalid_argument', `--replicas: ${replicas} is not 1, 3 or 5`)
  if (!Number.isInteger(groups) || groups < 1 || groups > MAX_GROUPS) {
    throw new ThermoclineError('invalid_argument', `--groups: ${groups} is not a whole number from 1 to ${MAX_GROUPS}`)
  }
}

/**
 * Places every replica: data port base + 10·(group · replicas + replica), HTTP port one above.
 * @throws ThermoclineError `invalid_argument` if a port would be out of range.
 */
export function placeByBase(shape: ClusterShape, base: number): ReplicaPlace[] {
  checkShape(shape)
  const last = base + PORT_STEP * (shape.groups * shape.replicas - 1) + 1
  if (!Number.isInteger(base) || base < 1 || last > MAX_PORT) {
    throw new ThermoclineError('invalid_argument', `--port: ${base} to ${last} are not ports from 1 to ${MAX_PORT}`)
  }
  return places(shape, (at) => ({ data: base + PORT_STEP * at, http: base + PORT_STEP * at + 1 }))
}

/**
 * Places memory nodes, `machines` for each of the groups, on the ports after those of the replicas.
 * @throws ThermoclineError `invalid_argument` if a port would be out of range.
 */
export function placeMemoryByBase(shape: ClusterShape, machines: number, base: number): ReplicaPlace[] {
  const first = base + PORT_STEP * shape.groups * shape.replicas
  const last = first + PORT_STEP * (shape.groups * machines - 1) + 1
  if (last > MAX_PORT) throw new ThermoclineError('invalid_argument', `--memory: ${machines} needs ports to ${last}; there are ${MAX_PORT}`)
  return memoryPlaces(shape.groups, machines, (at) => ({ data: first + PORT_STEP * at, http: first + PORT_STEP * at + 1 }))
}

/** Places memory nodes on ports that were found free: two for each. */
export function placeMemoryOn(shape: ClusterShape, machines: number, ports: readonly number[]): ReplicaPlace[] {
  return memoryPlaces(shape.groups, machines, (at) => ({ data: ports[2 * at] as number, http: ports[2 * at + 1] as number }))
}

function memoryPlaces(groups: number, machines: number, portsOf: (at: number) => { data: number; http: number }): ReplicaPlace[] {
  return Array.from({ length: groups * machines }, (_, at) => {
    const { data, http } = portsOf(at)
    const group = Math.floor(at / machines)
    const replica = at % machines
    return { group, replica, name: `m${group}-${replica}`, data: `127.0.0.1:${data}`, http: `127.0.0.1:${http}` }
  })
}

/** Places every replica on ports that were found free: two per replica. */
export function placeOn(shape: ClusterShape, ports: readonly number[]): ReplicaPlace[] {
  checkShape(shape)
  return places(shape, (at) => ({ data: ports[2 * at] as number, http: ports[2 * at + 1] as number }))
}

function places({ groups, replicas }: ClusterShape, portsOf: (at: number) => { data: number; http: number }): ReplicaPlace[] {
  return Array.from({ length: groups * replicas }, (_, at) => {
    const { data, http } = portsOf(at)
    const group = Math.floor(at / replicas)
    const replica = at % replicas
    return { group, replica, name: `g${group}-r${replica}`, data: `127.0.0.1:${data}`, http: `127.0.0.1:${http}` }
  })
}
