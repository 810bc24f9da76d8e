/** Where things stand in a bundle. Names of objects, containers and files become names of files that every system takes. Pure. */

const MAX_SEGMENT = 200

/** One segment of a path: no separators, nothing that leads elsewhere. */
export function segment(name: string): string {
  const clean = name.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, MAX_SEGMENT)
  return clean === '' || /^\.+$/.test(clean) ? `_${clean}` : clean
}

export const pathOf = (...names: readonly string[]): string => names.map(segment).join('/')

/** The bundle's folder, and the name of its file without an ending, from a time like 2025-11-25T13:16:00.000Z: sorts by time. */
export function bundleName(isoTime: string): string {
  const [day = '', time = ''] = isoTime.split('T')
  return `thermocline-support-${day.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}`
}
