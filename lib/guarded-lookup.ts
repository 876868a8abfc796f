/**
 * What stands between an address that somebody has configured and the socket. The check sits in the `lookup` of the
 * socket itself: what was checked is what is connected to, so a name that changes its answer in between (DNS rebinding)
 * gains nothing.
 */
import dns, { type LookupAddress } from 'node:dns'
import { isIP, Socket, type LookupFunction } from 'node:net'
import { callbackify } from 'node:util'
import { allowsAddress, namesPlace, type AllowedHost, type Place } from './allowed-hosts.ts'
import { BELOW, PacedSocket, type InTurn } from './paced-socket.ts'
import { isPrivateAddress } from './private-addresses.ts'

/** The address is not one that we may connect to; nothing was sent. */
export class AddressRefusedError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AddressRefusedError'
  }
}

/** All servers and tries together. */
const LOOKUP_LIMIT_MS = 5_000
const TRY_LIMIT_MS = 2_000

/** Throws AddressRefusedError. An address that is given as such never reaches `lookup`. */
export function refuseLiteral(place: Place, allowed: readonly AllowedHost[]): void {
  if (isIP(place.hostname) !== 0) refusePrivate(place, [place.hostname], allowed)
}

export function guardedLookup(port: number, allowed: readonly AllowedHost[]): LookupFunction {
  return (hostname, options, callback) =>
    resolved({ hostname, port }, allowed, (error, found) => {
      if (error) return callback(error, [])
      const fitting = found.filter(({ family }) => !options.family || family === options.family)
      const [first] = fitting
      if (first === undefined) return callback(notFound(hostname, 'ENOTFOUND'), [])
      if (options.all === true) return callback(null, fitting)
      return callback(null, first.address, first.family)
    })
}

/** For a driver that makes its own connection: a socket that connects to nothing that is refused. */
export function guardedSocket(allowed: readonly AllowedHost[], inTurn: InTurn): PacedSocket {
  const raw = new Socket(BELOW)
  const socket = new PacedSocket(raw, inTurn)
  const connect = (port: number, host: string): PacedSocket => {
    try {
      refuseLiteral({ hostname: host, port }, allowed)
    } catch (error) {
      return socket.destroy(error as Error)
    }
    raw.connect({ port, host, lookup: guardedLookup(port, allowed) })
    return socket
  }
  return Object.assign(socket, { connect })
}

const resolved = callbackify(resolve)

async function resolve(place: Place, allowed: readonly AllowedHost[]): Promise<LookupAddress[]> {
  const found = await addressesOf(place, allowed)
  refusePrivate(
    place,
    found.map(({ address }) => address),
    allowed,
  )
  return found
}

/**
 * The system's own way (its file of hosts, its search domains) takes one of the four threads that all of Node shares for
 * as long as the name's servers like, and nothing can end it. So only names of the operator go that way; those that a
 * tenant thinks of are asked of DNS directly, which holds nobody up.
 */
async function addressesOf(place: Place, allowed: readonly AllowedHost[]): Promise<LookupAddress[]> {
  const { hostname } = place
  if (hostname === 'localhost' || namesPlace(allowed, place))
    return dns.promises.lookup(hostname, { all: true })
  const resolver = new dns.promises.Resolver({ timeout: TRY_LIMIT_MS, tries: 2 })
  resolver.setServers(dns.getServers())
  const limit = setTimeout(() => resolver.cancel(), LOOKUP_LIMIT_MS)
  const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  clearTimeout(limit)
  const found = [...addresses(ipv4, 4), ...addresses(ipv6, 6)]
  if (found.length > 0) return found
  const reason = ipv4.status === 'rejected' ? (ipv4.reason as NodeJS.ErrnoException).code : undefined
  throw notFound(hostname, reason === 'ECANCELLED' ? 'ETIMEOUT' : (reason ?? 'ENOTFOUND'))
}

function addresses(answer: PromiseSettledResult<string[]>, family: 4 | 6): LookupAddress[] {
  return answer.status === 'fulfilled' ? answer.value.map((address) => ({ address, family })) : []
}

/** As the system's own way would say it. */
function notFound(hostname: string, code: string): NodeJS.ErrnoException {
  const error = new Error(`getaddrinfo ${code} ${hostname}`)
  return Object.assign(error, { code, syscall: 'getaddrinfo', hostname })
}

/** One private address among several refuses the name: a public one beside it is how rebinding looks. */
function refusePrivate(place: Place, found: readonly string[], allowed: readonly AllowedHost[]): void {
  const refused = found.find(
    (address) => isPrivateAddress(address) && !allowsAddress(allowed, place, address),
  )
  if (refused === undefined) return
  const { hostname, port } = place
  const at = hostname === refused ? 'is a private address' : `is at ${refused}, a private address`
  throw new AddressRefusedError(`${hostname}:${port} ${at} that is not allowed`)
}
