/**
 * The operator's word on where connections may lead: hosts and networks, each for every organization or for one. Without
 * it nothing private is reached; and a secret that is bound to nothing else goes only to hosts that stand here.
 */
import { BlockList, isIP } from 'node:net'
import { listed } from './private-addresses.ts'

export interface AllowedHost {
  /** Of every one if there is none. */
  organization?: string
  /** A name, or an address. */
  host: string
  /** Of a network: how many bits of the address count. */
  prefix?: number
  /** Any if there is none. */
  port?: number
}

export interface Place {
  hostname: string
  port: number
}

/** Of an address over HTTP. */
export function placeOf({ hostname, port, protocol }: URL): Place {
  const usual = protocol === 'https:' ? 443 : 80
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port: Number(port || usual) }
}

const ENTRY =
  /^(?:([a-z0-9_-]+)=)?(?:\[([0-9a-f:.]+)(?:\/(\d{1,3}))?\]|([a-z0-9._-]+)(?:\/(\d{1,3}))?)(?::(\d{1,5}))?$/

/** `billing.internal:8443, 10.1.0.0/16, [fd00::/8]:5432, acme=127.0.0.1`. Throws, naming the entry. */
export function parseAllowedHosts(text: string): AllowedHost[] {
  const entries = text.split(',').map((entry) => entry.trim())
  return entries.filter((entry) => entry !== '').map(parseEntry)
}

function parseEntry(entry: string): AllowedHost {
  const [, organization, ipv6, ipv6Prefix, host = ipv6, ipv4Prefix, port] =
    ENTRY.exec(entry.toLowerCase()) ?? []
  const bits = ipv6Prefix ?? ipv4Prefix
  const family = isIP(host ?? '')
  const maxBits = family === 6 ? 128 : 32
  const isWrong =
    host === undefined ||
    (ipv6 !== undefined && family !== 6) ||
    (bits !== undefined && (family === 0 || Number(bits) > maxBits)) ||
    (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
  if (isWrong)
    throw new Error(`${entry} is no host, address or network, such as db.internal:5432 or 10.1.0.0/16`)
  return {
    host,
    ...(organization === undefined ? {} : { organization }),
    ...(bits === undefined ? {} : { prefix: Number(bits) }),
    ...(port === undefined ? {} : { port: Number(port) }),
  }
}

export function allowedFor(hosts: readonly AllowedHost[], organization: string): AllowedHost[] {
  return hosts.filter((host) => host.organization === undefined || host.organization === organization)
}

/** By name, or as the address that the place is given as. `localhost` is 127.0.0.1, on every machine. */
export function namesPlace(hosts: readonly AllowedHost[], { hostname, port }: Place): boolean {
  const name = hostname.toLowerCase()
  const address = name === 'localhost' ? '127.0.0.1' : name
  return hosts.some((host) => fitsPort(host, port) && (host.host === name || covers(host, address)))
}

/** Whether a connection to this place may go to this private address, to which its name has led. */
export function allowsAddress(hosts: readonly AllowedHost[], place: Place, address: string): boolean {
  return namesPlace(hosts, place) || hosts.some((host) => fitsPort(host, place.port) && covers(host, address))
}

function fitsPort(host: AllowedHost, port: number): boolean {
  return host.port === undefined || host.port === port
}

function covers({ host, prefix }: AllowedHost, address: string): boolean {
  const family = isIP(host)
  if (family === 0 || isIP(address) === 0) return false
  const list = new BlockList()
  const type = family === 6 ? 'ipv6' : 'ipv4'
  list.addSubnet(host, prefix ?? (family === 6 ? 128 : 32), type)
  return listed(list, address)
}
