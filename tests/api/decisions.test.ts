import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { NativeConnection, Worker } from '@temporalio/worker'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import { signDecision } from '../../api/decisions.ts'
import { findPrincipal } from '../../api/plugins/authentication.ts'
import { insertApproval, updateApproval, type ApprovalRow } from '../../db/queries/approvals.ts'
import { insertPlannedWriteback, type NewWriteback } from '../../db/queries/writebacks.ts'
import { askDigest } from '../../lib/ask-digest.ts'
import { openEnvelope } from '../../lib/dsse.ts'
import type { JsonObject } from '../../lib/json.ts'
import { writeDigest } from '../../lib/write-digest.ts'
import { DECISION_PAYLOAD_TYPE, DecisionSchema } from '../../schemas/decision.ts'
import { approvalIdOf, approvalWorkflowId } from '../../schemas/names.ts'

import type { DecisionMessage, Envelope, Vote } from '../../schemas/run.ts'
import { createTestApi, type TestApi } from './support.ts'

/** Of what waits, by the address of the approval. */
const digests = new Map<string, string>()

let api: TestApi
let approverKey: string
beforeAll(async () => {
  api = await createTestApi()
  const principal = { id: 'alice@example.org', kind: 'person', roles: ['finance'] }
  const body = { principal, scopes: ['read', 'approve'] }
  approverKey = String((await api.call({ method: 'POST', url: '/v1/keys', body })).body['key'])
})
afterAll(() => api.close())

/** As the door would have planned it: its digest fits what it says. */
function plannedWriteback(writebackId: string): NewWriteback {
  const origin = {
    deliveryId: 'dlv_1',
    runId: 'run_1',
    automation: 'refund',
    revision: 1,
    path: 'pay',
    writebackId,
  }
  const plan = {
    endpoint: {},
    target: 't/1',
    arguments: {},
    stored: null,
    preconditions: {},
    definitionSha256: null,
  }
  const preview = {
    executor: 'sql',
    connection: 'crm',
    operation: 'update',
    target: 't/1',
    changes: [],
    guard: 'atomic' as const,
  }
  const requester = { principal: 'connection/billing', kind: 'service' as const, onBehalfOf: [] }
  const about = {
    organization: 'acme',
    connection: 'crm',
    operation: 'update',
    executor: 'sql',
    requester,
    preview,
  }
  const digest = writeDigest({ ...about, ...origin, ...plan })
  const idempotencyKey = `csk_${writebackId}`
  return {
    ...about,
    origin,
    plan,
    digest,
    idempotencyKey,
    runWorkflowId: 'run/acme/refund/dlv_1',
    requirement: null,
    signedPlan: null,
  }
}

/** A row of the inbox, and the workflow that waits unless told otherwise. */
async function waitingApproval(options: { ask?: number; withWorkflow?: boolean } = {}) {
  const { ask = 1, withWorkflow = true } = options
  const writebackId = `wb_${randomUUID()}.pay.1`
  const approvalId = approvalIdOf({ writebackId, ask })
  const workflowId = approvalWorkflowId({ organization: 'acme', approvalId })
  const row = plannedWriteback(writebackId)
  await insertPlannedWriteback(api.database, row)
  const digest = row.digest
  await insertApproval(api.database, {
    approval_id: approvalId,
    organization: 'acme',
    writeback_id: writebackId,
    workflow_id: workflowId,
    run_id: 'run_1',
    automation: 'refund',
    digest,
    requirement: {
      policy: 'p',
      rule: 'r',
      stages: [{ roles: ['finance'], people: [], quorum: 1 }],
      anyRejectEnds: true,
      selfApproval: false,
      identity: 'any',
      expiresAfterMs: 1_000,
      validForMs: 1_000,
    },
    requester: row.requester,
    preview: row.preview,
    expires_at: new Date(Date.now() + 60_000).toISOString(),
  })
  if (withWorkflow) {
    await api.client.workflow.start('approvalWorkflow', { workflowId, taskQueue: api.taskQueue })
  }
  const url = `/v1/approvals/${encodeURIComponent(approvalId)}`
  digests.set(url, digest)
  return { approvalId, writebackId, url, workflowId, digest }
}

