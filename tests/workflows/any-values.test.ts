/**
 * Any value, through every door to every exit: what can be kept arrives as it was sent, and what cannot is refused where
 * it arrives. No value stops a worker. Another seed makes other values: `VALUES_SEED=x npx vitest run
 * tests/workflows/any-values.test.ts`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { readJsonArgument, readYamlFile } from '../../cli/files.ts'
import { canonicalJson, digestOf } from '../../lib/canonical-json.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { MAX_VALUE_DEPTH } from '../../lib/limits.ts'
import { storableText } from '../../lib/storable.ts'
import { chanceOf } from '../chaos/random.ts'
import { automation, ONE_LEAD, TOOLS } from '../support/automations.ts'
import { openDesk, type Desk } from '../support/cli.ts'
import { textResult } from '../support/mcp-server.ts'
import { nestedText, randomText, randomValue } from '../support/random-values.ts'
import { OUTCOME_PREDICATE } from '../../schemas/receipt.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import { about, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const SEED = process.env['VALUES_SEED'] ?? '1'
const VALUES = 300
const ODD_VALUES = 100
const TEXTS = 25

const chance = chanceOf(`values ${SEED}`)
const good = Array.from({ length: VALUES }, () => randomValue(chance))
const odd = Array.from({ length: ODD_VALUES }, () => randomValue(chance, { odd: true, depth: 3 })).filter(
  ({ isExact, isStorable }) => !isExact || !isStorable,
)
const deep = [90, 101, 400, 2_000].map((depth) => ({ depth, text: nestedText(chance, depth) }))
const values = good.map(({ value }) => value)
/** Code cannot tell a large whole number from one that it has rounded, and gives none. */
const small = values.filter((value) => !/\d{16}|e\+/.test(JSON.stringify(value)))
const inputText = `{"values": [${good.map(({ text }) => text).join(', ')}]}`
/** Also what cannot be kept: of servers and of code it is not refused, for they are not asked twice. */
const texts = Array.from({ length: TEXTS }, () => randomText(chance, true))

/** Times keep what is below a millisecond. */
const MOMENT = '2026-10-01T12:00:00.123456Z'
const ONE_LATER = '2026-10-01T12:00:00.123457Z'

const TABLE = `
  create table samples (id text primary key, tenant text not null default 'acme', doc jsonb, words text, list text[], at timestamptz);
  insert into samples (id) values ('a')`

let desk: Desk
let token: string
let answer: JsonValue = null

beforeAll(async () => {
  console.log(`values of seed ${SEED}`)
  desk = await openDesk()
  const { scenario } = desk
  await scenario.shop.query(TABLE)
  const inputSchema = { type: 'object' as const }
  scenario.server.tools.push(
    {
      name: 'give',
      inputSchema,
      annotations: { readOnlyHint: true },
      run: () => ({ ...textResult('given'), structuredContent: { answer } }),
    },
    {
      name: 'refuse',
      inputSchema,
      annotations: { readOnlyHint: true },
      run: ({ quoted }) => ({ ...textResult(JSON.parse(String(quoted)) as string), isError: true }),
    },
    { name: 'take', inputSchema, annotations: { readOnlyHint: false }, run: () => textResult('taken') },
  )
  await scenario.apply(samplesConnection(), automation('through', THROUGH), onEvent())
  await scenario.define('through', THROUGH, ONE_LEAD)
  await scenario.define('told', TOLD, { allow: true })
  const { key } = await scenario.world.admin.createKey({
    principal: { id: `connection/${TOOLS}`, kind: 'service' },
    scopes: ['trigger'],
  })
  token = key
})

afterAll(() => desk.close())

function samplesConnection(): JsonObject {
  return {
    kind: 'Connection',
    name: 'samples',
    spec: {
      type: 'postgres',
      url: '${secret:SHOP_DATABASE_URL}',
      scope: { column: 'tenant', value: 'acme' },
      tables: { samples: { primary_key: ['id'], writable: ['doc', 'words', 'list', 'at'] } },
    },
  }
}

function onEvent(): JsonObject {
  const input = { values: '${{ event.data.values }}' }
  const triggers = [{ type: 'event', connection: TOOLS, event: 'sent', input }]
  return {
    kind: 'Automation',
    name: 'heard',
    spec: { triggers, steps: [{ name: 'end', return: '${{ input }}' }] },
  }
}

const tool = (name: string, args: JsonObject = {}): JsonObject => ({
  name,
  tool_call: { connection: TOOLS, tool: name, arguments: args },
})

