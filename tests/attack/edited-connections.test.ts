/**
 * The attacker has a key with the scope `admin`, or can write the worker's file of commands. While people look at a write
 * he edits the connection it goes through, one setting after the other: another tenant in a header, another token,
 * another place for our key. What people have approved is then not sent; they are asked anew, or it is refused.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import {
  askedAgain,
  CONNECTION,
  finished,
  startAttackWorld,
  waitForApproval,
  type AttackWorld,
  type Parked,
} from '../support/attack-world.ts'
import { CONNECTIONS, edited, fieldsOf, HARMLESS, type Transport } from '../support/connection-edits.ts'
import { startTestMcpServer, textResult, type TestMcpServer, type TestTool } from '../support/mcp-server.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'

let attack: AttackWorld
let server: TestMcpServer

const text = { type: 'string' }
const tool = (name: string): TestTool => ({
  name,
  inputSchema: { type: 'object', properties: { to: text, amount: { type: 'number' }, key: text, ref: text } },
  annotations: { readOnlyHint: name !== 'pay' },
  run: () => textResult(name),
})

const stdioServer = {
  command: process.execPath,
  args: ['--import', 'tsx', fileURLToPath(new URL('../support/stdio-bank.ts', import.meta.url))],
}
const COMMANDS = { bank: stdioServer, 'bank-again': stdioServer }

/** Never read: the address of the books asks for no encryption. */
const TLS_SECRETS = Object.fromEntries(
  ['BOOKS_CA', 'BOOKS_CERTIFICATE', 'BOOKS_KEY'].flatMap((name) =>
    [name, `${name}_AGAIN`].map((secret) => [secret, `pem of ${secret}`]),
  ),
)

beforeAll(async () => {
  server = await startTestMcpServer({ tools: ['pay', 'find', 'find_again'].map(tool) })
  attack = await startAttackWorld({
    commands: COMMANDS,
    secrets: { BANK: 'token-a', BANK_AGAIN: 'token-b', ...TLS_SECRETS },
  })
  await attack.books.query('create schema elsewhere')
  await attack.books.query('create table elsewhere.accounts (like accounts including all)')
  await attack.books.query('grant usage on schema elsewhere to public')
  await attack.books.query('grant select, update on elsewhere.accounts to public')
  const pay = (name: string, connection: string) => {
    const args = { to: 'ann', amount: 5 }
    const steps = [{ name: 'pay', tool_call: { connection, tool: 'pay', arguments: args }, timeout: '10s' }]
    return { kind: 'Automation', name, spec: { steps } }
  }
  const rule = { name: 'a-lead-agrees', match: {}, require: { stages: [{ roles: ['lead'] }] } }
  await attack.world.admin.applyManifests({
    manifests: [
      connection('http', specOf('http')),
      connection('stdio', specOf('stdio')),
      { kind: 'Policy', name: 'pays', spec: { rules: [rule] } },
      pay('http', 'http'),
      pay('stdio', 'stdio'),
    ],
  })
})

afterAll(async () => {
  await attack.close()
  await server.close()
})

beforeEach(() => {
  server.calls.length = 0
})

function specOf(transport: Transport): JsonObject {
  const { spec } = CONNECTIONS[transport]
  return transport === 'http' ? { ...spec, url: server.url } : spec
}

/** The books are a connection of the attack's world. */
const connection = (transport: Transport, spec: JsonObject) => ({
  kind: 'Connection',
  name: transport === 'postgres' ? CONNECTION : transport,
  spec,
})

const save = (transport: Transport, spec: JsonObject) =>
  attack.world.admin.applyManifests({ manifests: [connection(transport, spec)] })

async function park(transport: Transport): Promise<Pick<Parked, 'runId' | 'approval' | 'account'>> {
  if (transport === 'postgres') return attack.park()
  const { run_id: runId } = await attack.clerk.startRun({ name: transport })
  return { runId, account: '', approval: await waitForApproval(attack.lead, runId) }
}

/** How often what was approved first was sent, and that nothing else was. */
async function sendings({ runId, approval }: Pick<Parked, 'runId' | 'approval'>): Promise<number> {
  const { writebacks } = await attack.world.admin.getRun({ run_id: runId })
  return writebacks.find(({ writeback_id: id }) => id === approval.writeback_id)?.attempt ?? 0
}

/** People are asked about something else; or, where the edit leaves nothing that could be sent, the run ends with a code. */
function expectNotSent(next: ApprovalView | string, before: ApprovalView): void {
  if (typeof next === 'string') expect(next).toMatch(/^[A-Z][A-Z_]+$/)
  else expect(next.digest).not.toBe(before.digest)
}