function decide(url: string, body: Record<string, unknown> = {}, key: string = randomUUID()) {
  return api.call({
    method: 'POST',
    url: `${url}/decisions`,
    body: { verdict: 'approve', digest: digests.get(url), ...body },
    key: approverKey,
    headers: { 'idempotency-key': key },
  })
}

function opened(ticket: Envelope) {
  const expected = { payloadType: DECISION_PAYLOAD_TYPE, purpose: 'decision' } as const
  return DecisionSchema.parse(openEnvelope(ticket, expected, api.deps.trustedKeys)?.document)
}

async function keptOf(writebackId: string) {
  const { rows } = await api.database.query<{
    decision_id: string
    envelope: Envelope
    recorded_at: unknown
  }>('select decision_id, verdict, envelope, recorded_at from decisions where writeback_id = $1', [
    writebackId,
  ])
  return rows
}

async function signalsOf(workflowId: string) {
  const history = await api.client.workflow.getHandle(workflowId).fetchHistory()
  return (history.events ?? []).flatMap((event) => {
    const signaled = event.workflowExecutionSignaledEventAttributes
    if (!signaled) return []
    const data = signaled.input?.payloads?.[0]?.data
    return [
      {
        name: signaled.signalName,
        message: JSON.parse(Buffer.from(data ?? []).toString()) as DecisionMessage,
      },
    ]
  })
}

describe('a decision without a worker', () => {
  it('is recorded as a signal, signed for the person who gave it', async () => {
    const { url, workflowId, writebackId } = await waitingApproval({ ask: 2 })
    const answer = await decide(url, { comment: 'fine', channel: 'cli' })
    expect(answer).toMatchObject({ status: 202, body: { state: 'recorded' } })
    const [signal] = await signalsOf(workflowId)
    expect(signal).toMatchObject({ name: 'approve', message: { verdict: 'approve' } })
    expect(opened(signal?.message.ticket as Envelope)).toMatchObject({
      decisionId: answer.body['decision_id'],
      organization: 'acme',
      writebackId,
      digest: digests.get(url),
      verdict: 'approve',
      principal: 'alice@example.org',
      roles: ['finance'],
      method: 'api_key',
      channel: 'cli',
      comment: 'fine',
    })
  })

  it('about another write than the one that waits is refused', async () => {
    const { url, workflowId } = await waitingApproval()
    const answer = await decide(url, { digest: 'e'.repeat(64) })
    expect(answer).toMatchObject({ status: 409, body: { code: 'STALE_DIGEST' } })
    expect(await signalsOf(workflowId)).toEqual([])
  })

  it('after the workflow is gone says that the wait is over, and who decided', async () => {
    const { url, approvalId } = await waitingApproval({ withWorkflow: false })
    const vote = {
      decisionId: 'dec_bob',
      digest: '',
      principal: 'bob',
      kind: 'person',
      roles: [],
      method: 'api_key',
      verdict: 'reject',
      at: new Date().toISOString(),
      comment: '',
      channel: 'cli',
    } satisfies Vote
    await updateApproval(api.database, { approvalId, state: 'rejected', votes: [vote] })
    const answer = await decide(url)
    expect(answer).toMatchObject({ status: 410, body: { code: 'WAIT_OVER' } })
    expect(answer.body['detail']).toContain('bob (reject, cli)')
  })

  it('needs the scope to approve', async () => {
    const { url } = await waitingApproval()
    const body = { principal: { id: 'eve', kind: 'person' }, scopes: ['read', 'start', 'admin'] }
    const key = String((await api.call({ method: 'POST', url: '/v1/keys', body })).body['key'])
    const answer = await api.call({
      method: 'POST',
      url: `${url}/decisions`,
      body: { verdict: 'approve', digest: digests.get(url) },
      key,
    })
    expect(answer).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } })
  })

  it('can be had as a ticket to paste, which is the signed decision itself', async () => {
    const { url, workflowId, writebackId } = await waitingApproval()
    const body = { verdict: 'reject', digest: digests.get(url) }
    const answer = await api.call({ method: 'POST', url: `${url}/tickets`, body, key: approverKey })
    expect(answer).toMatchObject({ status: 201, body: { signal: 'reject', workflow_id: workflowId } })
    const { ticket } = answer.body['input'] as { ticket: Envelope }
    expect(opened(ticket)).toMatchObject({ writebackId, verdict: 'reject', principal: 'alice@example.org' })
    expect(answer.body['command']).toContain(`--workflow-id ${workflowId} `)
    expect(await signalsOf(workflowId)).toEqual([])
  })
})

