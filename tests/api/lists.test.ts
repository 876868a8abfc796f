import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import { appendReceipt, lockChain } from '../../db/queries/receipts.ts'
import { insertApproval } from '../../db/queries/approvals.ts'
import { insertPlannedWriteback } from '../../db/queries/writebacks.ts'
import { inTransaction } from '../../db/database.ts'
import * as fixtures from '../support/fixtures.ts'
import {
  billingConnection,
  createTestApi,
  returningAutomation,
  triggerToken,
  type TestApi,
} from './support.ts'

let api: TestApi
const RUN_IDS = ['a', 'b', 'c'].map((digit) => `run_${digit.repeat(32)}`)

beforeAll(async () => {
  api = await createTestApi()
  const manifests = [
    billingConnection,
    { ...billingConnection, name: 'ledger' },
    returningAutomation('first'),
    returningAutomation('second'),
    returningAutomation('third', {
      triggers: [{ type: 'event', connection: 'billing', event: 'disputed', dedupe: 'event.data.id' }],
    }),
  ]
  const saved = await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests } })
  expect(saved.status).toBe(200)
  for (const automation of ['first', 'second', 'first']) {
    const url = `/v1/automations/${automation}/runs`
    expect((await api.call({ method: 'POST', url, body: {} })).status).toBe(201)
  }
  const key = await triggerToken(api, 'billing')
  const event = { type: 'disputed', data: { id: 7 } }
  await api.call({ method: 'POST', url: '/api/trigger-callback', body: event, key })
  for (const [index, runId] of RUN_IDS.entries()) await seedWrite(runId, index === 0 ? 'ledger' : 'billing')
})
afterAll(() => api.close())

async function seedWrite(runId: string, connection: string) {
  const row = fixtures.newWriteback({ connection })
  const origin = { ...row.origin, runId, automation: 'late-fee' }
  await insertPlannedWriteback(api.database, { ...row, origin })
  await insertApproval(api.database, {
    approval_id: origin.writebackId,
    organization: 'acme',
    writeback_id: origin.writebackId,
    workflow_id: `approval/acme/${origin.writebackId}`,
    run_id: runId,
    automation: 'late-fee',
    digest: fixtures.DIGEST,
    requirement: fixtures.requirement(),
    requester: fixtures.requester(),
    preview: fixtures.preview({ connection }),
    expires_at: new Date(Date.now() + 60_000).toISOString(),
  })
  await inTransaction(api.database, async (tx) => {
    await lockChain(tx, runId)
    const receipt = { id: `rcp_${runId}`, seq: 1, sha256: 'a'.repeat(64) }
    const envelope = { payloadType: 'x', payload: '', signatures: [] }
    const about = { runId, subject: origin.writebackId, kind: 'outcome' as const, envelope }
    await appendReceipt(tx, { organization: 'acme', ...about, ...receipt })
  })
}

async function items(url: string): Promise<Record<string, unknown>[]> {
  const answer = await api.call({ url })
  expect(answer.body).toMatchObject({ items: expect.any(Array) as unknown })
  return answer.body['items'] as Record<string, unknown>[]
}

const LISTS = [
  ['/v1/runs', 4, 'run_id'],
  ['/v1/approvals', 3, 'approval_id'],
  ['/v1/writebacks', 3, 'writeback_id'],
  ['/v1/receipts', 3, 'id'],
  ['/v1/deliveries', 4, 'delivery_id'],
  ['/v1/manifests', 5, 'name'],
  ['/v1/automations', 3, 'name'],
  ['/v1/connections', 2, 'name'],
  ['/v1/keys', 2, 'id'],
  ['/v1/principals', 2, 'id'],
] as const