/** From the input and a server through code to a server and a database; people are asked about both writes. */
const THROUGH: JsonObject[] = [
  tool('give'),
  {
    name: 'made',
    code: {
      source: 'export default ({ input, readStepResult }) => [input.small, readStepResult("give").answer[0]]',
    },
  },
  tool('take', { values: '${{ input.values }}', made: '${{ steps.made.output }}' }),
  {
    name: 'sample',
    writeback: {
      connection: 'samples',
      update: {
        table: 'samples',
        key: { id: 'a' },
        set: {
          doc: '${{ input.values }}',
          words: '${{ input.words }}',
          list: '${{ input.list }}',
          at: MOMENT,
        },
      },
    },
  },
  {
    name: 'end',
    return: [
      '${{ steps.made.output[0] }}',
      '${{ steps.give.output.answer }}',
      // As PostgreSQL writes it.
      '${{ timestamp(steps.sample.output.at) + duration("1us") }}',
    ],
  },
]

/** Words of servers and of code, which people read when a step has failed. */
const TOLD: JsonObject[] = [
  { ...tool('refuse', { quoted: '${{ input.quoted }}' }), on_error: 'continue' },
  {
    name: 'thrown',
    on_error: 'continue',
    code: { source: 'export default ({ input }) => { throw new Error(JSON.parse(input.quoted)) }' },
  },
  { name: 'made', code: { source: 'export default ({ input }) => JSON.parse(input.quoted)' } },
  { name: 'end', fail: { code: 'TOLD', message: '${{ steps.made.output }}' } },
]

const same = (one: unknown, other: unknown): boolean =>
  canonicalJson(one as JsonValue) === canonicalJson(other as JsonValue)

/** Those that are another value there. */
function changed(found: unknown, expected: readonly JsonValue[] = values): unknown[] {
  const list = found as JsonValue[]
  if (!Array.isArray(list) || list.length !== expected.length) return [found]
  return expected.filter((value, index) => !same(list[index], value)).slice(0, 3)
}

async function send(path: string, body: string, key: string): Promise<{ status: number; text: string }> {
  const response = await fetch(new URL(path, desk.scenario.world.apiUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body,
  })
  return { status: response.status, text: await response.text() }
}

const start = (input: string) =>
  send('/v1/automations/echo/runs', `{"input": ${input}}`, desk.scenario.world.adminKey)
const event = (values: string) =>
  send('/api/trigger-callback', `{"type": "sent", "data": {"values": ${values}}}`, token)

async function waitingFor(runId: string, field: string): Promise<ApprovalView> {
  const { admin } = desk.scenario.world
  return eventually(async () => {
    const { items } = await admin.listApprovals({ run_id: runId })
    const found = items.find(({ preview }) => preview?.changes.some((one) => one.field === field))
    if (!found) expect((await admin.getRun({ run_id: runId })).failure).toBeNull()
    return found
  })
}

async function resultOf(runId: string): Promise<JsonObject> {
  const { admin } = desk.scenario.world
  const run = await eventually(async () => {
    const shown = await admin.getRun({ run_id: runId })
    return shown.state !== 'running' && shown
  })
  expect([run.state, run.failure]).toEqual(['completed', null])
  return run.result as JsonObject
}

