/** A receipt is as large as what it tells of, and whoever verifies it reads it whole. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../lib/limits.ts'
import { loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { verifyReceipts } from '../../lib/receipts.ts'
import { receiptsOf } from '../../sdk/client/index.ts'
import { finished } from '../support/attack-world.ts'
import { startTestMcpServer, textResult, type TestMcpServer, type TestTool } from '../support/mcp-server.ts'
import { reset } from '../support/resets.ts'
import type { Person } from '../support/scenario.ts'
import { eventually, startWorld, type World } from '../support/world.ts'

let world: World
let server: TestMcpServer
let lena: Person
/** How often each tool was called. */
const calls = { put: 0, lose: 0 }

const inputSchema = { type: 'object' as const, additionalProperties: true }
const put: TestTool = {
  name: 'put',
  inputSchema,
  run: () => {
    calls.put++
    return textResult('ok')
  },
}
const lose: TestTool = {
  name: 'lose',
  inputSchema,
  run: () => {
    calls.lose++
    return new Promise(() => undefined)
  },
}

const QUESTION = {
  name: 'asked',
  ask: {
    title: 'What is it?',
    form: {
      type: 'object',
      properties: { text: { type: 'string' } },
      required: ['text'],
      additionalProperties: false,
    },
    of: { roles: ['lead'] },
  },
}
const ANSWER = { name: 'result', return: '${{ steps.asked.output }}' }

/** About as large as the arguments of a call may be; as JSON the second has 8 MB. */
const LARGEST = {
  'largest-text': { source: '"x".repeat(4_000_000)', times: 1 },
  'largest-escaped': { source: '"\\u0001".repeat(650_000)', times: 2 },
}

beforeAll(async () => {
  server = await startTestMcpServer({ tools: [put, lose] })
  world = await startWorld()
  const step = (tool: string, timeout = '60s') => ({
    steps: [{ name: 'w', timeout, tool_call: { connection: 'c', tool, arguments: '${{ input }}' } }],
  })
  const mcp = {
    type: 'mcp',
    transport: 'http',
    url: server.url,
    allow_private_addresses: true,
    timeout: '3s',
  }
  const tools = { put: { class: 'write' }, lose: { class: 'write' } }
  await world.admin.applyManifests({
    manifests: [
      { kind: 'Connection', name: 'c', spec: { ...mcp, tools } },
      { kind: 'Automation', name: 'question', spec: { steps: [QUESTION, ANSWER] } },
      { kind: 'Automation', name: 'free', spec: step('put') },
      { kind: 'Automation', name: 'asked', spec: step('put') },
      { kind: 'Automation', name: 'lost', spec: step('lose') },
      ...Object.entries(LARGEST).map(([name, { source, times }]) => ({
        kind: 'Automation',
        name,
        spec: {
          steps: [
            { name: 'made', code: { source: `export default () => ${source}` } },
            {
              name: 'w',
              tool_call: {
                connection: 'c',
                tool: 'put',
                arguments: { text: '${{ steps.made.output }}'.repeat(times) },
              },
            },
          ],
        },
      })),
      {
        kind: 'Policy',
        name: 'p',
        spec: {
          rules: [
            ...['free', 'lost'].map((automation) => ({
              name: automation,
              match: { automation },
              allow: true,
            })),
            ...Object.keys(LARGEST).map((automation) => ({
              name: automation,
              match: { automation },
              require: { stages: [{ roles: ['lead'] }] },
            })),
          ],
        },
      },
    ],
  })
  lena = await world.as('lena@acme.example', ['lead'])
}, 120_000)

afterAll(async () => {
  await world.close()
  await server.close()
})

/** What a lead is asked about; there is one approval in a run. */
async function approvalOf(runId: string): Promise<{ approval_id: string; digest: string }> {
  const { approval_id, digest } = await eventually(
    async () => (await world.admin.listApprovals({ run_id: runId })).items[0],
  )
  return { approval_id, digest }
}

