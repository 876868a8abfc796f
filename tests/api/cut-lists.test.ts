/** Lists within an answer are cut; what matters most is in them all the same, and the answer says that they are cut. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { insertApproval, updateApproval, type ApprovalRow } from '../../db/queries/approvals.ts'
import { loadCallContext, revisionsIn } from '../../db/queries/call-facts.ts'
import { claimSending, insertPlannedWriteback } from '../../db/queries/writebacks.ts'
import * as fixtures from '../support/fixtures.ts'
import { billingConnection, createTestApi, returningAutomation, type TestApi } from './support.ts'

const MORE_THAN_SHOWN = 205

let api: TestApi
beforeAll(async () => {
  api = await createTestApi()
  const manifests = [
    billingConnection,
    { ...billingConnection, name: 'ledger' },
    returningAutomation('echo'),
    returningAutomation('late'),
  ]
  expect((await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests } })).status).toBe(200)
})
afterAll(() => api.close())

interface Seed {
  runId: string
  connection: string
  /** Of its approval; none without. */
  asked?: ApprovalRow['state']
  isSending?: boolean
}

async function seed({ runId, connection, asked, isSending = false }: Seed): Promise<string> {
  const row = fixtures.newWriteback({ connection })
  const origin = { ...row.origin, runId }
  const { writebackId } = origin
  await insertPlannedWriteback(api.database, { ...row, origin })
  if (isSending) {
    const about = { organization: row.organization, connection, writebackId }
    const judgedBy = revisionsIn(await loadCallContext(api.database, about))
    await claimSending(api.database, { writebackId, seenAttempt: 0, timeoutMs: 60_000, judgedBy })
  }
  if (asked === undefined) return writebackId
  await insertApproval(api.database, {
    approval_id: writebackId,
    organization: fixtures.ORGANIZATION,
    writeback_id: writebackId,
    workflow_id: `approval/acme/${writebackId}`,
    run_id: runId,
    automation: 'late-fee',
    digest: fixtures.DIGEST,
    requirement: fixtures.requirement(),
    requester: fixtures.requester(),
    preview: fixtures.preview({ connection }),
    expires_at: new Date(Date.now() + 60_000).toISOString(),
  })
  if (asked !== 'waiting')
    await updateApproval(api.database, { approvalId: writebackId, state: asked, votes: [] })
  return writebackId
}

async function seedMany(one: Seed): Promise<void> {
  await Promise.all(Array.from({ length: MORE_THAN_SHOWN }, () => seed(one)))
}

async function startedRun(automation: string): Promise<string> {
  const url = `/v1/automations/${automation}/runs`
  return String((await api.call({ method: 'POST', url, body: {} })).body['run_id'])
}

it('a freeze tells of writes under way behind any number of those that wait for people', async () => {
  const runId = `run_${randomUUID().replaceAll('-', '')}`
  await seedMany({ runId, connection: 'billing', asked: 'waiting' })
  const sent = await seed({ runId, connection: 'billing', isSending: true })
  const held = await seed({ runId, connection: 'billing' })
  const url = '/v1/connections/billing/freeze'
  const { status, body } = await api.call({ method: 'POST', url, body: { reason: 'wrong' } })
  expect(status).toBe(200)
  expect(body).toMatchObject({
    under_way: [{ writeback_id: sent }],
    under_way_omitted: false,
    warnings: [],
    held: [{ writeback_id: held }],
    held_omitted: false,
  })
})

it('a freeze says that more are held than it shows', async () => {
  const runId = `run_${randomUUID().replaceAll('-', '')}`
  await seedMany({ runId, connection: 'ledger' })
  const { body } = await api.call({ method: 'POST', url: '/v1/connections/ledger/freeze', body: {} })
  expect(body).toMatchObject({ held_omitted: true, under_way_omitted: false })
  expect(body['held']).toHaveLength(100)
})

it('a run waits for approval behind any number of approvals that are closed', async () => {
  const runId = await startedRun('echo')
  await seedMany({ runId, connection: 'billing', asked: 'approved' })
  const waiting = await seed({ runId, connection: 'billing', asked: 'waiting' })
  const { status, body } = await api.call({ url: `/v1/runs/${runId}` })
  expect(status).toBe(200)
  expect(body).toMatchObject({
    state: 'waiting_for_approval',
    approvals_omitted: true,
    writebacks_omitted: true,
  })
  const approvals = body['approvals'] as { approval_id: string }[]
  expect(approvals).toHaveLength(200)
  expect(approvals.at(-1)?.approval_id).toBe(waiting)
  expect(body['writebacks']).toHaveLength(200)
})

it('a run waits for the resolution of a write behind any number of later ones', async () => {
  const runId = await startedRun('late')
  const unknown = await seed({ runId, connection: 'billing' })
  await seedMany({ runId, connection: 'billing' })
  const receipt = { id: 'rcp_1', seq: 1, sha256: 'a'.repeat(64) }
  await api.database.query(
    `update writebacks set state = 'unknown', outcome = $2::jsonb where writeback_id = $1`,
    [unknown, JSON.stringify({ status: 'unknown', output: null, receipt })],
  )
  const listed = await api.call({ url: '/v1/runs?state=waiting_for_resolution' })
  expect(listed.body['items']).toMatchObject([{ run_id: runId }])
  const { body } = await api.call({ url: `/v1/runs/${runId}` })
  expect(body).toMatchObject({ state: 'waiting_for_resolution', approvals_omitted: false })
})