const CASES = (['http', 'stdio', 'postgres'] as const).flatMap((transport) =>
  Object.entries(CONNECTIONS[transport].edits)
    .filter(([field]) => !HARMLESS.includes(field))
    .map(([field, value]): [Transport, string, JsonValue] => [transport, field, value]),
)

describe('an edit of', () => {
  test.each([...CASES])(
    '%s: %s, made after the write was planned, takes the approval with it',
    async (...edit) => {
      const [transport, field, value] = edit
      await save(transport, specOf(transport))
      const parked = await park(transport)
      const to = field === 'url' && transport === 'http' ? `${server.url}?elsewhere` : value
      await save(transport, edited(specOf(transport), field, to))
      try {
        expectNotSent(await askedAgain(attack, parked), parked.approval)
        expect(await sendings(parked)).toBe(0)
        expect(server.calls.filter(({ tool: called }) => called === 'pay')).toEqual([])
      } finally {
        await attack.world.admin.cancelRun({ run_id: parked.runId }).catch(() => undefined)
        await save(transport, specOf(transport))
      }
    },
  )

  test('the header that names the tenant is told by its name', async () => {
    const parked = await park('http')
    const headers = { ...(specOf('http')['headers'] as JsonObject), 'x-tenant': 'victim' }
    await save('http', edited(specOf('http'), 'headers', headers))
    expect(await askedAgain(attack, parked)).toMatchObject({ state: 'waiting' })
    const { writebacks } = await attack.world.admin.getRun({ run_id: parked.runId })
    expect(writebacks.map(({ outcome }) => outcome)).toContainEqual(
      expect.objectContaining({
        status: 'conflict',
        code: 'CONNECTION_CHANGED',
        message: 'connection http was changed since the write was planned: headers.x-tenant',
      }),
    )
    expect(JSON.stringify(writebacks.map(({ outcome }) => outcome))).not.toContain('victim')
    await attack.world.admin.cancelRun({ run_id: parked.runId })
    await save('http', specOf('http'))
  })

  test('the place of our key to one that the step gives does not pay anybody else', async () => {
    const parked = await park('http')
    await save('http', edited(specOf('http'), 'tools.*.key_argument', 'to'))
    expect(await askedAgain(attack, parked)).toBe('INVALID_ARGUMENTS')
    const fresh = await attack.clerk.startRun({ name: 'http' })
    expect((await finished(attack.world, fresh.run_id)).failure?.code).toBe('INVALID_ARGUMENTS')
    expect(server.calls.filter(({ tool: called }) => called === 'pay')).toEqual([])
    await save('http', specOf('http'))
  })

  test.each([
    ['the program', { command: '/usr/bin/env', args: [process.execPath, ...stdioServer.args] }],
    ['an argument', { ...stdioServer, args: [...stdioServer.args, '--for', 'somebody-else'] }],
    ['the environment', { ...stdioServer, env: { TENANT: 'victim' } }],
    ['the name of a secret', { ...stdioServer, env: { TOKEN: '${secret:BANK_AGAIN}' } }],
    ['the folder', { ...stdioServer, cwd: fileURLToPath(new URL('.', import.meta.url)) }],
  ])('%s in the file of commands takes the approval with it', async (_what, bank) => {
    const file = join(attack.world.folder, 'commands.json')
    const commands = { ...COMMANDS, bank: { ...stdioServer, env: { TOKEN: '${secret:BANK}' } } }
    writeFileSync(file, JSON.stringify({ commands }))
    const parked = await park('stdio')
    writeFileSync(file, JSON.stringify({ commands: { ...commands, bank } }))
    expectNotSent(await askedAgain(attack, parked), parked.approval)
    expect(await sendings(parked)).toBe(0)
    await attack.world.admin.cancelRun({ run_id: parked.runId }).catch(() => undefined)
  })
})

test.each<Transport>(['http', 'stdio', 'postgres'])(
  'a connection by %s that stays as it was, or only waits longer, is used with the approval that was given',
  async (transport) => {
    writeFileSync(join(attack.world.folder, 'commands.json'), JSON.stringify({ commands: COMMANDS }))
    expect(fieldsOf(transport)).toContain('timeout')
    await save(transport, specOf(transport))
    const parked = await park(transport)
    await save(transport, edited(specOf(transport), 'timeout', '9s'))
    expect(await askedAgain(attack, parked)).toBe('completed')
    expect(await sendings(parked)).toBe(1)
    await save(transport, specOf(transport))
  },
)
