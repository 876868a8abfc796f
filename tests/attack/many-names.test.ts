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
const ANSWER = JSON.stringify(Object.fromEntries(Array.from({ length: NAMES }, (_, at) => [`n${at}`, 1])))

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
      { name: 'look', inputSchema, run: () => textResult('never said') },
      { name: 'take', inputSchema, run: () => textResult('ok') },
    ],
    intercept: ({ method, id, params }, response) => {
      if (method !== 'tools/call' || (params as { name?: string }).name !== 'look') return false
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":${ANSWER}}}`)
      return true
    },
  })
}

/** With an automation that calls this tool. */
async function define(client: Client, tool: string): Promise<void> {
  const tools = { look: { class: 'read' }, take: { class: 'read' } }
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
  await define(world.admin, 'look')
  await define(rival, 'take')
  const beside = async (): Promise<number> => {
    const beganMs = Date.now()
    const { run_id } = await rival.startRun({ name: 'take' })
    expect(await endOf(rival, run_id)).toBe('completed')
    return Date.now() - beganMs
  }
  await beside()
  const begin = async (): Promise<string> => (await world.admin.startRun({ name: 'look' })).run_id
  const expectRefused = async (run: string): Promise<void> => {
    const end = await endOf(world.admin, run)
    expect(end).toContain(`RESULT_TOO_LARGE: `)
    expect(end).toContain(`more than ${MAX_ANSWER_PARTS} values and names`)
  }
  // One by itself ends soon, also where it is made; many that are made take longer than anybody here waits.
  await expectRefused(await begin())
  const runs: string[] = []
  for (let run = 0; run < RUNS; run++) runs.push(await begin())
  const tookMs = await beside()
  for (const run of runs) await expectRefused(run)
  // It was 16 s; alone it takes 0.3 s.
  expect(tookMs).toBeLessThan(6_000)
}, 120_000)
