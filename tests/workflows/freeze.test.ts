/** The emergency brake: with the answer to a freeze no further write is sent; what it held goes on after the thaw. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { CHANGE, LOOK, NOTE, ONE_LEAD, SHOP, TOOLS } from '../support/automations.ts'
import { textResult } from '../support/mcp-server.ts'
import { about, refusal, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario
/** When each note arrived at the server, by the clock that the database has too. */
const arrivals: { account: string; atMs: number }[] = []
let answerAfterMs = 0

/** The moment at which each write got the right to be sent, which its row forgets when it ends. */
const NOTE_CLAIMS_SQL = `
  create table claims (run_id text not null, at timestamptz not null default clock_timestamp());
  create function note_claim() returns trigger language plpgsql security definer as
    $$ begin insert into claims (run_id) values (new.run_id); return new; end $$;
  create trigger note_claim after update on writebacks for each row
    when (new.state = 'sending' and new.attempt > old.attempt) execute function note_claim()`

/** Only that neither hangs: a busy machine takes a second for what takes a tenth of it elsewhere. */
const LIMIT_MS = 10_000

beforeAll(async () => {
  s = await startScenario()
  const note = s.server.tools.find(({ name }) => name === 'note')
  if (!note) throw new Error('the server has no tool note')
  note.run = async ({ about: account }) => {
    arrivals.push({ account: String(account), atMs: Date.now() })
    await sleep(answerAfterMs)
    return { ...textResult('noted'), structuredContent: { noted: account } }
  }
  await s.world.database.query(NOTE_CLAIMS_SQL)
  await s.define('free', [NOTE], { allow: true })
  await s.define('gated', [CHANGE], ONE_LEAD)
  await s.define('look', [LOOK], { allow: true })
})

afterEach(async () => {
  for (const name of [SHOP, TOOLS]) await s.world.admin.thawConnection({ name })
})

afterAll(() => s.close())

const isHeld = async (connection: string, run: StartedRun): Promise<boolean> => {
  const { held } = await s.world.admin.getConnectionState({ name: connection })
  return held.some(({ run_id: runId }) => runId === run.runId)
}

async function claimsOf(runs: StartedRun[]): Promise<Map<string, number>> {
  const { rows } = await s.world.database.query<{ run_id: string; at: Date }>(
    'select run_id, at from claims where run_id = any ($1)',
    [runs.map(({ runId }) => runId)],
  )
  expect(rows).toHaveLength(new Set(rows.map(({ run_id: runId }) => runId)).size)
  return new Map(rows.map(({ run_id: runId, at }) => [runId, at.getTime()]))
}

test('while runs keep writing, nothing is sent any more once the freeze is answered', async () => {
  const tookMs: number[] = []
  const onTheirWayMs: number[] = []
  for (let round = 0; round < 3; round++) {
    const starting = Array.from({ length: 12 }, () => s.start('free'))
    const before = arrivals.length
    await eventually(async () => arrivals.length > before)
    const askedAtMs = Date.now()
    const { frozen, under_way: underWay } = await s.world.admin.freezeConnection({
      name: TOOLS,
      reason: 'too many',
    })
    const answeredAtMs = Date.now()
    expect(frozen).toMatchObject({ by: 'ops@acme.example', reason: 'too many' })
    tookMs.push(answeredAtMs - askedAtMs)
    const runs = await Promise.all(starting)
    // Those that are not done are held, and stay so.
    await eventually(async () => {
      const { held } = await s.world.admin.getConnectionState({ name: TOOLS })
      const done = runs.filter(({ account }) => arrivals.some((arrival) => arrival.account === account))
      return held.length + done.length === runs.length
    })
    await sleep(1_500)
    const claims = await claimsOf(runs)
    expect(Math.max(...claims.values())).toBeLessThanOrEqual(answeredAtMs)
    for (const { runId, account } of runs) {
      const claimedAtMs = claims.get(runId)
      const arrival = arrivals.find((arrived) => arrived.account === account)
      expect(claimedAtMs === undefined).toBe(arrival === undefined)
      if (claimedAtMs !== undefined && arrival) onTheirWayMs.push(arrival.atMs - claimedAtMs)
    }
    const late = arrivals.filter(({ atMs }) => atMs > answeredAtMs).map(({ account }) => account)
    // What was on its way is named in the answer; with a server that answers at once that is nothing.
    const named = runs.filter(({ runId }) => underWay.some(({ run_id: id }) => id === runId))
    expect(named.map(({ account }) => account)).toEqual(expect.arrayContaining(late))
    await s.world.admin.thawConnection({ name: TOOLS })
    for (const run of runs) await s.expectEnding(run, { state: 'completed', notes: 1 })
  }
  const slowestMs = Math.max(...onTheirWayMs)
  process.stderr.write(`[numbers] a freeze under load is answered after ${tookMs.join(', ')} ms\n`)
  process.stderr.write(`[numbers] a write arrives at most ${slowestMs} ms after it is claimed\n`)
  expect(Math.max(...tookMs)).toBeLessThan(LIMIT_MS)
  expect(slowestMs).toBeLessThan(LIMIT_MS)
})

