/** Names of the files that caches leave in shared memory, where those of many clusters may stand. */

/** What the names of all cache files of a cluster begin with. */
export function cacheFilePrefix(clusterId: string): string {
  return `thermocline-${clusterId.slice(0, 12)}-`
}
