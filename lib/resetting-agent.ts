/**
 * Sockets that are given up with a reset: after an ordinary close the kernel goes on to send what it has taken, for
 * minutes if the wire is cut or the other side does not read.
 */
import * as https from 'node:https'
import * as net from 'node:net'
import type { Duplex } from 'node:stream'

/** Below each socket with TLS: only that one can be reset. */
const below = new WeakMap<Duplex, net.Socket>()

/** Makes the connection below TLS itself, so that `resetSocket` finds it. */
export class ResettingAgent extends https.Agent {
  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const raw = net.connect(options as net.NetConnectOpts)
    const secure = super.createConnection({ ...options, socket: raw } as https.RequestOptions, callback)
    raw.on('error', (error) => secure?.destroy(error))
    if (secure) below.set(secure, raw)
    return secure
  }
}

/** What is between the machines: below TLS, if there is any. */
export function wireOf(socket: net.Socket): net.Socket {
  return below.get(socket) ?? socket
}

/** Drops what has not left this machine. A socket that is not connected yet has nothing, and is left as it is. */
export function resetSocket(socket: net.Socket): void {
  const raw = wireOf(socket)
  if (!raw.destroyed && !raw.connecting) raw.resetAndDestroy()
}
