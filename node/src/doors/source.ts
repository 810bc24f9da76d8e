/** What a remote address counts as where connections are added up: whoever has one address of an IPv6 network has 2⁶⁴ of them. */

const IPV6_GROUPS = 8
/** A network is the first half of an address. */
const NETWORK_GROUPS = 4
const UNKNOWN = 'unknown'

/** An IPv4 address as it is, the /64 of an IPv6 address; undefined, of a connection that is gone already, is a source, too. */
export function sourceOf(address: string | undefined): string {
  if (address === undefined) return UNKNOWN
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped !== null) return mapped[1] as string
  if (!address.includes(':')) return address
  const [head = '', tail] = (address.split('%')[0] as string).split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, IPV6_GROUPS - first.length - last.length)
  const groups = [...first, ...new Array<string>(zeros).fill('0'), ...last]
  // The loopback is no network.
  if (groups.slice(0, -1).every((group) => Number.parseInt(group, 16) === 0)) return address
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`
}
