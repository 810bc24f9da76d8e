/** What drives a cluster as its user would, for other programs that do. */
export { Load } from './load.ts'
export { handTopology, replicaStatus } from './node-http.ts'
export { type Phase, phaseTable } from './phase.ts'
export { StorageProcess } from './storage-process.ts'
export { Up } from './up.ts'
