/**
 * A TCP proxy that fails on demand: it can hold either direction, swallow what the server answers once the client has
 * sent something given, and cut. Bytes that are held or swallowed have left their sender, as on a real network.
 */
import { resetSocket } from '../../lib/resetting-agent.ts'
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net'

export interface TcpProxy {
  port: number
  /** `url` with the proxy's host and port. */
  urlThrough(url: string): string
  /** Bytes of this direction wait until `release`. */
  hold(direction: Direction): void
  release(direction: Direction): void
  /** Once the client has sent `pattern` (which goes through), no answer comes back any more. */
  swallowAnswersAfter(pattern: string): void
  /**
   * Once the client has sent `pattern`, that packet and all later ones wait until `release('toServer')`. With `after`,
   * only a `pattern` counts that comes in a later packet than that.
   */
  holdFrom(pattern: string, after?: string): void
  /** A client that hangs up is not reported to the server: a machine that lost its power or its network. */
  hideHangUps(): void
  /** Hangs up on the server for clients whose hanging up was hidden. */
  closeOrphans(): void
  /** Where connections lead from now on: a server that was started again may listen elsewhere. */
  retarget(url: string): void
  /** Says this to every client, as if the server did. */
  say(bytes: Buffer): void
  /** Breaks every connection, on both sides, with a reset. */
  cut(): void
  connections(): number
  /** Everything back to plain forwarding, for new and old connections. */
  reset(): void
  /** Resolves when a pattern given before has been seen. */
  patternSeen(): Promise<void>
  close(): Promise<void>
}

export type Direction = 'toServer' | 'toClient'

interface Faults {
  held: Set<Direction>
  swallowAfter: string | null
  holdFrom: string | null
  holdAfter: string | null
  swallowing: boolean
  hideHangUps: boolean
}

const NO_FAULTS = {
  swallowAfter: null,
  holdFrom: null,
  holdAfter: null,
  swallowing: false,
  hideHangUps: false,
} as const

export async function startTcpProxy(target: string): Promise<TcpProxy> {
  let { hostname, port } = new URL(target)
  const faults: Faults = { held: new Set(), ...NO_FAULTS }
  const waiting: Record<Direction, (() => void)[]> = { toServer: [], toClient: [] }
  const sockets = new Set<Socket>()
  const clients = new Set<Socket>()
  const orphans = new Set<Socket>()
  const watchers: (() => void)[] = []
  let isSeen = false
  const see = (): void => {
    isSeen = true
    for (const tell of watchers.splice(0)) tell()
  }

  const deliver = (direction: Direction, to: Socket, bytes: Buffer): void => {
    const write = (): void => void (to.writable && to.write(bytes))
    if (faults.held.has(direction) || waiting[direction].length > 0) waiting[direction].push(write)
    else write()
  }
  const release = (direction: Direction): void => {
    faults.held.delete(direction)
    for (const write of waiting[direction].splice(0)) write()
  }
  const fromClient = (server: Socket, bytes: Buffer): void => {
    if (faults.swallowAfter !== null && bytes.includes(faults.swallowAfter)) {
      faults.swallowing = true
      see()
    }
    if (faults.holdAfter !== null) {
      if (bytes.includes(faults.holdAfter)) faults.holdAfter = null
    } else if (faults.holdFrom !== null && bytes.includes(faults.holdFrom)) {
      faults.held.add('toServer')
      see()
    }
    deliver('toServer', server, bytes)
  }
  const server = createServer((client) => {
    const upstream = createConnection({ host: hostname, port: Number(port), noDelay: true })
    client.setNoDelay(true)
    clients.add(client.on('close', () => clients.delete(client)))
    client.on('data', (bytes) => fromClient(upstream, bytes))
    upstream.on('data', (bytes) => {
      if (!faults.swallowing) deliver('toClient', client, bytes)
    })
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => undefined)
      one.on('close', () => {
        sockets.delete(one)
        orphans.delete(one)
        if (one === client && faults.hideHangUps) orphans.add(upstream)
        else other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const ownPort = (server.address() as AddressInfo).port
  const cut = (): void => sockets.forEach(resetSocket)

  return {
    port: ownPort,
    say: (bytes) => clients.forEach((client) => client.write(bytes)),
    urlThrough: (url) => {
      const through = new URL(url)
      through.host = `127.0.0.1:${ownPort}`
      return through.toString()
    },
    hold: (direction) => void faults.held.add(direction),
    release,
    swallowAnswersAfter: (pattern) => void (faults.swallowAfter = pattern),
    holdFrom: (pattern, after) => void Object.assign(faults, { holdFrom: pattern, holdAfter: after ?? null }),
    hideHangUps: () => void (faults.hideHangUps = true),
    closeOrphans: () => orphans.forEach((socket) => socket.destroy()),
    retarget: (url) => void ({ hostname, port } = new URL(url)),
    cut,
    connections: () => sockets.size / 2,
    reset: () => {
      Object.assign(faults, NO_FAULTS)
      release('toServer')
      release('toClient')
      isSeen = false
    },
    patternSeen: () => (isSeen ? Promise.resolve() : new Promise((resolve) => watchers.push(resolve))),
    close: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
