/**
 * The attacker is a tenant, or owns a server that one calls. He wants the time of everybody else: by expressions that
 * look at much, by schemas that take years, by lists without end, by values without bottom.
 */
import { availableParallelism } from 'node:os'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createShares } from '../../activities/shares.ts'
import { matchEvent, type AutomationRevision } from '../../api/deliveries/match.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { ruleOn } from '../../lib/policy.ts'
import { inSandbox } from '../../lib/sandbox/pool.ts'
import { checkValue } from '../../lib/schema-check.ts'
import { createMcpClient } from '../../mcp/client.ts'
import { AutomationSpecSchema, PolicySpecSchema } from '../../schemas/manifests.ts'
import { httpTarget, limits } from '../mcp/calls.ts'
import { finished } from '../support/attack-world.ts'
import { startTestMcpServer, textResult, type TestMcpServer, type TestTool } from '../support/mcp-server.ts'
import { startWorld, type World } from '../support/world.ts'

const WORDS = Array.from({ length: 5_000 }, () => 'aaaaaaab')
const TEXT = 'a'.repeat(100_000)
const COSTLY = 'words.exists(w, text.contains(w))'

const eventData = { words: WORDS, text: TEXT }
const costlyFilter = COSTLY.replaceAll(/words|text(?=\.)/g, (name) => `event.data.${name}`)

function listener(name: string, filter: string): AutomationRevision {
  const triggers = [{ type: 'event', connection: 'crm', event: 'changed', filter }]
  const spec = AutomationSpecSchema.parse({ triggers, steps: [{ name: 'answer', return: 1 }] })
  return { name, revision: 1, spec }
}

function event(organization: string, data: JsonObject) {
  return { organization, connection: 'crm', type: 'changed', data }
}

