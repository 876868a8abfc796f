/**
 * What people and programs get wrong, against a whole deployment: each gets its code, and nothing is stored. Where a run
 * was started before the mistake could show, its delivery is all that is left.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client as ApiClient } from '../../sdk/client/index.ts'
import {
  approve,
  finished,
  startAttackWorld,
  type AttackWorld,
  type Parked,
} from '../support/attack-world.ts'
import { rowCounts } from '../support/evidence.ts'
import { startTestMcpServer, textResult, type TestMcpServer, type TestTool } from '../support/mcp-server.ts'
import { eventually } from '../support/world.ts'

let attack: AttackWorld
let server: TestMcpServer
let reader: ApiClient & { apiKey: string }
let callbackToken: string
let parked: Parked

const lookup: TestTool = {
  name: 'lookup',
  inputSchema: {
    type: 'object',
    properties: { id: { type: 'string' }, limit: { type: 'integer' } },
    required: ['id'],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true },
  run: ({ id }) => ({ ...textResult('found'), structuredContent: { id, level: 3 } }),
}
const doomed: TestTool = { ...lookup, name: 'doomed', annotations: { readOnlyHint: false } }

beforeAll(async () => {
  server = await startTestMcpServer({ tools: [lookup, doomed] })
  attack = await startAttackWorld()
  const { admin } = attack.world
  await admin.applyManifests({ manifests: [connection(server.url), ...AUTOMATIONS, QUICK_POLICY] })
  const readOnly = await admin.createKey({
    principal: { id: 'rita@acme.example', kind: 'person', roles: [] },
    scopes: ['read'],
  })
  reader = Object.assign(attack.clerk, { apiKey: readOnly.key })
  const callback = await admin.createKey({
    principal: { id: 'connection/crm', kind: 'service', roles: [] },
    scopes: ['trigger'],
  })
  callbackToken = callback.key
  parked = await attack.park()
})

afterAll(async () => {
  await attack.close()
  await server.close()
})

interface BadRequest {
  title: string
  status: number
  /** Null where the contract has bodies of its own. */
  code: string | null
  /** Part of the detail: it has to say where and what. */
  says: string
  send: () => Promise<Response>
}

