import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunView } from '../../schemas/operations/runs.ts'
import { ApiError, createClient, followRun } from '../../sdk/client/index.ts'
import { CHANGE, LOOK, NOTE, ONE_LEAD, SHOP, TOOLS } from '../support/automations.ts'
import { whileCollecting } from '../support/garbage.ts'
import { startScenario, type Scenario, type ScenarioOptions } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'
import { createTestApi, returningAutomation } from './support.ts'

let s: Scenario
/** How many of the next calls of tools the server answers with 503. */
let failures = 0

const failSometimes: NonNullable<ScenarioOptions['intercept']> = ({ method }, response) => {
  if (method !== 'tools/call' || failures === 0) return false
  failures--
  response.writeHead(503).end()
  return true
}

beforeAll(async () => {
  s = await startScenario({ intercept: failSometimes })
  await s.define('parked', [LOOK, { ...NOTE, if: 'false' }, CHANGE], ONE_LEAD)
  await s.define('failing', [LOOK, { name: 'answer', return: '${{ steps.look.output.nothing }}' }], {
    allow: true,
  })
})
afterAll(() => s?.close())

const detail = (runId: string) => s.world.admin.getRun({ run_id: runId })

it('shows every step, attempt, approval, writeback and receipt, with links into the Temporal UI', async () => {
  const run = await s.park('parked')
  const parked = await detail(run.runId)
  expect(parked).toMatchObject({ state: 'waiting_for_approval', steps_from: 'workflow' })
  expect(parked.steps.map(({ path, state }) => [path, state])).toEqual([
    ['look', 'completed'],
    ['note', 'skipped'],
    ['change', 'waiting'],
  ])
  const [look, note, change] = parked.steps
  expect(look).toMatchObject({
    output: { level: 3 },
    attempts: [{ kind: 'call', state: 'completed', attempt: 1, failure: null, temporal_ui_url: null }],
  })
  expect(note).toMatchObject({ output: null, attempts: [] })
  const [attempt] = change?.attempts ?? []
  expect(attempt).toMatchObject({ kind: 'writeback', state: 'running', closed_at: null })
  expect(attempt?.temporal_ui_url).toContain(encodeURIComponent(String(attempt?.temporal_workflow_id)))
  expect(change?.writeback_ids).toEqual([parked.writebacks[0]?.writeback_id])
  expect(parked.approvals).toMatchObject([{ state: 'waiting' }])
  // To the page with the words, and not to the timeline, which shows values as JSON.
  expect(parked.temporal_ui_url).toMatch(/\/user-metadata$/)
  const shown = await s.world.admin.getApproval({ approval_id: run.approval.approval_id })
  expect(shown.temporal_ui_url).toMatch(/\/user-metadata$/)

  const { approval_id, digest } = run.approval
  await s.lena.decideApproval({ approval_id, digest, verdict: 'approve' })
  const ended = await eventually(async () => {
    const now = await detail(run.runId)
    return now.state === 'completed' && now
  })
  expect(ended.steps.map(({ state }) => state)).toEqual(['completed', 'skipped', 'completed'])
  expect(ended.steps[2]?.attempts).toMatchObject([
    { state: 'completed', closed_at: expect.any(String) as unknown },
  ])
  expect(ended.receipts.length).toBe(2)
})

it('shows what a call has tried, while it goes on trying and when it is through', async () => {
  failures = 2
  const run = await s.start('parked')
  const trying = await eventually(async () => {
    const [look] = (await detail(run.runId)).steps
    return (look?.attempts[0]?.failure ?? null) !== null && look
  })
  expect(trying).toMatchObject({ path: 'look', state: 'running', attempts: [{ closed_at: null }] })
  expect(trying.attempts[0]?.failure?.code).toMatch(/^[A-Z_]+$/)
  const through = await eventually(async () => {
    const now = await detail(run.runId)
    return now.steps[0]?.state === 'completed' && now.steps[0]
  })
  expect(through.attempts).toMatchObject([{ state: 'completed', attempt: 3 }])
})

it('names what a run that does not move is waiting for, and so does the doctor', async () => {
  failures = 1_000
  const run = await s.start('parked')
  const held = await eventually(async () => {
    const [first] = (await detail(run.runId)).held_up_by
    return first?.next_attempt_at !== null && first
  })
  expect(held).toMatchObject({ path: 'look', connection: TOOLS })
  // It leaves out what is younger than ten seconds, and Temporal's list of runs lags a little behind.
  const told = await eventually(async () => {
    await sleep(2_000)
    const { checks } = await s.world.admin.getHealth()
    return checks.find(({ name, summary }) => name === 'runs' && summary.includes(run.runId))
  }, 60_000)
  failures = 0
  expect(told.status).toBe('warn')
  expect(told.summary).toContain(`step look, through connection ${TOOLS}: attempt`)
  expect(told.action).toBe(held.action)
  expect(held.summary).toContain(`step look, through connection ${TOOLS}: attempt`)
  expect(held.action.length).toBeGreaterThan(0)
})

it('names in a run what holds up the run that a step of it has started', async () => {
  const input = { account: '${{ input.account }}', balance: '${{ input.balance }}' }
  const inner = { name: 'inner', run_automation: { automation: 'parked', input } }
  await s.define('around', [inner], { allow: true })
  failures = 1_000
  const run = await s.start('around')
  const held = await eventually(async () => (await detail(run.runId)).held_up_by[0])
  failures = 0
  expect(held).toMatchObject({ path: 'inner', failure: { code: expect.any(String) as string } })
  expect(held.summary).toContain('step inner, in the run that it has started: attempt')
})

