/** What a handshake with a server that somebody has configured may cost: all of it is done by the one thread of a process. */
import { constants } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { DEFAULT_CIPHERS } from 'node:tls'
import { CodedError } from '../schemas/errors.ts'
import { MAX_HANDSHAKE_BYTES, readableBytes } from './limits.ts'
import type { PacedSocket } from './paced-socket.ts'

export const TLS_BOUNDS = {
  /** A server could ask for one after the other, and each takes longer than all that a call is. */
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  /** Not over finite fields: there the server makes up the numbers, and one of 10,000 bits takes a second. */
  ciphers: `${DEFAULT_CIPHERS}:!DHE`,
  ecdhCurve: 'X25519:P-256:X448:P-384:P-521',
}

/**
 * Certificates of 100 KB, which OpenSSL takes, may hold its thread for seconds, whoever has signed them and whatever we ask
 * of them: names are held against constraints, each against each. Call it before anything of TLS has come.
 */
export function boundHandshake(below: PacedSocket, secure: Duplex): void {
  let bytes = 0
  const count = ({ length }: Buffer): void => {
    bytes += length
    if (bytes <= MAX_HANDSHAKE_BYTES) return
    below.off('piece', count)
    secure.destroy(new CodedError('HANDSHAKE_TOO_LARGE', TOO_LARGE))
    below.destroy()
  }
  below.on('piece', count)
  // What comes then, tickets for the next time among it, is what the server has to say.
  secure.once('secureConnect', () => below.off('piece', count))
}

const TOO_LARGE = `the server sends over ${readableBytes(MAX_HANDSHAKE_BYTES)} before TLS is set up, which is the most: its certificates, or the names of authorities whose certificates it takes`
