/** What `countersign doctor` concludes from what it finds: each with its next action. */
import { describe, expect, it } from 'vitest'
import { worstOf } from '../../api/doctor/check.ts'
import { clockCheck } from '../../api/doctor/clocks.ts'
import { deliveryCheck, migrationCheck, openRowCheck, unknownCheck } from '../../api/doctor/database.ts'
import { keyCheck } from '../../api/doctor/examine.ts'
import { reconcilerCheck, retentionCheck, type ScheduleFacts } from '../../api/doctor/temporal.ts'
import type { BacklogRow } from '../../db/queries/health.ts'
import type { Check } from '../../schemas/operations/health.ts'
import type { ReconcileReport } from '../../schemas/upkeep.ts'
import { makeKeys } from '../support/fixtures.ts'

const NOW_MS = Date.parse('2026-10-01T12:00:00.000Z')

const QUIET: BacklogRow = {
  pending: 0,
  overdue: 0,
  oldest_overdue: null,
  overdue_seconds: 0,
  refused: 0,
  refused_id: null,
  refused_error: null,
  stale: 0,
  stale_id: null,
  unknown: 0,
  unknown_id: null,
  waiting: 0,
}

const REPORT: ReconcileReport = {
  looked: 3,
  withdrawn: 1,
  unknown: 0,
  approvals: 1,
  reminded: 0,
  failed: 0,
  doubted: 0,
  unproven: 0,
  next: { writeback: '', approval: '', alive: '' },
  clock: { at_ms: NOW_MS, database_ahead_ms: 0, temporal_ms: NOW_MS - 20 },
}

function schedule(over: Partial<ScheduleFacts> = {}, ageMs = 30_000): ScheduleFacts {
  const last = { takenAtMs: NOW_MS - ageMs, state: 'COMPLETED', result: REPORT, code: null }
  return { isPaused: false, note: '', createdAtMs: NOW_MS - 1e9, last, ...over }
}

const MIGRATED = { applied: 3, missing: [], changed: [], foreign: [] }
const MINUTE_MS = 60_000
const clocks = (over: Partial<ReconcileReport['clock']>) => ({ ...REPORT.clock, ...over })