test('a write under way when the freeze comes ends with its answer, and the freeze names it', async () => {
  answerAfterMs = 1_500
  const run = await s.start('free')
  await eventually(async () => arrivals.some(({ account }) => account === run.account))
  const { under_way: underWay, held } = await s.world.admin.freezeConnection({ name: TOOLS })
  expect(underWay.map(({ run_id: runId }) => runId)).toEqual([run.runId])
  expect(held).toEqual([])
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], notes: 1 })
  answerAfterMs = 0
  await s.world.admin.thawConnection({ name: TOOLS })
})

test('readings go on, people decide, and an approved write is held until the thaw', async () => {
  const waiting = await s.park('gated')
  await s.world.admin.freezeConnection({ name: SHOP, reason: 'wrong amounts' })
  await s.world.admin.freezeConnection({ name: TOOLS })
  await s.expectEnding(await s.start('look'), { state: 'completed' })
  const asked = await s.park('gated')
  for (const run of [waiting, asked]) {
    expect(await isHeld(SHOP, run)).toBe(false)
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await eventually(() => isHeld(SHOP, run))
  }
  // Frozen again, it keeps the reason that people know.
  const again = await s.world.admin.freezeConnection({ name: SHOP, reason: 'another' })
  expect(again.frozen?.reason).toBe('wrong amounts')
  expect(again.held.map(({ run_id: runId }) => runId)).toEqual([waiting.runId, asked.runId])
  // What the run waits for shows at its pending activity.
  const reason = await eventually(async () => {
    const { raw } = await s.world.temporal.workflow
      .getHandle(`writeback/acme/${waiting.approval.writeback_id}`)
      .describe()
    return raw.pendingActivities?.[0]?.lastFailure
  })
  expect(reason.applicationFailureInfo?.type).toBe('CONNECTION_FROZEN')
  expect(reason.message).toContain('wrong amounts')
  await s.world.admin.thawConnection({ name: SHOP })
  await s.world.admin.thawConnection({ name: TOOLS })
  for (const run of [waiting, asked]) await s.expectEnding(run, { state: 'completed', changes: 1 })
})

test('a write that is held outlives the time of its step, and can be cancelled', async () => {
  await s.define('hasty', [{ ...NOTE, timeout: '1s' }], { allow: true })
  await s.world.admin.freezeConnection({ name: TOOLS })
  const [kept, cancelled] = [await s.start('hasty'), await s.start('hasty')]
  await eventually(() => isHeld(TOOLS, cancelled))
  await s.clerk.cancelRun({ run_id: cancelled.runId })
  await s.expectEnding(cancelled, { state: 'cancelled', writebacks: ['withdrawn'], notes: 0 })
  await sleep(1_500)
  expect(await isHeld(TOOLS, kept)).toBe(true)
  await s.world.admin.thawConnection({ name: TOOLS })
  await s.expectEnding(kept, { state: 'completed', notes: 1 })
})

test('only an administrator freezes, and only what exists', async () => {
  expect(await refusal(s.lena.freezeConnection({ name: TOOLS }))).toBe('403 FORBIDDEN')
  expect(await refusal(s.lena.thawConnection({ name: TOOLS }))).toBe('403 FORBIDDEN')
  expect(await refusal(s.world.admin.freezeConnection({ name: 'nothing' }))).toBe('404 NOT_FOUND')
  expect(await refusal(s.world.admin.thawConnection({ name: 'nothing' }))).toBe('404 NOT_FOUND')
  expect(await s.lena.getConnectionState({ name: TOOLS })).toMatchObject({
    name: TOOLS,
    frozen: null,
    held: [],
    held_omitted: false,
    under_way: [],
    under_way_omitted: false,
    warnings: [],
  })
})

test('a connection that is saved again stays frozen', async () => {
  await s.world.admin.freezeConnection({ name: SHOP, reason: 'still' })
  const { manifest } = await s.world.admin.getManifest({ kind: 'Connection', name: SHOP })
  await s.world.admin.applyManifests({ manifests: [{ ...manifest, version: '1.0.1' }] })
  expect((await s.world.admin.getConnectionState({ name: SHOP })).frozen?.reason).toBe('still')
  await s.world.admin.thawConnection({ name: SHOP })
})

test('a rejection that comes after the approval stops a write that was not sent yet, and nobody is told otherwise', async () => {
  const run = await s.park('gated')
  await s.world.admin.freezeConnection({ name: SHOP })
  expect((await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })).state).toBe('approved')
  await eventually(() => isHeld(SHOP, run))
  const answer = await s.max.decideApproval({ ...about(run.approval), verdict: 'reject', comment: 'no' })
  expect(answer).toMatchObject({ state: 'recorded', message: expect.stringMatching(/wait is over/) })
  await s.world.admin.thawConnection({ name: SHOP })
  await s.expectEnding(run, { writebacks: ['rejected'], approvals: ['approved'], balance: 100 })
  expect(await refusal(s.max.decideApproval({ ...about(run.approval), verdict: 'reject' }))).toBe(
    '410 WAIT_OVER',
  )
})
