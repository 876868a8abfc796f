/**
 * Servers, and what stands before them, that say no to a write which they have done. Nobody but our own side of the wire
 * is believed that a write was not sent, unless the operator says that a tool means what it says.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { CALL_TIMEOUT, ONE_LEAD } from '../support/automations.ts'
import { startTestMcpServer, type TestMcpServer, type TestMessage } from '../support/mcp-server.ts'
import { PAYING_SETTINGS, payingTools, paymentStep } from '../support/paying.ts'
import { about, startScenario, type Ending, type Scenario, type StartedRun } from '../support/scenario.ts'

type Say = (response: ServerResponse, id: number) => void

let s: Scenario
let folder: string
let file: string
let server: TestMcpServer
let paid: string[] = []
/** What the server says when it has paid; null: the truth. */
let say: Say | null = null
let retries = 0

const status =
  (code: number, headers: Record<string, string> = {}): Say =>
  (response) =>
    response.writeHead(code, headers).end('not done, honestly')

const rpcError =
  (code: number, httpStatus = 200): Say =>
  (response, id) => {
    response.writeHead(httpStatus, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: 'not done, honestly' } }))
  }

const json =
  (result: string): Say =>
  (response, id) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(`{"jsonrpc": "2.0", "id": ${id}, "result": ${result}}`)
  }

/** Pays, and says something else. */
function lie({ method, id, params }: TestMessage, response: ServerResponse): boolean {
  const name = (params as { name?: string } | undefined)?.name ?? ''
  if (method !== 'tools/call' || say === null || !name.startsWith('pay')) return false
  paid.push(String(params?.arguments?.['about']))
  say(response, id ?? 0)
  return true
}

/** As servers on the official SDK do of a result that violates the tool's own schema. */
const toolError: Say = (response, id) => {
  const result = { isError: true, content: [{ type: 'text', text: 'not done, honestly' }] }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-answered-'))
  file = join(folder, 'payments')
  const count = (account: string) => paid.filter((one) => one === account).length
  const tools = payingTools({ add: (account) => void paid.push(account), count })
  server = await startTestMcpServer({ tools, sessions: true, intercept: lie })
  const script = fileURLToPath(new URL('../support/old-sdk-server.ts', import.meta.url))
  const commands = { 'old-sdk': { command: process.execPath, args: ['--import', 'tsx', script, file] } }
  s = await startScenario({ commands })
  const overHttp = { transport: 'http', url: server.url, allow_private_addresses: true }
  const common = { type: 'mcp', timeout: CALL_TIMEOUT }
  const refusing = { pay: { class: 'write', refusals: [429, -32602, 404, 'isError'] } }
  await s.apply(
    connection('http', { ...common, ...overHttp, tools: PAYING_SETTINGS }),
    connection('patient', { ...common, ...overHttp, timeout: '60s', tools: PAYING_SETTINGS }),
    connection('refusing', { ...common, ...overHttp, tools: refusing }),
    // A program takes its time to start, on a busy machine more than a call may take.
    connection('old-sdk', { ...common, timeout: '15s', transport: 'stdio', command: 'old-sdk' }),
  )
  await define('pay', 'http', 'pay')
  await define('pay-again', 'http', 'pay_again', { allow: true })
  await define('pay-checked', 'http', 'pay_checked')
  await define('pay-patiently', 'patient', 'pay_checked')
  await define('pay-refusing', 'refusing', 'pay')
  await define('pay-old-sdk', 'old-sdk', 'pay', { allow: true })
})

afterEach(() => {
  say = null
  paid = []
  writeFileSync(file, '')
})

afterAll(async () => {
  await s?.close()
  await server?.close()
  rmSync(folder, { recursive: true, force: true })
})

function connection(name: string, spec: JsonObject): JsonObject {
  return { kind: 'Connection', name, spec }
}

async function define(
  name: string,
  through: string,
  tool: string,
  effect: JsonObject = ONE_LEAD,
): Promise<void> {
  const retry = { max_attempts: 3, backoff: '1s' }
  await s.define(name, [{ ...paymentStep(through, tool), retry }], effect)
}

/** A run whose write a lead has approved, as often as somebody is asked. */
async function approvedRun(name: string, expected: Partial<Ending>): Promise<StartedRun> {
  const run = await s.park(name)
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, expected)
  return run
}

async function lastPredicate(run: StartedRun): Promise<Record<string, unknown>> {
  return (await s.statements(run)).at(-1)?.predicate ?? {}
}

test('a server that pays and answers -32602, because its result violates its own schema, has paid once', async () => {
  const run = await s.start('pay-old-sdk')
  await s.expectEnding(run, { state: 'failed', code: 'CALL_REFUSED' })
  const payments = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line === run.account)
  expect(payments, 'payments').toHaveLength(1)
  expect(await lastPredicate(run)).toMatchObject({ status: 'failed', mayHaveChanged: true })
})

