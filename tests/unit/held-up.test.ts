/** What a run that does not move is waiting for, in a sentence; and what the doctor makes of it. */
import { describe, expect, it } from 'vitest'
import { judgeRuns } from '../../api/doctor/runs.ts'
import { heldUpBeforeStart, heldUpBy } from '../../api/held-up.ts'
import type { StepAttempt } from '../../api/run-history.ts'
import { failureText } from '../../lib/failure-text.ts'

const NOW_MS = Date.parse('2026-11-30T08:00:00.000Z')
const NEXT = '2026-11-30T08:00:30.000Z'
const NOTHING = { taskWaitsSinceMs: null, failedTask: null }

const CALL: StepAttempt = {
  path: 'waive',
  connection: 'billing-db',
  kind: 'call',
  state: 'scheduled',
  attempt: 1,
  scheduled_at: '2026-11-30T07:59:00.000Z',
  started_at: null,
  closed_at: null,
  next_attempt_at: null,
  failure: null,
  temporal_workflow_id: null,
  temporal_ui_url: null,
}
const REFUSED = failureText('CONNECTION_NOT_READY', 'connect ECONNREFUSED 127.0.0.1:1')
const retried: StepAttempt = {
  ...CALL,
  attempt: 4,
  next_attempt_at: NEXT,
  failure: { code: 'CONNECTION_NOT_READY', message: REFUSED },
}

describe('a run that does not move', () => {
  it('names the step, the connection, the error of the last attempt, the next one, and what to do', () => {
    expect(heldUpBy([retried], NOTHING, NOW_MS)).toEqual([
      {
        path: 'waive',
        connection: 'billing-db',
        attempt: 4,
        failure: retried.failure,
        next_attempt_at: NEXT,
        summary:
          'step waive, through connection billing-db: attempt 3 ended with CONNECTION_NOT_READY: The connection cannot ' +
          `be reached now. connect ECONNREFUSED 127.0.0.1:1. (the next comes at ${NEXT})`,
        action: 'Start the server or correct its address; the call goes on by itself.',
      },
    ])
  })

  it('says of an attempt that is under way that it is, and of an error that is not ours where to look', () => {
    const failure = { code: 'TypeError', message: 'nothing there' }
    const [held] = heldUpBy(
      [{ ...retried, state: 'running', next_attempt_at: null, failure }],
      NOTHING,
      NOW_MS,
    )
    expect(held?.summary).toContain('TypeError: nothing there (the next attempt is under way)')
    expect(held?.action).toBe('Look at the log of the workers.')
  })

  it('names the worker that is missing, for the run and for a call', () => {
    const sinceMs = NOW_MS - 42_000
    const held = heldUpBy([CALL], { ...NOTHING, taskWaitsSinceMs: sinceMs }, NOW_MS)
    expect(held.map(({ path, summary }) => [path, summary])).toEqual([
      [null, `No worker has taken the next task of the run since ${new Date(sinceMs).toISOString()}.`],
      [
        'waive',
        expect.stringContaining('no worker has taken the call since 2026-11-30T07:59:00.000Z') as string,
      ],
    ])
    for (const { action } of held) expect(action).toMatch(/^Start a worker/)
  })

  it('names what the workers fail at, and no missing worker beside it', () => {
    const failure = { code: 'TypeError', message: 'of another release' }
    const failedTask = { at: '2026-11-30T07:59:00.000Z', attempt: 3, failure }
    const held = heldUpBy([], { taskWaitsSinceMs: NOW_MS - 42_000, failedTask }, NOW_MS)
    expect(held).toMatchObject([{ path: null, attempt: 3, failure }])
    expect(held[0]?.summary).toBe(
      'The workers cannot go on with the run since 2026-11-30T07:59:00.000Z: TypeError: of another release (attempt 3 is under way)',
    )
    expect(held[0]?.action).toContain('another release')
  })

  it('says of a run that Temporal does not have yet why, and when it is tried again', () => {
    const start = {
      attempts: 2,
      last_error: 'no such namespace',
      received_at: new Date(NOW_MS - 60_000),
      next_attempt_at: new Date(NEXT),
    }
    expect(heldUpBeforeStart(start, NOW_MS)).toMatchObject([
      {
        attempt: 2,
        next_attempt_at: NEXT,
        summary: `Temporal refuses to start the run: attempt 2 ended with no such namespace (the next comes at ${NEXT})`,
      },
    ])
    const notTried = { ...start, attempts: 0, last_error: null }
    expect(heldUpBeforeStart(notTried, NOW_MS)[0]?.summary).toContain(
      'waits to be started since 2026-11-30T07:59',
    )
    expect(heldUpBeforeStart({ ...notTried, received_at: new Date(NOW_MS - 2_000) }, NOW_MS)).toEqual([])
  })

  it('is none while work goes on, or waits for people', () => {
    const running: StepAttempt = { ...CALL, state: 'running' }
    const writeback: StepAttempt = { ...CALL, kind: 'writeback', state: 'running' }
    const failed: StepAttempt = { ...retried, state: 'failed', next_attempt_at: null }
    const justNow = { ...NOTHING, taskWaitsSinceMs: NOW_MS - 2_000 }
    expect(heldUpBy([running, writeback, failed], justNow, NOW_MS)).toEqual([])
  })
})

describe('the doctor', () => {
  const heldUp = heldUpBy([retried], NOTHING, NOW_MS)[0]!
  const found = (number: number) => Array.from({ length: number }, (_, i) => ({ runId: `run_${i}`, heldUp }))

  it('tells each run that does not move with what it waits for, and counts what is more', () => {
    const checks = judgeRuns(found(7), { looked: 9, isCut: false })
    expect(checks).toHaveLength(6)
    expect(checks[0]).toMatchObject({ name: 'runs', status: 'warn', action: heldUp.action })
    expect(checks[0]?.summary).toBe(`run_0 does not move: ${heldUp.summary}`)
    expect(checks[5]).toMatchObject({
      summary: '2 more steps do not move, of 2 runs.',
      action: 'Look at them: `countersign runs show run_5`.',
    })
  })

  it('is content where none is held up', () => {
    expect(judgeRuns([], { looked: 3, isCut: false })).toMatchObject([{ status: 'ok' }])
  })
})