describe('a list', () => {
  it.each(LISTS)(
    '%s comes page by page, each thing once, in the order of the whole',
    async (url, count, id) => {
      const whole = (await items(`${url}?limit=100`)).map((item) => item[id])
      expect(whole).toHaveLength(count)
      const seen: unknown[] = []
      let cursor = ''
      do {
        const { body } = await api.call({ url: `${url}?limit=1${cursor}` })
        seen.push(...(body['items'] as Record<string, unknown>[]).map((item) => item[id]))
        cursor = body['next_cursor'] === null ? '' : `&cursor=${String(body['next_cursor'])}`
      } while (cursor !== '' && seen.length <= count)
      expect(seen).toEqual(whole)
    },
  )

  it.each(LISTS)('%s refuses a cursor that is not its own, and a limit out of bounds', async (url) => {
    const other = url === '/v1/runs' ? '/v1/deliveries' : '/v1/runs'
    const { body } = await api.call({ url: `${other}?limit=1` })
    const cursors = [
      String(body['next_cursor']),
      'x',
      'e30',
      'W10',
      Buffer.from('["a",{}]').toString('base64url'),
    ]
    for (const cursor of cursors) {
      const answer = await api.call({ url: `${url}?cursor=${cursor}` })
      expect(answer).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
      expect(answer.body['detail']).toContain('cursor')
    }
    for (const limit of ['0', '501', '1.5', 'many', '']) {
      expect((await api.call({ url: `${url}?limit=${limit}` })).status).toBe(400)
    }
    expect((await api.call({ url: `${url}?unknown=1` })).status).toBe(400)
  })

  it('refuses its own cursor with other filters', async () => {
    const { body } = await api.call({ url: '/v1/runs?limit=1' })
    const cursor = String(body['next_cursor'])
    expect((await api.call({ url: `/v1/runs?limit=2&cursor=${cursor}` })).status).toBe(200)
    const other = await api.call({ url: `/v1/runs?automation=first&cursor=${cursor}` })
    expect(other).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
  })

  it.each([
    ['/v1/runs?automation=first', 2],
    ['/v1/runs?connection=billing', 1],
    ['/v1/runs?connection=ledger', 0],
    ['/v1/runs?state=pending', 0],
    ['/v1/runs?until=2020-01-01T00:00:00Z', 0],
    ['/v1/runs?since=2020-01-01T00:00:00%2B02:00', 4],
    ['/v1/approvals?connection=ledger', 1],
    ['/v1/approvals?automation=other', 0],
    ['/v1/approvals?state=approved', 0],
    ['/v1/approvals?state=all', 3],
    [`/v1/approvals?run_id=${RUN_IDS[1]}`, 1],
    ['/v1/approvals?since=2999-01-01T00:00:00Z', 0],
    ['/v1/writebacks?connection=billing', 2],
    ['/v1/writebacks?state=planned', 3],
    ['/v1/writebacks?state=applied', 0],
    [`/v1/writebacks?run_id=${RUN_IDS[0]}`, 1],
    ['/v1/receipts?kind=outcome', 3],
    ['/v1/receipts?kind=decision', 0],
    [`/v1/receipts?run_id=${RUN_IDS[2]}`, 1],
    ['/v1/deliveries?automation=second', 1],
    ['/v1/deliveries?connection=billing', 1],
    ['/v1/deliveries?state=pending', 0],
    ['/v1/manifests?kind=Connection', 2],
    ['/v1/automations?connection=billing', 1],
    ['/v1/automations?paused=true', 0],
    ['/v1/connections?type=mcp', 2],
    ['/v1/connections?type=postgres', 0],
    ['/v1/connections?frozen=true', 0],
    ['/v1/keys?principal=connection/billing', 1],
    ['/v1/keys?state=revoked', 0],
    ['/v1/principals?kind=service', 1],
    ['/v1/principals?role=finance', 0],
  ])('narrowed as %s has %i', async (url, count) => {
    expect(await items(url)).toHaveLength(count)
  })

  it('of runs by a state that Temporal knows comes from Temporal, page by page', async () => {
    await expect.poll(async () => (await items('/v1/runs?state=running')).length).toBe(4)
    const { body } = await api.call({ url: '/v1/runs?state=running&limit=3' })
    expect(body['items']).toHaveLength(3)
    const rest = await items(`/v1/runs?state=running&limit=3&cursor=${String(body['next_cursor'])}`)
    const ids = [...(body['items'] as Record<string, unknown>[]), ...rest].map((item) => item['run_id'])
    expect(new Set(ids).size).toBe(4)
    expect(await items('/v1/runs?state=failed')).toEqual([])
    const [run] = await items('/v1/runs?state=running&automation=second')
    const handle = api.client.workflow.getHandle(String(run?.['temporal_workflow_id']))
    await handle.terminate()
    await expect.poll(async () => (await items('/v1/runs?state=terminated')).length).toBe(1)
    expect((await items('/v1/runs')).map(({ state }) => state).toSorted()).toEqual([
      'running',
      'running',
      'running',
      'terminated',
    ])
  })

  it('shows nothing of another organization', async () => {
    const { key } = await bootstrapOrganization(api.database, {
      organization: 'rival',
      admin: 'eve@rival.example',
    })
    for (const [url] of LISTS) {
      const { body } = await api.call({ url, key })
      const own = url === '/v1/keys' || url === '/v1/principals' ? 1 : 0
      expect(body['items']).toHaveLength(own)
    }
    const theirs = await items('/v1/deliveries')
    const url = `/v1/deliveries/${String(theirs[0]?.['delivery_id'])}`
    expect((await api.call({ url })).status).toBe(200)
    expect((await api.call({ url, key })).status).toBe(404)
    expect((await api.call({ url: '/v1/runs?state=running', key })).body['items']).toEqual([])
  })
})
