/**
 * The attacker is a tenant, or owns a database or a program that one calls. He wants the sockets, processes and memory
 * that a worker keeps for the next call: by many connections, and by servers that never hang up.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createToolCatalog } from '../../mcp/catalog.ts'
import { createMcpClient } from '../../mcp/client.ts'
import type { McpCallError } from '../../mcp/errors.ts'
import type { McpClientPort } from '../../mcp/port.ts'
import { httpTarget, request, stdioTarget } from '../mcp/calls.ts'
import { useTestDatabase } from '../support/database.ts'
import { ORGANIZATION } from '../support/fixtures.ts'
import { startTestMcpServer, textResult } from '../support/mcp-server.ts'
import {
  createSqlTarget,
  limits,
  makeTarget,
  sqlOperation,
  waive,
  word,
  type SqlTarget,
} from '../support/sql-target.ts'

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const endMs = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error('it did not come about in time')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** What it is in the end: as many as expected, or as many as there still are when patience is over. */
async function atLast<T>(look: () => T[] | Promise<T[]>, many: number): Promise<T[]> {
  await until(async () => (await look()).length === many).catch(() => undefined)
  return look()
}

describe('databases that somebody connects', () => {
  const target = useTestDatabase({ migrated: false })
  /** One login for each of them: to a worker each is another database. */
  const logins = Array.from({ length: 23 }, (_, index) => `many_${index}_${randomUUID().slice(0, 8)}`)
  let sql: SqlTarget
  let login: string | undefined

  beforeAll(async () => {
    await makeTarget(target.database)
    for (const name of logins) {
      await target.database.query(`create role ${name} login password 'many'`)
      await target.database.query(
        `grant select, insert, update on invoices, effects, countersign_receipts to ${name}`,
      )
    }
    sql = createSqlTarget(() => {
      const url = new URL(target.url)
      if (login !== undefined) Object.assign(url, { username: login, password: 'many' })
      return url.href
    })
  })
  afterEach(async () => {
    login = undefined
    await sql.close()
  })
  afterAll(async () => {
    for (const name of logins) {
      await target.database.query(`drop owned by ${name}`)
      await target.database.query(`drop role ${name}`)
    }
  })

  /** By login. */
  async function sessions(): Promise<string[]> {
    const { rows } = await target.database.query<{ usename: string }>(
      `select usename from pg_stat_activity
       where datname = current_database() and application_name = 'countersign' order by backend_start`,
    )
    return rows.map(({ usename }) => usename)
  }

  /** Writes that wait for somebody else's lock. */
  async function waiting(client: pg.Client): Promise<number> {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and application_name = 'countersign' and wait_event_type = 'Lock'`,
    )
    return rows[0]?.count ?? 0
  }

  async function use(name: string | undefined, organization = ORGANIZATION): Promise<void> {
    login = name
    await sql.executor.plan({ ...sqlOperation(waive(1)), organization }, limits())
  }

  test('are kept open for the next call up to a number, and those that were used last stay', async () => {
    for (const name of logins) await use(name)
    expect(await atLast(sessions, 20)).toEqual(logins.slice(-20))
  })

  test('cost no other organization its own', async () => {
    await use(logins[0], 'other')
    for (const name of logins) await use(name)
    // The organization itself has let go of this one.
    expect(await sessions()).toContain(logins[0])
  })

  test('are never closed under a write', async () => {
    const apply = await sql.prepare(sqlOperation(waive(2)))
    const other = new pg.Client({ connectionString: target.url })
    await other.connect()
    await other.query('begin')
    await other.query('select from invoices where id = 2 for update')
    const sending = apply()
    try {
      await until(async () => (await waiting(other)) === 1)
      for (const name of logins) await use(name)
      expect(await waiting(other)).toBe(1)
    } finally {
      await other.end()
    }
    expect(word(await sending)).toBe('applied')
  })
})

describe('a database that never hangs up', () => {
  /** Answers as PostgreSQL does, in so far as it has to, and keeps its side of each socket open. */
  const message = (type: string, content: string): Buffer => {
    const bytes = Buffer.from(`${type}....${content}`, 'latin1')
    bytes.writeUInt32BE(bytes.length - 1, 1)
    return bytes
  }
  const TURN = message('Z', 'I')
  const READY = Buffer.concat([message('R', '\0\0\0\0'), TURN])
  const REFUSED = message('E', 'SERROR\0C42501\0Mno\0\0')
  const NOTHING = Buffer.concat(
    [...'12n'].map((type) => message(type, '')).concat(message('C', 'SELECT 0\0'), TURN),
  )
  /** Nothing that a client has to mind. */
  const NOTICE = message('N', 'SNOTICE\0C00000\0Mstill here\0\0')

  test.each([
    ['finds nothing', READY, NOTHING],
    ['refuses every login', REFUSED, REFUSED],
  ])('and %s has no socket of ours when we have left', async (_what, welcome, answer) => {
    const open = new Set<Socket>()
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      open.add(socket)
      socket.on('error', () => undefined).on('close', () => open.delete(socket))
      socket.once('data', () => {
        socket.write(welcome)
        // To a goodbye there is no answer.
        socket.on('data', ([type]) => type === 0x58 || socket.write(answer))
      })
    }).listen(0, '127.0.0.1')
    await until(() => server.listening)
    const { port } = server.address() as AddressInfo
    const sql = createSqlTarget(() => `postgres://app@127.0.0.1:${port}/shop`)
    for (let call = 0; call < 5; call++)
      await sql.executor.plan(sqlOperation(waive(1)), limits()).catch(() => undefined)
    expect(open.size).toBeGreaterThan(0)
    await sql.close()
    // A byte for a socket that is gone is answered with a reset.
    const knocking = setInterval(() => open.forEach((socket) => socket.write(NOTICE)), 50)
    expect(await atLast(() => [...open], 0)).toHaveLength(0)
    clearInterval(knocking)
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('programs that somebody has started', () => {
  let client: McpClientPort
  afterEach(() => client.close())

  const program = (index: number, poolKey = 'acme') =>
    stdioTarget({ poolKey, env: { TEST_TOKEN: `number ${index}` } })
  async function pidOf(target: ReturnType<typeof program>): Promise<number> {
    const { content } = await client.callTool(request(target, 'pid'))
    return Number((content as { text: string }[])[0]?.text)
  }

  test('are kept for the next call up to a number, and those of others stay', async () => {
    client = createMcpClient({ stdioMost: { total: 6, perOwner: 3 } })
    const others = await pidOf(program(0, 'other'))
    const pids: number[] = []
    for (let index = 0; index < 5; index++) pids.push(await pidOf(program(index)))
    expect(await atLast(() => pids.filter(isAlive), 3)).toEqual(pids.slice(-3))
    expect(isAlive(others)).toBe(true)
  })

  const saidOf = ({ code, sent }: McpCallError): string => `${code}, sent: ${sent}`

  test('are never ended under a call, and one too many waits for its turn', async () => {
    client = createMcpClient({ stdioMost: { total: 6, perOwner: 1 } })
    // Started before, which takes longer than the call on a busy machine.
    await pidOf(program(1))
    const calling = client.callTool(request(program(1), 'hang', limits(2_000)))
    calling.catch(() => undefined)
    const second = client.callTool(request(program(2), 'pid')).then(() => 'answered', saidOf)
    expect(await second).toBe('ORGANIZATION_BUSY, sent: no')
    expect(await calling.then(() => 'answered', saidOf)).toBe('CALL_TIMEOUT, sent: unknown')
    expect(await pidOf(program(2))).toBeGreaterThan(0)
  })
})

describe('lists of tools', () => {
  test('are kept up to a size, and those of others stay', async () => {
    const description = 'x'.repeat(500_000)
    const asked: string[] = []
    const server = await startTestMcpServer({
      tools: Array.from({ length: 12 }, (_, index) => ({
        name: `tool_${index}`,
        description,
        inputSchema: { type: 'object' as const },
        run: () => textResult('done'),
      })),
      intercept({ method }, _response, { headers }) {
        if (method === 'tools/list') asked.push(String(headers['x-server']))
        return false
      },
    })
    const client = createMcpClient()
    const catalog = createToolCatalog(client)
    const look = (name: string, poolKey = 'acme') =>
      catalog.getTool({ ...httpTarget(server.url, { 'x-server': name }), poolKey }, 'tool_1', limits())
    await look('other', 'other')
    for (const name of ['first', 'second', 'third']) await look(name)
    for (const name of ['second', 'third', 'first']) await look(name)
    await look('other', 'other')
    await client.close()
    await server.close()
    expect(asked).toEqual(['other', 'first', 'second', 'third', 'first'])
  })
})