const REQUESTS: BadRequest[] = [
  {
    title: 'a reference to a step that does not exist',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'lokup',
    send: () => apply(automation([call('lookup', { id: '${{ steps.lokup.output.id }}' })])),
  },
  {
    title: 'a reference to a step that comes later',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'second',
    send: () =>
      apply(
        automation([
          { ...call('lookup', { id: '${{ steps.second.output.id }}' }), name: 'first' },
          { ...call('lookup', { id: 'a' }), name: 'second' },
        ]),
      ),
  },
  {
    title: 'an expression that is none',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'if',
    send: () => apply(automation([{ ...call('lookup', { id: 'a' }), if: 'input.x >' }])),
  },
  {
    title: 'an argument of a type that the tool does not take',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'limit',
    send: () => apply(automation([call('lookup', { id: 'a', limit: 'many' })])),
  },
  {
    title: 'a tool that the server does not have',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'look_up',
    send: () => apply(automation([call('look_up', { id: 'a' })])),
  },
  {
    title: 'an unknown connection',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'crn',
    send: () => apply(automation([{ name: 'x', tool_call: { connection: 'crn', tool: 'lookup' } }])),
  },
  {
    title: 'a column that may not be written',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'tenant',
    send: () => apply(automation([update({ tenant: 'umbrella' })])),
  },
  {
    title: 'an unknown kind of manifest',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'kind',
    send: () => apply({ kind: 'Automaton', name: 'x', spec: {} }),
  },
  {
    title: 'a policy rule with two effects',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'exactly one',
    send: () =>
      apply({ kind: 'Policy', name: 'p', spec: { rules: [{ name: 'both', allow: true, deny: true }] } }),
  },
  {
    title: 'a policy rule with none',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'exactly one',
    send: () => apply({ kind: 'Policy', name: 'p', spec: { rules: [{ name: 'none' }] } }),
  },
  {
    title: 'a good manifest beside a bad one',
    status: 422,
    code: 'INVALID_MANIFEST',
    says: 'manifests[1]',
    send: () =>
      apply(automation([call('lookup', { id: 'a' })]), { kind: 'Policy', name: 'p', spec: { rules: [] } }),
  },
  {
    title: 'JSON that is cut off',
    status: 400,
    code: 'INVALID_INPUT',
    says: 'JSON',
    send: () => post('/v1/manifests', '{"manifests": ['),
  },
  {
    title: 'a body of 2 MB',
    status: 413,
    code: 'PAYLOAD_TOO_LARGE',
    says: '',
    send: () =>
      post('/v1/automations/adjust/runs', JSON.stringify({ input: { text: 'x'.repeat(2_000_000) } })),
  },
  {
    title: 'a body that is not JSON',
    status: 415,
    code: 'UNSUPPORTED_MEDIA_TYPE',
    says: '',
    send: () => post('/v1/manifests', 'kind: Policy', { headers: { 'content-type': 'application/yaml' } }),
  },
  {
    title: 'a wrong key',
    status: 401,
    code: 'UNAUTHENTICATED',
    says: '',
    send: () => post('/v1/automations/adjust/runs', '{}', { key: `${attack.world.adminKey.slice(0, -1)}x` }),
  },
  {
    title: 'no key',
    status: 401,
    code: 'UNAUTHENTICATED',
    says: '',
    send: () => post('/v1/automations/adjust/runs', '{}', { headers: { authorization: '' } }),
  },
  {
    title: 'a key without the scope',
    status: 403,
    code: 'FORBIDDEN',
    says: 'start',
    send: () => post('/v1/automations/adjust/runs', '{}', { key: reader.apiKey }),
  },
  {
    title: 'a callback token where a key belongs',
    status: 403,
    code: 'FORBIDDEN',
    says: '',
    send: () => post('/v1/automations/adjust/runs', '{}', { key: callbackToken }),
  },
  {
    title: 'a start of what is no automation',
    status: 404,
    code: 'NOT_FOUND',
    says: 'nonesuch',
    send: () => post('/v1/automations/nonesuch/runs', '{}'),
  },
  {
    title: 'an input that the automation does not take',
    status: 400,
    code: 'INVALID_INPUT',
    says: 'id',
    send: () => post('/v1/automations/strict/runs', JSON.stringify({ input: { id: 7 } })),
  },
  {
    title: 'a decision about another digest',
    status: 409,
    code: 'STALE_DIGEST',
    says: '',
    send: () => decide({ verdict: 'approve', digest: '0'.repeat(64) }),
  },
  {
    title: 'a decision without a digest',
    status: 400,
    code: 'INVALID_INPUT',
    says: 'digest',
    send: () => decide({ verdict: 'approve' }),
  },
  {
    title: 'a verdict that is none',
    status: 400,
    code: 'INVALID_INPUT',
    says: 'verdict',
    send: () => decide({ verdict: 'maybe', digest: parked.approval.digest }),
  },
  {
    title: 'a decision of somebody without the role',
    status: 409,
    code: 'NOT_ELIGIBLE',
    says: 'lead',
    send: () => decide({ verdict: 'approve', digest: parked.approval.digest }, attack.world.adminKey),
  },
  {
    title: 'an event without its type',
    status: 400,
    code: null,
    says: 'type',
    send: () => post('/api/trigger-callback', '{"data": {}}', { key: callbackToken }),
  },
  {
    title: 'an event with a wrong token',
    status: 401,
    code: null,
    says: 'token',
    send: () => post('/api/trigger-callback', '{"type": "made"}', { key: 'cs_wrong' }),
  },
  {
    title: 'an event with a key that is no callback token',
    status: 401,
    code: null,
    says: 'token',
    send: () => post('/api/trigger-callback', '{"type": "made"}'),
  },
  {
    title: 'an event on the path of another organization',
    status: 401,
    code: null,
    says: 'token',
    send: () => post('/api/umbrella/trigger-callback', '{"type": "made"}', { key: callbackToken }),
  },
  {
    title: 'an event of 2 MB',
    status: 413,
    code: null,
    says: 'large',
    send: () =>
      post('/api/trigger-callback', JSON.stringify({ type: 'made', data: { text: 'x'.repeat(2_000_000) } }), {
        key: callbackToken,
      }),
  },
  {
    title: 'an event whose JSON is cut off',
    status: 400,
    code: null,
    says: 'Invalid body',
    send: () => post('/api/trigger-callback', '{"type": ', { key: callbackToken }),
  },
]

