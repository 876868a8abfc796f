/** What a handshake with a server that somebody has configured may cost: all of it is done by the one thread of a process. */
import { constants } from 'node:crypto'
import { DEFAULT_CIPHERS } from 'node:tls'

export const TLS_BOUNDS = {
  /** A server could ask for one after the other, and each takes longer than all that a call is. */
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  /** Not over finite fields: there the server makes up the numbers, and one of 10,000 bits takes a second. */
  ciphers: `${DEFAULT_CIPHERS}:!DHE`,
  ecdhCurve: 'X25519:P-256:X448:P-384:P-521',
}
