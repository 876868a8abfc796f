/**
 * The attacker owns a database that his connection names, or PostgreSQL does what no malice is needed for. What it sends
 * is read in a callback of a socket of the worker: what is thrown there, or has no end, would take the work of all others
 * with it.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { MAX_ANSWER_PARTS } from '../../lib/limits.ts'
import { createDatabase, inTransaction } from '../../db/database.ts'
import { createSqlTarget, limits, sqlOperation, waive } from '../support/sql-target.ts'

function message(type: string, content: string, length = content.length + 4): Buffer {
  const bytes = Buffer.from(`${type}....${content}`, 'latin1')
  bytes.writeUInt32BE(length, 1)
  return bytes
}
const READY = Buffer.concat([message('R', '\0\0\0\0'), message('Z', 'I')])
const SASL = message('R', '\0\0\0\x0aSCRAM-SHA-256\0\0')
const GOODBYE = message('E', 'SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0')
/** One column, which is called `a` and is a text. */
const COLUMN = message('T', '\0\x01a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0')
const LUMP = Buffer.alloc(64 * 1024, 'x')

const servers: { server: Server; sockets: Set<Socket> }[] = []
const uncaught: unknown[] = []
process.on('uncaughtException', (error) => uncaught.push(error))
afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    sockets.forEach((socket) => socket.destroy())
    await new Promise((resolve) => server.close(resolve))
  }
})

function expectNobodyElseToMind(): void {
  expect(uncaught.splice(0).map(String)).toEqual([])
}

/** Says welcome, and answers each statement. */
async function serve(welcome: Buffer, answer: (socket: Socket) => unknown): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(welcome)
      socket.on('data', () => answer(socket))
    })
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  servers.push({ server, sockets })
  return `postgres://app:pw@127.0.0.1:${(server.address() as AddressInfo).port}/shop`
}

/** What a write there is told. */
async function saidBy(welcome: Buffer, answer: (socket: Socket) => unknown): Promise<string> {
  const url = await serve(welcome, answer)
  const sql = createSqlTarget(() => url)
  const said = await sql.executor.plan(sqlOperation(waive(1)), limits(3_000)).then(
    () => 'planned',
    (error: Error) => error.message,
  )
  await sql.close()
  return said
}

test.each<[string, Buffer, Buffer, string]>([
  ['asks for a login by GSS', message('R', '\0\0\0\x07'), READY, 'a login of kind 7'],
  ['asks for the same hash again', Buffer.concat([SASL, SASL]), READY, 'step 10 of the login again'],
  ['answers with a row of -1 columns', READY, message('D', '\xff\xff'), 'a row of another form'],
  [
    'answers with a value that is longer than its row',
    READY,
    Buffer.concat([COLUMN, message('D', '\0\x01\0\0\xff\xff.')]),
    'does not fit',
  ],
  ['answers with 32,767 columns', READY, message('T', '\x7f\xff'), 'a row of 32767 columns'],
  ['answers with an error that has no end', READY, message('E', 'SERROR\0Mno end'), 'without its end'],
  ['answers with a length of nothing', READY, message('C', '', 0), 'a length of 0'],
  ['begins to copy', READY, message('G', '\0\0\0'), 'a message of type "G"'],
  ['answers with something that the driver cannot read', READY, message('t', '\0\x09'), 'cannot read'],
])('a database that %s fails the call, and nobody else’s', async (_what, welcome, answer, says) => {
  expect(await saidBy(welcome, (socket) => socket.write(answer))).toContain(says)
})

test.each<[string, (socket: Socket) => unknown, string]>([
  [
    'one message of 2 GB',
    (socket) => {
      socket.write(message('D', '', 0x7ffffff0))
      flood(socket, LUMP)
    },
    'over 10.0 MB',
  ],
  [
    'notices without end',
    (socket) => flood(socket, message('N', `SNOTICE\0M${'x'.repeat(8_000)}\0\0`)),
    'over 10.0 MB',
  ],
  [
    'small messages without end',
    (socket) => flood(socket, Buffer.concat(Array(1_000).fill(message('I', '')))),
    'over 10000 messages',
  ],
  [
    'rows without end',
    (socket) => {
      socket.write(COLUMN)
      flood(socket, message('D', '\0\x01\xff\xff\xff\xff'))
    },
    'over 16 rows',
  ],
])('a database that answers with %s is cut off', async (_what, answer, says) => {
  expect(await saidBy(READY, answer)).toContain(says)
})

test.each<[string, number]>([
  ['says to be JSON', 3802],
  ['we read as JSON', 25],
])(
  'a database whose value, which %s, has more in it than is taken has it read by no parser',
  async (_what, type) => {
    const column = Buffer.from(COLUMN.subarray(7))
    column.writeUInt32BE(type, column.length - 12)
    const columns = message('T', `\0\x02${column.toString('latin1').repeat(2)}`)
    // It has no end: a parser would say so.
    const value = `[${'0,'.repeat(MAX_ANSWER_PARTS)}`
    const length = Buffer.alloc(4)
    length.writeUInt32BE(value.length)
    const row = message('D', `\0\x02\xff\xff\xff\xff${length.toString('latin1')}${value}`)
    const answer = Buffer.concat([columns, row, message('C', 'SELECT 1\0'), message('Z', 'I')])
    const says = `over ${MAX_ANSWER_PARTS} values and names`
    expect(await saidBy(READY, (socket) => socket.write(answer))).toContain(says)
  },
)

function flood(socket: Socket, bytes: Buffer): void {
  const more = (): void => {
    for (let n = 0; n < 2_000 && socket.writable; n++) if (!socket.write(bytes)) return
  }
  socket.on('drain', more)
  more()
}

test('a database that says which type a text is has it read as no other than we asked for', async () => {
  // What the driver has for times needs four times as long for a time of twice as many digits.
  const digits = '1'.repeat(120_000)
  const type = Buffer.from(COLUMN)
  type.writeUInt32BE(1114, type.length - 12)
  const row = message('D', `\0\x01\0\x01\xd4\xc0${digits}`)
  const answer = Buffer.concat([type, row, message('C', 'SELECT 1\0'), message('Z', 'I')])
  const url = await serve(READY, (socket) => socket.write(answer))
  const sql = createSqlTarget(() => url)
  const startedMs = Date.now()
  await sql.executor.plan(sqlOperation(waive(1)), limits(3_000)).catch(() => undefined)
  await sql.close()
  expect(Date.now() - startedMs).toBeLessThan(10_000)
})

test('a target that says goodbye in the same packet as its welcome costs one call', async () => {
  expect(await saidBy(Buffer.concat([READY, GOODBYE]), () => undefined)).toContain('connection error')
  expectNobodyElseToMind()
})

test('our own database may say goodbye in the same packet as its welcome', async () => {
  const url = await serve(Buffer.concat([READY, GOODBYE]), () => undefined)
  const database = createDatabase(url)
  await expect(inTransaction(database, (tx) => tx.query('select 1'))).rejects.toThrow('connection error')
  await expect(database.query('select 1')).rejects.toThrow('terminating connection')
  await database.end()
  expectNobodyElseToMind()
})
