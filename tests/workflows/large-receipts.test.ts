/** A receipt is as large as what it tells of, and whoever verifies it reads it whole. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { verifyReceipts } from '../../lib/receipts.ts'
import { finished } from '../support/attack-world.ts'
import { startTestMcpServer, textResult, type TestMcpServer, type TestTool } from '../support/mcp-server.ts'
import { reset } from '../support/resets.ts'
import { eventually, startWorld, type World } from '../support/world.ts'

let world: World
let server: TestMcpServer
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
      { kind: 'Automation', name: 'free', spec: step('put') },
      { kind: 'Automation', name: 'asked', spec: step('put') },
      { kind: 'Automation', name: 'lost', spec: step('lose') },
      {
        kind: 'Policy',
        name: 'p',
        spec: {
          rules: ['free', 'lost'].map((automation) => ({
            name: automation,
            match: { automation },
            allow: true,
          })),
        },
      },
    ],
  })
}, 120_000)

afterAll(async () => {
  await world.close()
  await server.close()
})

async function problemsOf(runId: string): Promise<unknown[]> {
  const { receipts, head } = await world.admin.listReceipts({ run_id: runId })
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