describe('a write that was done, and answered with', () => {
  test.each<[string, Say, string]>([
    ['-32602', rpcError(-32602), 'CALL_REFUSED'],
    ['-32601', rpcError(-32601), 'CALL_REFUSED'],
    ['-32700', rpcError(-32700), 'CALL_REFUSED'],
    ['307 to the same server', status(307, { location: '/mcp' }), 'CALL_REFUSED'],
    ['401', status(401), 'CREDENTIALS_REFUSED'],
    ['403', status(403), 'CREDENTIALS_REFUSED'],
    ['404 in a session', status(404), 'CALL_REFUSED'],
    ['422', status(422), 'CALL_REFUSED'],
    ['429', status(429, { 'retry-after': '0' }), 'CALL_THROTTLED'],
    ['isError', toolError, 'TOOL_FAILED'],
  ])('%s ends as one that may have changed something, once', async (_what, answer, code) => {
    say = answer
    const run = await approvedRun('pay', { state: 'failed', writebacks: ['failed'] })
    expect(paid).toEqual([run.account])
    expect(await lastPredicate(run)).toMatchObject({ status: 'failed', code, mayHaveChanged: true })
  })

  test('isError is not begun anew under another key, also where the same key may be sent twice', async () => {
    say = toolError
    const run = await s.start('pay-again')
    await s.expectEnding(run, { state: 'failed', code: 'TOOL_FAILED' })
    expect(paid).toEqual([run.account])
    expect(await lastPredicate(run)).toMatchObject({ status: 'failed', mayHaveChanged: true })
  })

  test.each<[string, Say, string]>([
    ['500', status(500), 'OUTCOME_UNKNOWN'],
    ['503', status(503), 'OUTCOME_UNKNOWN'],
    ['-32603', rpcError(-32603), 'TOOL_FAILED'],
    ['500 and -32603', rpcError(-32603, 500), 'TOOL_FAILED'],
  ])('%s waits for a person, done once, with the words of the server', async (_what, answer, code) => {
    say = answer
    const run = await approvedRun('pay', { state: 'waiting_for_resolution', writebacks: ['unknown'] })
    expect(paid).toEqual([run.account])
    const message = expect.stringContaining('not done, honestly') as string
    expect(await lastPredicate(run)).toMatchObject({ status: 'unknown', code, message })
  })

  test('-32603 is sent no second time, also where the same key may be sent twice', async () => {
    say = rpcError(-32603)
    const run = await s.start('pay-again')
    await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'] })
    expect(paid).toEqual([run.account])
  })

  test.each<[string, Say]>([
    ['429', status(429)],
    ['-32602', rpcError(-32602)],
    ['-32603', rpcError(-32603)],
    ['what cannot be read', json('"done"')],
  ])('%s is found to be done, where a look can tell', async (_what, answer) => {
    say = answer
    const startedAtMs = Date.now()
    const run = await approvedRun('pay-patiently', { state: 'completed', writebacks: ['applied'] })
    expect(paid).toEqual([run.account])
    expect(await lastPredicate(run)).toMatchObject({ status: 'applied', how: 'checked' })
    // At once, and not when the time of the call is over.
    expect(Date.now() - startedAtMs).toBeLessThan(30_000)
  })
})

test('an error of a write that is looked at, and was not done, ends it with the words of the server', async () => {
  let sent = 0
  say = (response, id) => {
    sent += 1
    paid.pop()
    rpcError(-32603)(response, id)
  }
  const run = await s.park('pay-checked')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  // `retry` of the step begins a new round, for nothing was changed; the round itself sends nothing again.
  await s.expectEnding(run, { state: 'waiting_for_approval', writebacks: ['planned', 'failed'] })
  expect(sent).toBe(1)
  const predicate = await lastPredicate(run)
  expect(predicate).toMatchObject({ status: 'failed', code: 'TOOL_FAILED', how: 'checked' })
  expect(predicate['message']).toContain('not done, honestly')
  expect(predicate).not.toHaveProperty('mayHaveChanged')
})

describe('an answer that the operator calls a refusal', () => {
  /** Does nothing, and says so a few times. */
  const refuse =
    (answer: Say): Say =>
    (response, id) => {
      paid.pop()
      answer(response, id)
      if (--retries === 0) say = null
    }

  test('is sent again in the same round if waiting may help', async () => {
    retries = 2
    say = refuse(status(429, { 'retry-after': '0' }))
    const run = await approvedRun('pay-refusing', { state: 'completed', writebacks: ['applied'] })
    expect(paid).toEqual([run.account])
  })

  test.each<[string, Say]>([
    ['-32602', rpcError(-32602)],
    ['isError', toolError],
  ])('%s is a failure that has changed nothing, and may be tried in a new round', async (_what, answer) => {
    retries = 1
    say = refuse(answer)
    const run = await s.park('pay-refusing')
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await s.expectEnding(run, { state: 'waiting_for_approval', writebacks: ['planned', 'failed'] })
    expect(await lastPredicate(run)).not.toHaveProperty('mayHaveChanged')
    expect(paid).toEqual([])
  })
})