async function problemsOf(runId: string): Promise<unknown[]> {
  const { receipts, head } = await receiptsOf(world.admin, runId)
  const keys = loadTrustedKeys(publicKeysFile(world.keysFolder))
  const known = head ?? { seq: 0, sha256: null }
  expect(receipts.length).toBeGreaterThan(0)
  return verifyReceipts(
    receipts.map(({ envelope }) => envelope),
    keys,
    known,
  ).problems
}

const start = (name: string, length: number) =>
  world.admin.startRun({ name, input: { text: 'x'.repeat(length) } })

/** As large as a request may be; JSON writes each of the second as six. */
const TEXTS = { 'a long text': 'x'.repeat(900_000), 'a text that JSON escapes': '\u0001'.repeat(160_000) }

/** The longest that are taken, of what JSON writes as six bytes. Of an answer, it is those that count. */
const LONGEST_ANSWER = { text: '\u0001'.repeat((LIMITS.answerBytes - '{"text":""}'.length) / 6) }
const LONGEST_COMMENT = '\u0001'.repeat(LIMITS.commentBytes)

test('the longest answer, with the longest comment, is taken and has a receipt that verifies', async () => {
  const run = await world.admin.startRun({ name: 'question' })
  const asked = await approvalOf(run.run_id)
  const tooLong = lena.answerAsk({ ...asked, answer: { text: 'x'.repeat(400_000) } })
  await expect(tooLong).rejects.toMatchObject({ code: 'INVALID_ANSWER' })
  const answer = LONGEST_ANSWER
  const said = { answer, comment: LONGEST_COMMENT }
  expect(await lena.answerAsk({ ...asked, ...said })).toMatchObject({ state: 'approved' })
  const { state, result } = await finished(world, run.run_id)
  expect({ state, result }).toEqual({ state: 'completed', result: answer })
  expect(await problemsOf(run.run_id)).toEqual([])
})

describe('a write with large values', () => {
  test.each(Object.entries(TEXTS))(
    'of %s has a receipt that verifies, also after a Reset',
    async (_, text) => {
      const before = calls.put
      const run = await world.admin.startRun({ name: 'free', input: { text } })
      expect((await finished(world, run.run_id)).state).toBe('completed')
      expect(await problemsOf(run.run_id)).toEqual([])
      await reset(world, { workflowId: run.temporal_workflow_id }, 'first')
      await eventually(async () => (await finished(world, run.run_id)).state === 'completed')
      expect(await problemsOf(run.run_id)).toEqual([])
      expect(calls.put).toBe(before + 1)
    },
  )

  test.each(['largest-text', 'largest-escaped'])(
    'of %s is approved, made, and has receipts that verify',
    async (name) => {
      const before = calls.put
      const run = await world.admin.startRun({ name })
      await lena.decideApproval({ ...(await approvalOf(run.run_id)), verdict: 'approve' })
      expect((await finished(world, run.run_id)).state).toBe('completed')
      expect(await problemsOf(run.run_id)).toEqual([])
      expect(calls.put).toBe(before + 1)
    },
  )

  test('whose answer is lost waits for a person, whose word is believed', async () => {
    const run = await start('lost', 120_000)
    const waiting = await eventually(async () => {
      const seen = await world.admin.getRun({ run_id: run.run_id })
      return seen.state === 'waiting_for_resolution' && seen
    }, 60_000)
    const operator = await world.as('op@acme.example', ['operator'])
    const writebackId = waiting.writebacks[0]?.writeback_id ?? ''
    await operator.resolveWriteback({ writeback_id: writebackId, resolution: 'applied', comment: 'seen' })
    expect((await finished(world, run.run_id)).state).toBe('completed')
    expect(await problemsOf(run.run_id)).toEqual([])
    expect(calls.lose).toBe(1)
  })

  test('that nobody may approve says so', async () => {
    const run = await start('asked', 100_000)
    const { failure } = await finished(world, run.run_id)
    expect(failure?.code).toBe('NO_ELIGIBLE_APPROVER')
    expect(await problemsOf(run.run_id)).toEqual([])
  })
})