/** The approval becomes a question, as a worker would have put it. */
async function becomesQuestion(
  { approvalId, writebackId, url }: Awaited<ReturnType<typeof waitingApproval>>,
  form: JsonObject,
): Promise<string> {
  const { rows } = await api.database.query<Pick<ApprovalRow, 'requirement' | 'requester'>>(
    'select requirement, requester from approvals where approval_id = $1',
    [approvalId],
  )
  const { requirement, requester } = rows[0]!
  const question = { title: 'Which?', markdown: '', form }
  const asked = { organization: 'acme', askId: approvalId, runId: 'run_1', question, requirement, requester }
  const digest = askDigest(asked)
  await api.database.query('update approvals set question = $2::jsonb, digest = $3 where writeback_id = $1', [
    writebackId,
    JSON.stringify(question),
    digest,
  ])
  digests.set(url, digest)
  return digest
}

it('an answer that is sent again is the same decision, and one that was corrected is another', async () => {
  const approval = await waitingApproval({ withWorkflow: false })
  const digest = await becomesQuestion(approval, {})
  const principal = (await findPrincipal(api.database, approverKey))!
  const idOf = async (tier: string) => {
    const answer = { tier }
    const given = { answer, verdict: 'approve', digest, comment: '', channel: 'api' } as const
    const { approvalId } = approval
    return (await signDecision(api.deps, { ...given, principal, approvalId, idempotencyKey: 'key-1' }))
      .decisionId
  }
  expect(await idOf('gold')).toBe(await idOf('gold'))
  expect(await idOf('gold')).not.toBe(await idOf('silver'))
})

it('an answer that does not fit its form is refused also while no worker can look at it, and is not kept', async () => {
  const approval = await waitingApproval()
  await becomesQuestion(approval, { type: 'object', properties: { tier: { type: 'string', maxLength: 4 } } })
  const { url, writebackId, workflowId } = approval
  const give = (tier: string) =>
    api.call({
      method: 'POST',
      url: `${url}/answer`,
      body: { answer: { tier }, digest: digests.get(url) },
      key: approverKey,
    })
  expect(await give('golden')).toMatchObject({
    status: 422,
    body: {
      code: 'INVALID_ANSWER',
      detail: expect.stringContaining('answer.tier: must NOT have more than 4'),
    },
  })
  expect([await keptOf(writebackId), await signalsOf(workflowId)]).toEqual([[], []])
  expect(await give('gold')).toMatchObject({ status: 202, body: { state: 'recorded' } })
})

