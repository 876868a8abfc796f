/**
 * One tenant that wants all there is, beside another that does its ordinary work: patterns and lists of a malicious
 * server, filters over large events, code that spins, servers that are slow. API and worker are processes of their own.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import type { JsonObject } from '../../lib/json.ts'
import { createClient, followRun, type Client } from '../../sdk/client/index.ts'
import { freePort } from '../api/ports.ts'
import { startTestMcpServer, textResult, type TestMcpServer, type TestTool } from '../support/mcp-server.ts'
import { startApiProcess, type Program } from '../support/processes.ts'
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts'
import { startWorld, type World } from '../support/world.ts'
import { startEndlessServer, type EndlessServer } from './endless-server.ts'

export interface LoadOptions {
  /** Of the ordinary tenant, alone and beside the hostile one; an even number. */
  runs: number
  /** Of the ordinary tenant at a time. */
  lanes: number
  /** Of the hostile tenant at a time. */
  hostile: number
}

export interface Phase {
  /** Of each run, from its start to its end, in milliseconds, the shortest first. */
  runMs: number[]
  /** States of all runs. */
  states: Set<string>
  /** The slowest answer of /healthz. */
  healthMs: number
}

export interface LoadResult {
  alone: Phase
  beside: Phase
  /** How the hostile runs ended, or what became of the hostile events. */
  hostile: Map<string, number>
}

const BILLING = 'billing'
const HOSTILE_KINDS = ['pattern', 'filter', 'spin', 'slow', 'listing'] as const
type HostileKind = (typeof HOSTILE_KINDS)[number]

const look: TestTool = {
  name: 'look',
  inputSchema: { type: 'object', properties: { id: { type: 'string', pattern: '^in_[0-9]+$' } } },
  annotations: { readOnlyHint: true },
  run: () => ({ ...textResult('seen'), structuredContent: { level: 3 } }),
}

interface Load {
  world: World
  api: Program & { url: string }
  worker: WorkerProcess
  hostile: Client
  other: Client
  /** For events of the hostile tenant's server. */
  token: string
  close: () => Promise<void>
}

export async function runHostileLoad(options: LoadOptions): Promise<LoadResult> {
  const load = await startLoad()
  try {
    // The first runs pay for what is loaded once.
    await ordinaryPhase(load, { runs: options.lanes, lanes: options.lanes })
    // Half of them before and half after: what else the machine does changes in the meantime.
    const half = { ...options, runs: options.runs / 2 }
    const before = await ordinaryPhase(load, half)
    const ended = new Map<string, number>()
    const stop = new AbortController()
    const attackers = Array.from({ length: options.hostile }, (_, index) =>
      attack(load, HOSTILE_KINDS[index % HOSTILE_KINDS.length] ?? 'spin', { ended, signal: stop.signal }),
    )
    await sleep(1_000)
    const beside = await ordinaryPhase(load, options)
    stop.abort()
    await Promise.all(attackers)
    const alone = together(before, await ordinaryPhase(load, half))
    return { alone, beside, hostile: ended }
  } finally {
    await load.close()
  }
}

function together(one: Phase, other: Phase): Phase {
  return {
    runMs: [...one.runMs, ...other.runMs].toSorted((a, b) => a - b),
    states: new Set([...one.states, ...other.states]),
    healthMs: Math.max(one.healthMs, other.healthMs),
  }
}

/** Of values that are sorted. */
export function percentile(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.ceil(values.length * share) - 1)] ?? Number.NaN
}

async function startLoad(): Promise<Load> {
  const world = await startWorld({ worker: false })
  const good = await startTestMcpServer({ tools: [look] })
  const evil = await startTestMcpServer({ tools: evilTools() })
  const endless = await startEndlessServer()
  const worker = await startWorkerProcess(world)
  const api = await startApiProcess(world.environment('api'), await freePort())
  const close = async (): Promise<void> => {
    await Promise.all([worker.stop(), api.stop()])
    await Promise.all([good.close(), evil.close(), endless.close()])
    await world.close()
  }
  try {
    return { ...(await prepareTenants(world, api.url, { good, evil, endless })), world, api, worker, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function prepareTenants(
  world: World,
  baseUrl: string,
  { good, evil, endless }: { good: TestMcpServer; evil: TestMcpServer; endless: EndlessServer },
): Promise<Pick<Load, 'hostile' | 'other' | 'token'>> {
  const { key } = await bootstrapOrganization(world.database, {
    organization: 'globex',
    admin: 'ops@globex.example',
  })
  const hostile = createClient({ baseUrl, apiKey: world.adminKey })
  const other = createClient({ baseUrl, apiKey: key })
  await other.applyManifests({ manifests: ordinaryManifests(good) })
  await hostile.applyManifests({ manifests: hostileManifests(evil, endless.url) })
  endless.turn()
  const principal = { id: 'connection/evil', kind: 'service' as const, roles: [] }
  const { key: token } = await hostile.createKey({ principal, scopes: ['trigger'] })
  return { hostile, other, token }
}

async function ordinaryPhase(
  load: Load,
  { runs, lanes }: Pick<LoadOptions, 'runs' | 'lanes'>,
): Promise<Phase> {
  const runMs: number[] = []
  const states = new Set<string>()
  let left = runs
  const watching = watchHealth(load.api.url)
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const startMs = performance.now()
      states.add(await endOf(load.other, 'ordinary', { id: `in_${left + 1}` }))
      runMs.push(performance.now() - startMs)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return { runMs: runMs.toSorted((a, b) => a - b), states, healthMs: await watching.stop() }
}

function watchHealth(url: string): { stop: () => Promise<number> } {
  let slowestMs = 0
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      const startMs = performance.now()
      await (await fetch(`${url}/healthz`)).text()
      slowestMs = Math.max(slowestMs, performance.now() - startMs)
      await sleep(50)
    }
  })()
  return {
    async stop() {
      isOver = true
      await watching
      return slowestMs
    },
  }
}