it('names the freeze that holds a write, also of one that people have approved', async () => {
  const reason = 'wrong amounts'
  const run = await s.park('parked')
  await s.world.admin.freezeConnection({ name: SHOP, reason })
  try {
    const { approval_id, digest } = run.approval
    await s.lena.decideApproval({ approval_id, digest, verdict: 'approve' })
    const [held] = await eventually(async () => {
      const { held_up_by: found } = await detail(run.runId)
      return found.length > 0 && found
    })
    expect(held).toMatchObject({ path: 'change', connection: SHOP, failure: { code: 'CONNECTION_FROZEN' } })
    expect(held?.summary).toContain(reason)
    expect(held?.action).toContain('countersign connections thaw')
  } finally {
    await s.world.admin.thawConnection({ name: SHOP })
  }
})

it('says of a run that failed why, and what it had done', async () => {
  const run = await s.start('failing')
  const ended = await eventually(async () => {
    const now = await detail(run.runId)
    return now.state === 'failed' && now
  })
  expect(ended.failure?.code).toMatch(/UNRESOLVED_REFERENCE|EXPRESSION_FAILED/)
  expect(ended.steps[0]).toMatchObject({ path: 'look', state: 'completed' })
})

it('tells what the history has where no worker answers', async () => {
  const api = await createTestApi({ temporalUiUrl: '' })
  try {
    const manifests = [returningAutomation('echo')]
    await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests } })
    const { body } = await api.call({ method: 'POST', url: '/v1/automations/echo/runs', body: {} })
    expect(body['temporal_ui_url']).toBeNull()
    const shown = await api.call({ url: `/v1/runs/${String(body['run_id'])}` })
    expect(shown.body).toMatchObject({
      state: 'running',
      steps: [],
      steps_from: 'history',
      temporal_ui_url: null,
    })
  } finally {
    await api.close()
  }
})

it('is followed from the first look to the end, each change once', async () => {
  const run = await s.start('parked')
  const seen: RunView['state'][] = []
  const following = (async () => {
    for await (const now of followRun(s.world.admin, run.runId, { waitS: 5 })) seen.push(now.state)
  })()
  await eventually(async () => seen.includes('waiting_for_approval'))
  const { approval_id, digest } = await s.approvalOf(run)
  await s.lena.decideApproval({ approval_id, digest, verdict: 'approve' })
  await following
  expect(seen.at(-1)).toBe('completed')
  expect(seen.filter((state) => state === 'completed')).toHaveLength(1)
})

it('keeps callers waiting while nothing happens, and lets them go when they want', async () => {
  const run = await s.park('parked')
  const { version } = await s.world.admin.watchRun({ run_id: run.runId })
  const still = async () => (await s.world.admin.watchRun({ run_id: run.runId, wait: 0 })).version
  const settled = await eventually(async () => (await still()) === (await still()) && still())
  const startedMs = performance.now()
  const waited = await whileCollecting(
    s.world.admin.watchRun({ run_id: run.runId, after: settled, wait: 2 }, { timeoutMs: 20_000 }),
  )
  expect(waited).toEqual({ version: settled, changed: false, is_over: false, run: null })
  expect(performance.now() - startedMs).toBeGreaterThan(1_900)
  expect(version).toMatch(/^[0-9a-f]{16}$/)

  const leaving = new AbortController()
  const waiting = s.world.admin.watchRun({ run_id: run.runId, after: settled }, { signal: leaving.signal })
  setTimeout(() => leaving.abort(new Error('enough')), 300)
  await expect(waiting).rejects.toThrow('enough')
})

it('is looked after once, however many wait', async () => {
  const run = await s.park('parked')
  const { version } = await s.world.admin.watchRun({ run_id: run.runId, wait: 0 })
  const many = Array.from({ length: 30 }, () =>
    s.world.admin.watchRun({ run_id: run.runId, after: version, wait: 20 }),
  )
  const { approval_id, digest } = run.approval
  await s.lena.decideApproval({ approval_id, digest, verdict: 'reject' })
  const answers = await Promise.all(many)
  expect(new Set(answers.map(({ changed }) => changed))).toEqual(new Set([true]))
})

it('is not found by others', async () => {
  const unknown = s.world.admin.watchRun({ run_id: `run_${'0'.repeat(32)}` })
  await expect(unknown).rejects.toBeInstanceOf(ApiError)
  await expect(unknown).rejects.toMatchObject({ status: 404 })
})

it('lets everybody go when the server drains', async () => {
  const api = await createTestApi()
  try {
    const url = await api.app.listen({ host: '127.0.0.1', port: 0 })
    const client = createClient({ baseUrl: url, apiKey: api.adminKey })
    await client.applyManifests({ manifests: [returningAutomation('echo')] })
    const { run_id } = await client.startRun({ name: 'echo' })
    await eventually(async () => {
      const [one, two] = [await client.watchRun({ run_id }), await client.watchRun({ run_id })]
      return one.version === two.version
    })
    const { version } = await client.watchRun({ run_id })
    const waiting = client.watchRun({ run_id, after: version, wait: 30 })
    await new Promise((resolve) => setTimeout(resolve, 500))
    const startedMs = performance.now()
    await api.app.close()
    expect(await waiting).toMatchObject({ changed: false, is_over: false })
    expect(performance.now() - startedMs).toBeLessThan(20_000)
  } finally {
    await api.close()
  }
})