describe('a decision with a worker', () => {
  let worker: Worker
  let connection: NativeConnection
  let running: Promise<void>
  beforeAll(async () => {
    connection = await NativeConnection.connect({ address: inject('temporalAddress') })
    worker = await Worker.create({
      connection,
      taskQueue: api.taskQueue,
      workflowsPath: fileURLToPath(new URL('./approval-fixture.ts', import.meta.url)),
    })
    running = worker.run()
  })
  afterAll(async () => {
    worker.shutdown()
    await running
    await connection.close()
  })

  // The workflow here says `approved` and records nothing, as one that is none of ours.
  it('that its workflow only says to have counted is told as recorded, and is kept', async () => {
    const { url, writebackId } = await waitingApproval()
    const answer = await decide(url)
    expect(answer).toMatchObject({ status: 202, body: { state: 'recorded' } })
    expect(await keptOf(writebackId)).toMatchObject([
      { decision_id: answer.body['decision_id'], verdict: 'approve', recorded_at: null },
    ])
  })

  it('is answered with what the ledger has, once it is recorded', async () => {
    const { url, approvalId, writebackId } = await waitingApproval()
    const key = randomUUID()
    await decide(url, {}, key)
    await api.database.query('update decisions set recorded_at = now() where writeback_id = $1', [
      writebackId,
    ])
    expect(await decide(url, {}, key)).toMatchObject({ status: 200, body: { state: 'waiting' } })
    await updateApproval(api.database, { approvalId, state: 'approved', votes: [] })
    expect(await decide(url, {}, key)).toMatchObject({ status: 200, body: { state: 'approved' } })
  })

  it('is kept before it is sent, also where nobody can take it', async () => {
    const { url, writebackId } = await waitingApproval({ withWorkflow: false })
    const key = randomUUID()
    const answer = await decide(url, { verdict: 'reject' }, key)
    expect(answer).toMatchObject({ status: 202, body: { state: 'recorded' } })
    expect(answer.body['message']).toMatch(/wait is over/)
    const [first] = await keptOf(writebackId)
    expect(first).toMatchObject({ verdict: 'reject', recorded_at: null })
    await decide(url, { verdict: 'reject' }, key)
    expect(await keptOf(writebackId)).toEqual([first])
    expect(await decide(url, {}, key)).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_CONFLICT' } })
  })

  it('that is refused comes back with its code', async () => {
    const { url } = await waitingApproval()
    const answer = await decide(url, { verdict: 'reject' })
    expect(answer).toMatchObject({ status: 409, body: { code: 'SELF_APPROVAL', detail: 'you asked for it' } })
  })

  it('sent twice with one key arrives once', async () => {
    const { url, workflowId, writebackId } = await waitingApproval()
    const key = randomUUID()
    const answers = await Promise.all([decide(url, {}, key), decide(url, {}, key)])
    expect(new Set(answers.map(({ body }) => body['decision_id'])).size).toBe(1)
    const messages = await api.client.workflow.getHandle(workflowId).query<DecisionMessage[]>('received')
    const kept = await keptOf(writebackId)
    expect(messages.map(({ ticket }) => ticket)).toEqual(kept.map(({ envelope }) => envelope))
    expect(messages).toHaveLength(1)
  })

  it('after the workflow has ended says that the wait is over', async () => {
    const { url, workflowId } = await waitingApproval()
    const handle = api.client.workflow.getHandle(workflowId)
    await handle.signal('end')
    await handle.result()
    expect(await decide(url)).toMatchObject({ status: 410, body: { code: 'WAIT_OVER' } })
  })
})

describe('the inbox', () => {
  it('shows what waits, oldest first, each once, page by page', async () => {
    const made = [await waitingApproval(), await waitingApproval(), await waitingApproval()]
    const seen: string[] = []
    let cursor = ''
    do {
      const { body } = await api.call({ url: `/v1/approvals?limit=2${cursor}` })
      seen.push(...(body['items'] as { approval_id: string }[]).map((item) => item.approval_id))
      const next = body['next_cursor'] as string | null
      cursor = next === null ? '' : `&cursor=${next}`
    } while (cursor !== '')
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.slice(-3)).toEqual(made.map(({ approvalId }) => approvalId))
  })

  it('shows one with all that a person needs, in snake_case', async () => {
    const { url, approvalId } = await waitingApproval({ ask: 2, withWorkflow: false })
    const { body } = await api.call({ url, key: approverKey })
    expect(body).toMatchObject({
      approval_id: approvalId,
      digest: digests.get(url),
      state: 'waiting',
      requirement: { any_reject_ends: true, valid_for_ms: 1_000, stages: [{ quorum: 1 }] },
      requester: { principal: 'connection/billing', on_behalf_of: [] },
      closed_at: null,
    })
  })

  it('of another organization stays closed', async () => {
    const { key } = await bootstrapOrganization(api.database, {
      organization: 'other',
      admin: 'ops@example.org',
    })
    const { url } = await waitingApproval({ withWorkflow: false })
    expect((await api.call({ url, key })).status).toBe(404)
    expect((await api.call({ url: '/v1/approvals?state=all', key })).body['items']).toEqual([])
    const body = { verdict: 'approve', digest: digests.get(url) }
    expect((await api.call({ method: 'POST', url: `${url}/decisions`, body, key })).status).toBe(404)
  })
})

describe('public keys', () => {
  it('are those that decisions and outcomes are signed with', async () => {
    const { body } = await api.call({ url: '/v1/public-keys', key: approverKey })
    const keys = body['keys'] as { key_id: string; purpose: string; public_key: string }[]
    expect(keys.map(({ purpose }) => purpose).sort()).toEqual(['decision', 'receipt'])
    expect(keys.map(({ key_id }) => key_id)).toContain(api.deps.signingKey.keyId)
    expect(JSON.stringify(keys)).not.toContain('PRIVATE')
  })
})