/** How often this thread came round meanwhile. */
async function roundsDuring(work: Promise<unknown>): Promise<number> {
  let rounds = 0
  let isOver = false
  const count = (): void => {
    rounds++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  await work
  isOver = true
  return rounds
}

/** What is not settled by then waits for something outside of this thread. */
async function outOfPatience(): Promise<string> {
  for (let microtask = 0; microtask < 100; microtask++) await Promise.resolve()
  return 'elsewhere'
}

describe('an expression', () => {
  test('of a filter that looks at too much starts nothing, and keeps no other from starting', async () => {
    const { matches, failures } = await matchEvent(event('acme', eventData), [
      listener('costly', costlyFilter),
      listener('plain', 'event.data.text != ""'),
    ])
    expect(failures.map(({ automation, error }) => [automation, error.code])).toEqual([
      ['costly', 'EXPRESSION_TOO_COSTLY'],
    ])
    expect(matches.map(({ automation }) => automation)).toEqual(['plain'])
  })

  test('of many filters leaves turns to others in between, and another organization comes second', async () => {
    const order: string[] = []
    const many = Array.from({ length: 12 }, (_, index) => listener(`costly-${index}`, costlyFilter))
    const hostile = matchEvent(event('hostile', eventData), many).then(() => order.push('hostile'))
    const other = matchEvent(event('other', {}), [listener('plain', 'true')]).then(() => order.push('other'))
    expect(await roundsDuring(Promise.all([hostile, other]))).toBeGreaterThanOrEqual(12)
    expect(order).toEqual(['other', 'hostile'])
  })

  test('of many filters keeps a request with many turns waiting for few of them', async () => {
    let matched = 0
    const one = [listener('costly', costlyFilter)]
    const hostile = Array.from({ length: 12 }, () =>
      matchEvent(event('hostile', eventData), one).then(() => matched++),
    )
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    expect(matched).toBeLessThanOrEqual(5)
    await Promise.all(hostile)
  })

  test('of a policy that looks at too much lets nothing pass', () => {
    const facts = {
      connection: 'bank',
      operation: 'pay',
      executor: 'mcp_tool',
      automation: 'pay',
      class: 'write' as const,
      arguments: { words: WORDS, text: TEXT },
      patch: {},
      target: {},
      requester: { principal: 'carl@acme.example', kind: 'person' as const, onBehalfOf: [] },
    }
    const costly = `${COSTLY.replaceAll(/words|text(?=\.)/g, (name) => `arguments.${name}`)} == false`
    const spec = PolicySpecSchema.parse({
      rules: [
        { name: 'costly', match: { when: costly }, allow: true },
        { name: 'not-this', match: { when: 'arguments.text == ""' }, deny: true },
        { name: 'all', match: {}, allow: true },
      ],
    })
    expect(ruleOn([{ name: 'p', spec }], facts)).toEqual({ effect: 'deny', rule: 'p/not-this' })
  })
})

describe('a schema', () => {
  test('with a pattern is never held against a value by this thread, however often it is used', async () => {
    const schema = { type: 'string', pattern: '^(a+)+$' }
    for (let use = 0; use < 8; use++) {
      const checked = checkValue(schema, 'aaa', { organization: 'acme' }).then(() => 'here')
      expect(await Promise.race([checked, outOfPatience()])).toBe('elsewhere')
      await checked
    }
  })

  test('of one organization that takes years keeps no other organization waiting', async () => {
    const schema = { type: 'string', pattern: '^(a+)+$' }
    // So that threads are there: starting one takes as long as the first of the others may go on.
    const warm = ['a', 'b', 'c', 'd'].map((organization) => checkValue(schema, 'a', { organization }))
    await Promise.all(warm)
    let ended = 0
    const slow = Array.from({ length: 8 }, () =>
      checkValue(schema, `${'a'.repeat(50)}!`, { organization: 'hostile' })
        .catch(() => undefined)
        .finally(() => ended++),
    )
    await checkValue({ type: 'string', pattern: '^b$' }, 'b', { organization: 'other' })
    expect(ended).toBe(0)
    await Promise.all(slow)
  })
})

test('short calls beside code of the same organization do not wait for it, and rest for far longer than they take', async () => {
  const loop = (organization: string, timeoutMs: number, signal?: AbortSignal) =>
    inSandbox(
      {
        kind: 'run',
        source: 'export default () => { for (;;) {} }',
        contextText: '{}',
        timeoutMs,
        nowMs: 0,
        seed: '0'.repeat(32),
      },
      { organization, ...(signal ? { signal } : {}) },
    )
  const shortMs = async (): Promise<number> => {
    const startMs = performance.now()
    expect(await loop('busy', 50)).toMatchObject({ code: 'CODE_TIMEOUT' })
    return performance.now() - startMs
  }
  const share = Math.max(1, Math.floor(availableParallelism() / 2))
  // So that there are threads for all: starting one is no part of a call.
  await Promise.all(Array.from({ length: share + 1 }, (_, index) => loop(`earlier-${index}`, 300)))
  const stop = new AbortController()
  const code = Array.from({ length: share }, () => loop('busy', 60_000, stop.signal).catch(() => 'stopped'))
  const [firstMs, secondMs] = [await shortMs(), await shortMs()]
  stop.abort()
  expect(await Promise.all(code)).toEqual(code.map(() => 'stopped'))
  // By construction nine times; a busy machine makes both longer.
  expect(secondMs / firstMs).toBeGreaterThan(6)
})

test('calls of one organization never hold all places of a worker', async () => {
  const inShare = createShares({ total: 4, perOwner: 3 })
  let end = (): void => undefined
  const never = new Promise<void>((resolve) => {
    end = resolve
  })
  const slow = Array.from({ length: 3 }, () => inShare('hostile', () => never))
  const fourth = inShare('hostile', async () => 'begun').catch((error: unknown) => error)
  expect(await fourth).toMatchObject({ code: 'ORGANIZATION_BUSY', nextRetryDelayMs: 5_000 })
  expect(await inShare('other', async () => 'begun')).toBe('begun')
  end()
  await Promise.all(slow)
  expect(await inShare('hostile', async () => 'begun')).toBe('begun')
})

test('calls of several organizations leave places of a worker to one that comes later', async () => {
  const inShare = createShares()
  const never = new Promise<never>(() => undefined)
  const begun: Record<string, number> = {}
  const callOften = (organization: string) => {
    for (let call = 0; call < 100; call++)
      void inShare(organization, () => {
        begun[organization] = (begun[organization] ?? 0) + 1
        return never
      }).catch(() => undefined)
  }
  for (const organization of ['one', 'two', 'three', 'four']) callOften(organization)
  expect(begun).toEqual({ one: 75, two: 13, three: 6, four: 3 })
})

describe('a server', () => {
  const client = createMcpClient()
  let server: TestMcpServer
  let world: World

  beforeAll(async () => {
    server = await startTestMcpServer({ tools: [look], pageSize: 500 })
    world = await startWorld()
  })
  afterAll(async () => {
    await world.close()
    await client.close()
    await server.close()
  })

  let answer: JsonValue = {}
  const look: TestTool = {
    name: 'look',
    inputSchema: { type: 'object' },
    annotations: { readOnlyHint: true },
    run: () => ({ ...textResult('seen'), structuredContent: { answer } }),
  }

  async function run(args: JsonObject = {}): Promise<{ state: string; code: string | undefined }> {
    const spec = {
      type: 'mcp',
      transport: 'http',
      url: server.url,
      allow_private_addresses: true,
      trusted: true,
    }
    const call = { connection: 'odd', tool: 'look', arguments: args }
    await world.admin.applyManifests({
      manifests: [
        { kind: 'Connection', name: 'odd', spec },
        {
          kind: 'Automation',
          name: 'see',
          spec: { steps: [{ name: 'see', tool_call: call, timeout: '6s' }] },
        },
      ],
    })
    const { run_id: runId } = await world.admin.startRun({ name: 'see' })
    const { state, failure } = await finished(world, runId)
    return { state, code: failure?.code }
  }

  test.each<[string, () => TestTool[]]>([
    [
      'too many tools',
      () => Array.from({ length: 1_001 }, (_, index) => ({ ...look, name: `look${index}` })),
    ],
    [
      'tools that are too large together',
      () =>
        Array.from({ length: 900 }, (_, index) => ({
          ...look,
          name: `look${index}`,
          description: 'x'.repeat(10_000),
        })),
    ],
    ['one tool that is as large as a list', () => [{ ...look, description: 'x'.repeat(600_000) }]],
  ])('that lists %s is refused', async (_what, tools) => {
    server.tools.splice(0, server.tools.length, ...tools())
    const listed = client.listTools(httpTarget(server.url), limits()).then(
      ({ tools }) => `${tools.length} tools`,
      (error: { code: string }) => error.code,
    )
    expect(await listed).toBe('LISTING_TOO_LARGE')
    server.tools.splice(0, server.tools.length, look)
  })

  test('whose schema takes years fails the call that it is for, and says whose schema it is', async () => {
    const text = { type: 'string', pattern: '^(a+)+$' }
    server.tools.splice(0, 1, { ...look, inputSchema: { type: 'object', properties: { text } } })
    expect(await run({ text: '${{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + "!" }}' })).toEqual({
      state: 'failed',
      code: 'SCHEMA_TOO_COSTLY',
    })
    server.tools.splice(0, 1, look)
  })

  test('that answers without bottom fails the call once', async () => {
    answer = 1
    for (let depth = 0; depth < 3_000; depth++) answer = [answer]
    const before = server.calls.length
    expect(await run()).toEqual({ state: 'failed', code: 'RESULT_INVALID' })
    expect(server.calls.length - before).toBe(1)
    answer = {}
  })
})