describe('what can be kept', () => {
  test('comes through the API to the result, the history, the list, and the command line', async () => {
    const { world } = desk.scenario
    const { status, text } = await start(inputText)
    expect([status, status === 201 ? '' : text]).toEqual([201, ''])
    const { run_id, delivery_id, temporal_workflow_id } = JSON.parse(text) as Record<string, string>
    expect(changed((await resultOf(run_id ?? ''))['values'])).toEqual([])
    const handle = world.temporal.workflow.getHandle(temporal_workflow_id ?? '')
    expect(changed(((await handle.result()) as { values: JsonValue[] }).values)).toEqual([])
    const { rows } = await world.database.query<{ runs: { input: { values: JsonValue[] } }[] }>(
      'select runs from deliveries where id = $1',
      [delivery_id],
    )
    expect(changed(rows[0]?.runs[0]?.input.values)).toEqual([])
    const printed = await desk.json(['runs', 'show', run_id ?? ''])
    expect(changed((printed['result'] as JsonObject)['values'])).toEqual([])
  })

  test('comes through the callback', async () => {
    const { world } = desk.scenario
    expect((await event(`[${good.map(({ text }) => text).join(', ')}]`)).status).toBe(202)
    const { run_id } = await eventually(
      async () => (await world.admin.listRuns({ automation: 'heard' })).items[0],
    )
    expect(changed((await resultOf(run_id))['values'])).toEqual([])
  })

  test('comes from a command, as JSON and as YAML', async () => {
    const file = desk.file('input.json', inputText)
    const started = await desk.json(['run', 'echo', '--input', `@${file}`])
    expect(changed((await resultOf(String(started['run_id'])))['values'])).toEqual([])
    expect(
      changed((readYamlFile(desk.file('input.yaml', stringify({ values }))).value as JsonObject)['values']),
    ).toEqual([])
  })

  test('stands in a manifest', async () => {
    const plain = values.filter((value) => !JSON.stringify(value).includes('${{'))
    const manifest = automation('said', [{ name: 'end', return: { values: plain } }])
    const { value } = readYamlFile(desk.file('said.yaml', stringify(manifest)))
    await desk.scenario.apply(value as JsonObject)
    const { run_id } = await desk.scenario.clerk.startRun({ name: 'said', input: {} })
    expect(changed((await resultOf(run_id))['values'], plain)).toEqual([])
  })

  test('comes through servers, code and a database, past people who see it and sign for it', async () => {
    const { world, server, shop, lena } = desk.scenario
    answer = values
    const words = texts.map(storableText).join('')
    const list = texts.map(storableText)
    const { run_id, temporal_workflow_id } = await world.admin.startRun({
      name: 'through',
      input: { values, small, words, list },
    })
    const run: StartedRun = { runId: run_id, workflowId: temporal_workflow_id, account: '' }
    for (const field of ['values', 'doc']) {
      const approval = await waitingFor(run_id, field)
      const change = approval.preview?.changes.find((one) => one.field === field)
      expect([field, changed(change?.after)]).toEqual([field, []])
      const shown = await desk.json(['approvals', 'show', approval.approval_id])
      expect(JSON.stringify(shown)).toContain(approval.digest)
      await lena.decideApproval({ ...about(approval), verdict: 'approve' })
    }
    const result = (await resultOf(run_id)) as unknown as JsonValue[][]
    expect([changed(result[0], small), changed(result[1])]).toEqual([[], []])
    expect(result[2]).toBe(ONE_LATER)
    expect(small.length).toBeGreaterThan(VALUES / 2)
    const [taken] = server.calls.filter((call) => call.tool === 'take')
    expect(changed(taken?.arguments['values'])).toEqual([])
    const { rows } = await shop.query<{ doc: JsonValue[]; words: string; list: string[] }>(
      `select doc, words, list from samples where id = 'a'`,
    )
    expect([changed(rows[0]?.doc), rows[0]?.words === words, changed(rows[0]?.list, list)]).toEqual([
      [],
      true,
      [],
    ])
    const ledger = (await world.admin.listWritebacks({ run_id })).items
    expect(ledger.map(({ state }) => state)).toEqual(['applied', 'applied'])
    const statements = await desk.scenario.statements(run)
    expect(statements).toHaveLength(4)
    const known = statements
      .filter(({ predicateType }) => predicateType === OUTCOME_PREDICATE)
      .map(({ predicate }) => [predicate['how'], predicate['answerSha256']])
    const digestFrom = (by: string) =>
      digestOf(ledger.find(({ executor }) => executor === by)?.outcome?.output)
    expect(known).toEqual([
      ['answered', digestFrom('mcp_tool')],
      ['atomic', digestFrom('sql')],
    ])
  })
})

describe('what cannot be kept', () => {
  test('is refused by every door, with its place', async () => {
    expect(odd.length).toBeGreaterThan(30)
    for (const { text, isExact } of odd) {
      const started = await start(`{"v": ${text}}`)
      expect([text, started.status], started.text).toEqual([text, 400])
      expect(started.text).toContain('"path":"input.v')
      if (isExact) continue
      expect([text, (await event(text)).status]).toEqual([text, 400])
      expect(() => readJsonArgument(text), text).toThrow()
      const file = join(desk.folder, 'odd.yaml')
      writeFileSync(file, text)
      expect(() => readYamlFile(file), text).toThrow()
    }
  })

  test.each(deep)('nor is what is nested too deep: $depth levels', async ({ depth, text }) => {
    expect((await start(text)).status).toBe(depth < 100 ? 201 : 400)
    expect((await event(text)).status).toBe(depth < 100 ? 202 : 400)
    answer = JSON.parse(text) as JsonValue
    await desk.scenario.define('asked', [tool('give')], { allow: true })
    const { run_id } = await desk.scenario.clerk.startRun({ name: 'asked', input: {} })
    const run = await eventually(async () => {
      const shown = await desk.scenario.world.admin.getRun({ run_id })
      return shown.state !== 'running' && shown
    })
    expect([run.state, run.failure?.code]).toEqual(
      depth < MAX_VALUE_DEPTH ? ['completed', undefined] : ['failed', 'RESULT_INVALID'],
    )
  })
})

test('no word of a server, of code or of an automation stops the worker, whatever is in it', async () => {
  const told = texts.map(async (text) => {
    const input = { quoted: JSON.stringify(text) }
    const { run_id } = await desk.scenario.clerk.startRun({ name: 'told', input })
    const run = await eventually(async () => {
      const shown = await desk.scenario.world.admin.getRun({ run_id })
      return shown.state === 'failed' && shown
    })
    expect(run.failure?.code).toBe('TOLD')
    expect(run.failure?.message).toContain(text.replace(/\p{Surrogate}/gu, '\ufffd'))
  })
  await Promise.all(told)
  expect(
    await resultOf((await desk.scenario.clerk.startRun({ name: 'echo', input: { v: 1 } })).run_id),
  ).toEqual({ v: 1 })
})
