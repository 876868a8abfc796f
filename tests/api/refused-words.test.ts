/** What people may not sign: a verdict on a question, and more words than an envelope takes. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { insertApproval } from '../../db/queries/approvals.ts'
import * as fixtures from '../support/fixtures.ts'
import { createTestApi, type TestApi } from './support.ts'

const ASK_ID = 'ask_7e1f.colour.1'

let api: TestApi
beforeAll(async () => {
  api = await createTestApi()
  await insertApproval(api.database, {
    approval_id: ASK_ID,
    organization: fixtures.ORGANIZATION,
    writeback_id: ASK_ID,
    workflow_id: `approval/acme/${ASK_ID}`,
    run_id: `run_${'a'.repeat(32)}`,
    automation: 'late-fee',
    digest: fixtures.DIGEST,
    requirement: fixtures.requirement(),
    requester: fixtures.requester(),
    preview: fixtures.preview(),
    question: { title: 'Which colour?', markdown: '', form: { type: 'object' } },
    expires_at: new Date(Date.now() + 60_000).toISOString(),
  })
})
afterAll(() => api.close())

it.each(['decisions', 'tickets'])('refuses a verdict on a question, as %s document it', async (noun) => {
  const body = { verdict: 'approve', digest: fixtures.DIGEST }
  const answer = await api.call({ method: 'POST', url: `/v1/approvals/${ASK_ID}/${noun}`, body })
  expect(answer).toMatchObject({ status: 422, body: { code: 'INVALID_ANSWER' } })
})

it('takes 4 KB of comment on a write whose outcome is unknown, in bytes', async () => {
  const url = '/v1/writebacks/wb_7e1f.waive.1/resolutions'
  const resolve = (comment: string) =>
    api.call({ method: 'POST', url, body: { resolution: 'applied', comment } })
  expect(await resolve('é'.repeat(2_049))).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
  expect(await resolve('é'.repeat(2_048))).toMatchObject({ status: 404 })
})