describe('refused at the door, with nothing stored:', () => {
  test.each(REQUESTS)('$title', async ({ status, code, says, send }) => {
    const before = await rowCounts(attack.world.database)
    const response = await send()
    const text = await response.text()
    const body = JSON.parse(text) as { code?: string; hint?: string }
    expect({ status: response.status, code: body.code ?? null }, text).toEqual({ status, code })
    expect(text).toContain(says)
    if (code !== null) expect(body.hint).toMatch(/\w+/)
    expect(await rowCounts(attack.world.database)).toEqual(before)
  })

  test('and the same requests, well formed, are taken', async () => {
    const saved = await apply(automation([call('lookup', { id: 'a', limit: 3 }), update({ note: 'x' })]))
    expect(saved.status).toBe(200)
    const started = await post('/v1/automations/strict/runs', JSON.stringify({ input: { id: 'a' } }))
    expect(started.status).toBe(201)
    const event = await post('/api/acme/trigger-callback', '{"type": "made", "data": {"id": "a"}}', {
      key: callbackToken,
    })
    expect(event.status).toBe(202)
    expect(await approve(attack.lead, parked.approval)).toBe('approved')
    expect((await finished(attack.world, parked.runId)).state).toBe('completed')
  })
})

/** A run that fails: its delivery is stored, for it was rightly accepted; no write is planned. */
const RUNS: {
  title: string
  automation: string
  input: Record<string, string | number>
  code: string
  says: string
}[] = [
  {
    title: 'an input without what a step refers to',
    automation: 'relay',
    input: {},
    code: 'UNRESOLVED_REFERENCE',
    says: 'id',
  },
  {
    title: 'a value of a type that the tool does not take',
    automation: 'relay',
    input: { id: 7 },
    code: 'INVALID_ARGUMENTS',
    says: 'id',
  },
  {
    title: 'a condition that gives no answer',
    automation: 'unsure',
    input: { id: 'a' },
    code: 'EXPRESSION_FAILED',
    says: 'true or false',
  },
  {
    title: 'a tool that is gone since the automation was saved',
    automation: 'doomed',
    input: { id: 'a' },
    code: 'TOOL_NOT_FOUND',
    says: 'doomed',
  },
  {
    title: 'a row that does not exist',
    automation: 'adjust',
    input: { account: 'none', amount: 1 },
    code: 'WRITE_CONFLICT',
    says: 'no such row',
  },
]

describe('found out in the run, with nothing stored but its delivery:', () => {
  test.each(RUNS)('$title', async ({ automation: name, input, code, says }) => {
    server.tools.splice(0, server.tools.length, lookup)
    const before = await rowCounts(attack.world.database)
    const { run_id } = await attack.world.admin.startRun({ name, input })
    const run = await finished(attack.world, run_id)
    expect(run.failure?.code).toBe(code)
    expect(run.failure?.message).toContain(says)
    const { deliveries = 0 } = before
    expect(await rowCounts(attack.world.database)).toEqual({ ...before, deliveries: deliveries + 1 })
  })
})

/** The write, its approval and its end are on record: that is what the rows are for. */
test('a decision after the time is over is refused, and the write is closed as expired', async () => {
  await attack.books.query(`insert into accounts (id, tenant, amount) values ('late', 'acme', 1)`)
  const { run_id } = await attack.clerk.startRun({ name: 'hasty', input: { account: 'late' } })
  const run = await finished(attack.world, run_id)
  expect(run.failure?.code).toBe('EXPIRED')
  const [approval] = run.approvals
  if (!approval) throw new Error('the run has an approval')
  const before = await rowCounts(attack.world.database)
  const response = await decide(
    { verdict: 'approve', digest: approval.digest },
    attack.lead.apiKey,
    approval.approval_id,
  )
  expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([410, 'WAIT_OVER'])
  expect(await rowCounts(attack.world.database)).toEqual(before)
  expect(await attack.amountOf({ account: 'late' })).toBe(1)
  expect(run.writebacks[0]?.state).toBe('expired')
})

