/**
 * Which pages of a browser may ask a node, and by which names. On a laptop the port is on loopback, without a password, and every web page
 * that its user looks at can send requests there: across sites, or, under a name of its own that it lets resolve to 127.0.0.1 (DNS
 * rebinding), as if it were of the same site.
 *
 * So a port on loopback answers only to names of loopback and those that it is told of. A port elsewhere, as in Kubernetes, is asked by
 * addresses of pods and names of Services, which a node does not know: it answers to any unless it is told of some. Everywhere requests are
 * refused that a browser says come from another site, reads too: they reveal data.
 */
import { splitAddress, ThermoclineError } from '@thermocline/protocol'

/** Accepts any name. */
export const ANY_HOST = '*'
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]']

/** Names, lower-case and without a port. */
export type AllowedHosts = ReadonlySet<string>

/**
 * @param listen where the port listens, host:port.
 * @param told what --allow-host says.
 */
export function allowedHosts(listen: string, told: readonly string[]): AllowedHosts {
  const { host } = splitAddress(listen)
  const isLoopback = host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
  if (!isLoopback && told.length === 0) return new Set([ANY_HOST])
  return new Set([...LOOPBACK_NAMES, ...told.map((name) => name.toLowerCase())])
}

export interface AskedBy {
  readonly host?: string | undefined
  readonly origin?: string | undefined
  readonly 'sec-fetch-site'?: string | string[] | undefined
}

/** @throws ThermoclineError `forbidden`, naming the header, its value and what was expected. */
export function checkAskedBy(headers: AskedBy, allowed: AllowedHosts): void {
  const { host, origin } = headers
  const asked = host === undefined ? undefined : nameOf(host)
  if (!allowed.has(ANY_HOST) && (asked === undefined || !allowed.has(asked))) {
    throw forbidden('Host', host, `one of ${[...allowed].join(', ')}; --allow-host adds names`)
  }
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw forbidden('Sec-Fetch-Site', String(site), 'same-origin or none: pages of other sites may not ask')
  }
  if (origin === undefined) return
  const [, named] = /^https?:\/\/([^/]+)$/i.exec(origin) ?? []
  const isAllowed = named !== undefined && (named.toLowerCase() === host?.toLowerCase() || allowed.has(nameOf(named) ?? ''))
  if (!isAllowed) throw forbidden('Origin', origin, 'the host that is asked, or one that is allowed: pages of other sites may not ask')
}

/** `host` or `host:port` → the host, lower-case; undefined if it is neither. */
function nameOf(host: string): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(host)?.[1]?.toLowerCase()
}

const MAX_SHOWN_CHARS = 80

function forbidden(header: string, value: string | undefined, expected: string): ThermoclineError {
  const shown = value === undefined ? 'is missing' : JSON.stringify(value.slice(0, MAX_SHOWN_CHARS))
  return new ThermoclineError('forbidden', `headers.${header}: ${shown}; expected ${expected}`)
}
