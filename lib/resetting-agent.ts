/**
 * Sockets that are given up with a reset: after an ordinary close the kernel goes on to send what it has taken, for
 * minutes if the wire is cut or the other side does not read.
 */
import type { ClientRequest } from 'node:http'
import * as https from 'node:https'
import * as net from 'node:net'
import type { Duplex } from 'node:stream'
import { BELOW, PacedSocket, type InTurn } from './paced-socket.ts'
import { boundHandshake } from './tls-bounds.ts'

/** Below each socket with TLS: only there can it be reset, and is seen all that comes. */
const below = new WeakMap<Duplex, PacedSocket>()
/** Those whose handshake is not done. Node has no such word for a socket with TLS over one that is not its own. */
const unready = new WeakSet<Duplex>()

/** Makes the connection below TLS itself, so that `resetSocket` finds it and its bytes come in turn. */
export class ResettingAgent extends https.Agent {
  readonly #inTurn: InTurn

  constructor(options: https.AgentOptions, inTurn: InTurn) {
    super(options)
    this.#inTurn = inTurn
  }

  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const raw = net.connect({ ...options, ...BELOW } as net.NetConnectOpts)
    const paced = new PacedSocket(raw, this.#inTurn)
    const secure = super.createConnection({ ...options, socket: paced } as https.RequestOptions, callback)
    if (secure) {
      below.set(secure, paced)
      unready.add(secure)
      boundHandshake(paced, secure)
      secure.once('secureConnect', () => unready.delete(secure))
    }
    return secure
  }

  /** One that waits for the next request keeps no process alive: TLS does not pass that on. */
  override keepSocketAlive(socket: Duplex): void {
    below.get(socket)?.unref()
    return super.keepSocketAlive(socket)
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    below.get(socket)?.ref()
    super.reuseSocket(socket, request)
  }
}

/** What is between the machines: below TLS, if there is any. */
export function wireOf(socket: net.Socket): net.Socket | PacedSocket {
  return below.get(socket) ?? socket
}

/** At once, if it is; with TLS, when that is done. */
export function whenConnected(socket: net.Socket, work: () => void): void {
  if (unready.has(socket)) socket.once('secureConnect', work)
  else if (socket.connecting) socket.once('connect', work)
  else work()
}

/** Drops what has not left this machine. A socket that is not connected yet has nothing, and is left as it is. */
export function resetSocket(socket: net.Socket): void {
  const raw = below.get(socket)?.below ?? socket
  if (raw.destroyed || raw.connecting) return
  // While its end is under way, for a turn of the loop, it refuses a reset, and would stay open for ever.
  const isEnding = raw.writableEnded && raw.writableLength === 0 && !raw.writableFinished
  if (isEnding) setImmediate(resetSocket, socket)
  else raw.resetAndDestroy()
}
