/**
 * The attacker is a tenant whose server answers a few megabytes with half a million names in them: each of them is fewer
 * bytes than an answer may have, and would take seconds of the one thread that reads for everybody.
 */
import { afterEach, expect, test } from 'vitest'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import type { JsonObject } from '../../lib/json.ts'
import { MAX_ANSWER_PARTS } from '../../lib/limits.ts'
import { createClient, type Client } from '../../sdk/client/index.ts'
import { startTestMcpServer, textResult, type TestMcpServer } from '../support/mcp-server.ts'
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts'
import { eventually, startWorld, type World } from '../support/world.ts'

const NAMES = 550_000
const RUNS = 20
/** Too many as well, and soon made: a worker that makes half a million sends no heartbeat for so long that Temporal takes it for dead. */
const FEWER_NAMES = 110_000
const answerWith = (length: number): string =>
  JSON.stringify(Object.fromEntries(Array.from({ length }, (_, at) => [`n${at}`, 1])))
const ANSWERS: Record<string, string> = { look: answerWith(NAMES), glance: answerWith(FEWER_NAMES) }

let world: World
let worker: WorkerProcess
let server: TestMcpServer

afterEach(async () => {
  await worker.stop()
  await world.close()
  await server.close()
})

async function startServer(): Promise<TestMcpServer> {
  const inputSchema = { type: 'object' as const }
  return startTestMcpServer({
    tools: [
      ...Object.keys(ANSWERS).map((name) => ({ name, inputSchema, run: () => textResult('never said') })),
      { name: 'take', inputSchema, run: () => textResult('ok') },
    ],
    intercept: ({ method, id, params }, response) => {
      const answer = method === 'tools/call' && ANSWERS[(params as { name: string }).name]
      if (!answer) return false
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":${answer}}}`)
      return true
    },
  })
}

/** With an automation that calls this tool. */
async function define(client: Client, tool: string): Promise<void> {
  const tools = { look: { class: 'read' }, glance: { class: 'read' }, take: { class: 'read' } }
  const spec = { type: 'mcp', transport: 'http', url: server.url, allow_private_addresses: true, tools }
  const steps: JsonObject[] = [{ name: 'ask', tool_call: { connection: 'tools', tool, arguments: {} } }]
  await client.applyManifests({
    manifests: [
      { kind: 'Connection', name: 'tools', spec },
      { kind: 'Automation', name: tool, spec: { steps } },
    ],
  })
}

/** The code and the message of its failure, or its state. */
async function endOf(client: Client, runId: string): Promise<string> {
  return eventually(async () => {
    const { state, failure } = await client.getRun({ run_id: runId })
    return state !== 'running' && (failure ? `${failure.code}: ${failure.message}` : state)
  }, 60_000)
}

test('answers with half a million names are refused before they are made, and keep nobody else waiting', async () => {
  server = await startServer()
  world = await startWorld({ worker: false })
  worker = await startWorkerProcess(world)
  const { key } = await bootstrapOrganization(world.database, {
    organization: 'rival',
    admin: 'r@rival.example',
  })
  const rival = createClient({ baseUrl: world.apiUrl, apiKey: key })
  for (const tool of Object.keys(ANSWERS)) await define(world.admin, tool)
  await define(rival, 'take')
  const beside = async (): Promise<number> => {
    const beganMs = Date.now()
    const { run_id } = await rival.startRun({ name: 'take' })
    expect(await endOf(rival, run_id)).toBe('completed')
    return Date.now() - beganMs
  }
  await beside()
  const aloneMs = await beside()
  const begin = async (name: string): Promise<string> => (await world.admin.startRun({ name })).run_id
  const expectRefused = async (run: string): Promise<void> => {
    const end = await endOf(world.admin, run)
    expect(end).toContain(`RESULT_TOO_LARGE: `)
    expect(end).toContain(`more than ${MAX_ANSWER_PARTS} values and names`)
  }
  await expectRefused(await begin('glance'))
  const runs: string[] = []
  for (let run = 0; run < RUNS; run++) runs.push(await begin('look'))
  const tookMs = await beside()
  for (const run of runs) await expectRefused(run)
  // Parsed as they came, it was more than fifty times.
  expect(tookMs / aloneMs).toBeLessThan(20)
}, 120_000)
