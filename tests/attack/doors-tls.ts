/** Doors that keep what TLS says to itself from the time of others. */
import type { Door } from './door.ts'

const FILE = 'unseen-tls.test.ts'
const PACED = 'lib/paced-socket.ts'
const BOUNDS = 'lib/tls-bounds.ts'

export const unseenTls: Door[] = [
  {
    name: 'what comes below TLS is seen by nobody',
    patches: [{ file: PACED, find: "        this.emit('piece', bytes)\n", replace: '' }],
    test: { file: FILE, title: '(its own) is cut off' },
    says: 'no answer before the deadli',
  },
  {
    name: 'what comes below TLS is taken as it comes',
    patches: [
      {
        file: PACED,
        find: 'await this.#inTurn(() => {',
        replace: 'await ((read: () => void) => read())(() => {',
      },
    ],
    test: { file: FILE, title: 'is read in small pieces, each in its turn' },
    says: 'to be greater than or equal to 128',
  },
  {
    name: 'what a database sends around its answers is not counted',
    patches: [
      {
        file: 'activities/executors/sql-wire.ts',
        find: 'if (this.#bytesAround > MAX_BYTES_AROUND)',
        replace: 'if (this.#bytesAround > 1e12)',
      },
    ],
    test: { file: FILE, title: 'a database that updates its keys without end is cut off' },
    says: "to contain 'over 524288 bytes around what it has",
  },
  {
    name: 'how large the numbers of a handshake are is said by the server',
    patches: [{ file: BOUNDS, find: '  ciphers: `${DEFAULT_CIPHERS}:!DHE`,\n', replace: '' }],
    test: { file: FILE, title: 'are not agreed upon by TLS 1.2, with a server or a database' },
    says: "expected 'agreed' to contain",
  },
  {
    name: 'a server may ask for one handshake after the other',
    patches: [{ file: BOUNDS, find: '  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,\n', replace: '' }],
    test: { file: FILE, title: 'a server that asks for another handshake gets none' },
    says: "expected 'it got one' to contain",
  },
  {
    name: 'certificates of a server are held against each other, however many',
    patches: [{ file: 'lib/resetting-agent.ts', find: '      boundHandshake(paced, secure)\n', replace: '' }],
    test: {
      file: FILE,
      title: 'the certificates of a server are not held against each other if they are 100 KB',
    },
    says: 'to match /^HANDSHAKE_TOO_LARGE no /',
  },
  {
    name: 'certificates of a database are held against each other, however many',
    patches: [
      {
        file: 'activities/executors/sql-wire.ts',
        find: 'if (stream !== wire) boundHandshake',
        replace: 'if (stream.errored) boundHandshake',
      },
    ],
    test: {
      file: FILE,
      title: 'the certificates of a database are not held against each other if they are 100 KB',
    },
    says: 'to match /^HANDSHAKE_TOO_LARGE /',
  },
  {
    name: 'TLS answers after our side has ended',
    patches: [
      {
        file: PACED,
        find: 'if (this.writableEnded) this._read()',
        replace: 'if (this.destroyed) this._read()',
      },
    ],
    test: {
      file: '../mcp/paced-sockets.test.ts',
      title: 'a server that goes on asking for an answer after our end gets none, and leaves no socket',
    },
    says: 'to deeply equal []',
  },
]