const CASES: [string, Check, Check['status'], RegExp][] = [
  ['nothing pending', deliveryCheck(QUIET), 'ok', /Everything accepted is started/],
  ['a few that just came', deliveryCheck({ ...QUIET, pending: 2 }), 'ok', /2 are just being started/],
  [
    'some that wait',
    deliveryCheck({ ...QUIET, pending: 2, overdue: 2, oldest_overdue: 'dlv_1', overdue_seconds: 90 }),
    'warn',
    /dlv_1, for 90 s/,
  ],
  [
    'one that is refused',
    deliveryCheck({ ...QUIET, pending: 1, refused: 1, refused_id: 'dlv_1', refused_error: 'too large' }),
    'fail',
    /1 delivery, such as dlv_1: too large/,
  ],
  ['approvals that wait', openRowCheck({ ...QUIET, waiting: 2 }), 'ok', /2 approvals wait/],
  ['a write that is stuck', openRowCheck({ ...QUIET, stale: 1, stale_id: 'wb_1' }), 'warn', /wb_1/],
  [
    'an unknown outcome',
    unknownCheck({ ...QUIET, unknown: 1, unknown_id: 'wb_1' }),
    'warn',
    /1 write was done.*wb_1/,
  ],
  ['all migrations', migrationCheck(MIGRATED), 'ok', /All 3/],
  ['a migration that is missing', migrationCheck({ ...MIGRATED, missing: ['0004_x.sql'] }), 'fail', /0004_x/],
  [
    'a migration that has changed',
    migrationCheck({ ...MIGRATED, changed: ['0001_x.sql'] }),
    'fail',
    /0001_x/,
  ],
  ['a newer database', migrationCheck({ ...MIGRATED, foreign: ['0009_x.sql'] }), 'warn', /newer/],
  ['a reconciler at work', reconcilerCheck(schedule(), NOW_MS), 'ok', /looked at 3 open rows/],
  [
    'a first pass to come',
    reconcilerCheck(schedule({ last: null, createdAtMs: NOW_MS }), NOW_MS),
    'ok',
    /first pass/,
  ],
  ['no Schedule', reconcilerCheck(undefined, NOW_MS), 'fail', /no Schedule/],
  [
    'a paused Schedule',
    reconcilerCheck(schedule({ isPaused: true, note: 'why' }), NOW_MS),
    'warn',
    /paused \(why\)/,
  ],
  ['a late pass', reconcilerCheck(schedule({}, 4 * MINUTE_MS), NOW_MS), 'fail', /4 minutes ago/],
  [
    'a pass that failed',
    reconcilerCheck(
      schedule({ last: { takenAtMs: NOW_MS, state: 'FAILED', result: null, code: null } }),
      NOW_MS,
    ),
    'fail',
    /FAILED/,
  ],
  [
    'a reconciler that somebody has switched off',
    reconcilerCheck(
      schedule({ last: { takenAtMs: NOW_MS, state: 'FAILED', result: null, code: 'RECONCILER_OFF' } }),
      NOW_MS,
    ),
    'warn',
    /switched off on the workers/,
  ],
  [
    'rows that could not be closed',
    reconcilerCheck(
      schedule({
        last: { takenAtMs: NOW_MS, state: 'COMPLETED', result: { ...REPORT, failed: 2 }, code: null },
      }),
      NOW_MS,
    ),
    'warn',
    /2 open rows/,
  ],
  [
    'rows of which nothing can be concluded',
    reconcilerCheck(
      schedule({
        last: { takenAtMs: NOW_MS, state: 'COMPLETED', result: { ...REPORT, doubted: 4 }, code: null },
      }),
      NOW_MS,
    ),
    'warn',
    /does not know the executions of 4 open rows/,
  ],
  [
    'rows that somebody has changed',
    reconcilerCheck(
      schedule({
        last: { takenAtMs: NOW_MS, state: 'COMPLETED', result: { ...REPORT, unproven: 3 }, code: null },
      }),
      NOW_MS,
    ),
    'fail',
    /3 open rows of the ledger are not as a worker has planned them/,
  ],
  ['retention of yesterday', retentionCheck(schedule({}, 30 * 60 * MINUTE_MS), NOW_MS), 'ok', /has run/],
  [
    'retention of last week',
    retentionCheck(schedule({}, 7 * 24 * 60 * MINUTE_MS), NOW_MS),
    'fail',
    /minutes ago/,
  ],
  ['clocks that agree', clockCheck(20, REPORT.clock), 'ok', /agree within 20 ms/],
  ['a reconciler that has not told yet', clockCheck(20, undefined), 'ok', /after a pass/],
  ['an API that is behind', clockCheck(1_000, REPORT.clock), 'warn', /PostgreSQL and the API are 1000 ms/],
  [
    'a worker that is ahead',
    clockCheck(0, clocks({ database_ahead_ms: -9_000 })),
    'fail',
    /the worker are 9000 ms/,
  ],
  [
    'a worker behind Temporal',
    clockCheck(0, clocks({ temporal_ms: NOW_MS + 2_000 })),
    'warn',
    /Temporal and the worker/,
  ],
  ['a queue before the worker', clockCheck(0, clocks({ temporal_ms: NOW_MS - 60_000 })), 'ok', /agree/],
]

describe('the doctor', () => {
  it.each(CASES)('finds %s', (_name, check, status, summary) => {
    expect(check).toMatchObject({ status })
    expect(check.summary).toMatch(summary)
    expect(check.action === null).toBe(status === 'ok')
  })

  it('knows keys that belong together from keys that do not', () => {
    const keys = makeKeys()
    const other = makeKeys()
    const about = { signingKey: keys.decision, trustedKeys: keys.trusted }
    expect(keyCheck(about)).toMatchObject({ status: 'ok' })
    expect(keyCheck({ ...about, trustedKeys: other.trusted })).toMatchObject({ status: 'fail' })
    expect(keyCheck({ ...about, signingKey: keys.receipt })).toMatchObject({
      status: 'fail',
      action: expect.stringMatching(/one folder .* its own private key alone/) as string,
    })
    const decisions = keys.trusted.filter(({ purpose }) => purpose === 'decision')
    expect(keyCheck({ ...about, trustedKeys: decisions })).toMatchObject({ status: 'warn' })
  })

  it('is as well as what is worst', () => {
    const check = (status: Check['status']): Check => ({ name: 'x', status, summary: '', action: null })
    expect(worstOf([check('ok'), check('fail'), check('warn')])).toBe('fail')
    expect(worstOf([check('ok'), check('warn')])).toBe('warn')
    expect(worstOf([check('ok')])).toBe('ok')
  })
})