/** Nothing is stored but the delivery; the run waits visibly and goes on by itself. */
test('a call to a server that is down waits under its name, and goes on when the server is back', async () => {
  let isDown = true
  const flaky = await startTestMcpServer({
    tools: [lookup],
    intercept(message, response) {
      if (!isDown || message.method === 'DELETE') return false
      response.destroy()
      return true
    },
  })
  try {
    isDown = false
    await attack.world.admin.applyManifests({
      manifests: [{ ...connection(flaky.url), name: 'flaky' }, FLAKY],
    })
    isDown = true
    const before = await rowCounts(attack.world.database)
    const { run_id, temporal_workflow_id } = await attack.world.admin.startRun({ name: 'flaky' })
    const handle = attack.world.temporal.workflow.getHandle(temporal_workflow_id)
    const waiting = await eventually(async () => {
      const { raw } = await handle.describe()
      return raw.pendingActivities?.find(({ lastFailure }) => lastFailure)
    })
    expect(waiting.lastFailure?.applicationFailureInfo?.type).toBe('CONNECTION_NOT_READY')
    expect((await attack.world.admin.getRun({ run_id })).state).toBe('running')
    isDown = false
    expect((await finished(attack.world, run_id)).result).toEqual({ id: 'a', level: 3 })
    const { deliveries = 0 } = before
    expect(await rowCounts(attack.world.database)).toEqual({ ...before, deliveries: deliveries + 1 })
  } finally {
    await flaky.close()
  }
})

async function post(
  path: string,
  body: string,
  options: { key?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  return fetch(new URL(path, attack.world.apiUrl), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${options.key ?? attack.world.adminKey}`,
      ...options.headers,
    },
    body,
  })
}

const apply = (...manifests: object[]) => post('/v1/manifests', JSON.stringify({ manifests }))

function decide(body: object, key = attack.lead.apiKey, approvalId = parked.approval.approval_id) {
  return post(`/v1/approvals/${encodeURIComponent(approvalId)}/decisions`, JSON.stringify(body), { key })
}

function automation(steps: object[], name = 'candidate', spec: object = {}): Record<string, unknown> {
  return { kind: 'Automation', name, spec: { ...spec, steps } }
}

function call(tool: string, args: object, connectionName = 'crm') {
  return { name: tool, tool_call: { connection: connectionName, tool, arguments: args } }
}

function update(set: object) {
  return {
    name: 'change',
    writeback: {
      connection: 'books',
      update: { table: 'accounts', key: { id: '${{ input.account }}' }, set },
    },
  }
}

function connection(url: string): Record<string, unknown> {
  const spec = { type: 'mcp', transport: 'http', url, allow_private_addresses: true, trusted: true }
  return { kind: 'Connection', name: 'crm', spec }
}

const INPUT = {
  type: 'object',
  properties: { id: { type: 'string' } },
  required: ['id'],
  additionalProperties: false,
}
const AUTOMATIONS = [
  automation([call('lookup', { id: '${{ input.id }}' })], 'relay'),
  automation([{ ...call('lookup', { id: 'a' }), if: 'input.id' }], 'unsure'),
  automation([call('doomed', { id: '${{ input.id }}' })], 'doomed'),
  automation([call('lookup', { id: '${{ input.id }}' })], 'strict', { input: INPUT }),
  automation([update({ amount: 2 })], 'hasty'),
]
const FLAKY = automation([call('lookup', { id: 'a' }, 'flaky')], 'flaky')

/** Comes before the one that gives people three days. */
const QUICK_POLICY = {
  kind: 'Policy',
  name: 'aa-hasty',
  spec: {
    rules: [
      {
        name: 'at-once-or-not-at-all',
        match: { automation: 'hasty' },
        require: { stages: [{ roles: ['lead'] }], expires_after: '500ms' },
      },
    ],
  },
}