async function endOf(client: Client, name: string, input: JsonObject = {}): Promise<string> {
  const { run_id: runId } = await client.startRun({ name, input })
  let state = 'unknown'
  for await (const run of followRun(client, runId)) state = run.failure?.code ?? run.state
  return state
}

async function attack(
  load: Load,
  kind: HostileKind,
  { ended, signal }: { ended: Map<string, number>; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    const end = await (kind === 'filter' ? sendEvent(load) : endOf(load.hostile, kind)).catch(
      (error: unknown) => (error as { code?: string }).code ?? String(error),
    )
    const name = `${kind}: ${end}`
    ended.set(name, (ended.get(name) ?? 0) + 1)
    // Whoever is refused at once does not come back at once.
    await sleep(100)
  }
}

const EVENT = JSON.stringify({
  type: 'changed',
  data: { words: Array.from({ length: 40_000 }, () => 'aaaaaaab'), text: 'a'.repeat(400_000) },
})

async function sendEvent({ api, token }: Load): Promise<string> {
  const response = await fetch(`${api.url}/api/trigger-callback`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': crypto.randomUUID(),
    },
    body: EVENT,
  })
  await response.text()
  return String(response.status)
}

function evilTools(): TestTool[] {
  const text = { type: 'string' as const, pattern: '^(a+)+$' }
  const annotations = { readOnlyHint: true }
  return [
    { ...look, name: 'pattern', inputSchema: { type: 'object', properties: { text } } },
    {
      name: 'slow',
      inputSchema: { type: 'object' },
      annotations,
      run: async (_args, { signal }) => {
        await sleep(20_000, undefined, { signal }).catch(() => undefined)
        return textResult('late')
      },
    },
  ]
}

function connection(name: string, url: string): JsonObject {
  const spec = { type: 'mcp', transport: 'http', url, allow_private_addresses: true, trusted: true }
  return { kind: 'Connection', name, spec }
}

function ordinaryManifests({ url }: TestMcpServer): JsonObject[] {
  const call = { connection: BILLING, tool: 'look', arguments: { id: '${{ input.id }}' } }
  const source = 'export default (ctx) => ctx.steps.look.output.level + 1'
  const steps = [
    { name: 'look', tool_call: call },
    { name: 'add', if: 'steps.look.output.level > 1', code: { source } },
    { name: 'result', return: '${{ steps.add.output }}' },
  ]
  return [connection(BILLING, url), { kind: 'Automation', name: 'ordinary', spec: { steps } }]
}

function hostileManifests({ url }: TestMcpServer, endlessUrl: string): JsonObject[] {
  const automation = (name: string, step: JsonObject, triggers: JsonObject[] = []): JsonObject => ({
    kind: 'Automation',
    name,
    spec: { triggers, steps: [{ name: 'go', ...step }] },
  })
  const filter = 'event.data.words.exists(w, event.data.text.contains(w))'
  const trigger = { type: 'event', connection: 'evil', event: 'changed', filter }
  const text = '${{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + "!" }}'
  const spin = { source: 'export default () => { for (;;); }', timeout: '10s' }
  return [
    connection('evil', url),
    connection('endless', endlessUrl),
    automation('pattern', { tool_call: { connection: 'evil', tool: 'pattern', arguments: { text } } }),
    automation('slow', { tool_call: { connection: 'evil', tool: 'slow', arguments: {} }, timeout: '30s' }),
    automation('listing', { tool_call: { connection: 'endless', tool: 'look', arguments: {} } }),
    automation('spin', { code: spin }),
    ...Array.from({ length: 5 }, (_, index) => automation(`filter${index}`, { return: 1 }, [trigger])),
  ]
}
