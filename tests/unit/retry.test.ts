/** Which failed calls are tried again, when, and under which identity. */
import { describe, expect, it } from 'vitest'
import type { WriteStatus } from '../../schemas/run.ts'
import type { SettledStep } from '../../workflows/interpreter/state.ts'
import { nextTry } from '../../workflows/interpreter/retry.ts'
import { callStep, completed, failed, forEach, planOf, play, settleStep } from '../support/plans.ts'

const retry = { maxAttempts: 3, backoffMs: 1_000 }
const write = (status: WriteStatus): SettledStep => ({
  status: 'failed',
  output: null,
  error: { code: 'WRITE_FAILED', message: 'no' },
  writeback: { id: 'wb_x.pay.1', status, receipt: 'rcp_1' },
})
const after = (settled: SettledStep, tries = { attempt: 1, round: 1 }) => {
  if (settled.status !== 'failed') throw new Error('only failures are tried again')
  return nextTry(retry, { ...settled, tries })
}

describe('a call that has failed', () => {
  it.each(['TOOL_FAILED', 'CALL_REFUSED', 'RESULT_INVALID', 'CALL_TIMEOUT', 'CONNECTION_NOT_READY'])(
    'with %s is tried again',
    (code) => expect(after(failed(code))).toEqual({ tries: { attempt: 2, round: 2 }, delayMs: 1_000 }),
  )

  it.each([
    'INVALID_ARGUMENTS',
    'TOOL_NOT_FOUND',
    'POLICY_DENIED',
    'CANCELLED',
    'STEP_FAILED',
    'OVER_BUDGET',
  ])('with %s is not', (code) => expect(after(failed(code))).toBeNull())

  it('waits twice as long each time, at most an hour', () => {
    expect(after(failed(), { attempt: 2, round: 2 })?.delayMs).toBe(2_000)
    const long = { maxAttempts: 10, backoffMs: 1_800_000 }
    const delay = (attempt: number) =>
      nextTry(long, {
        ...failed(),
        status: 'failed',
        output: null,
        error: { code: 'TOOL_FAILED', message: '' },
        tries: { attempt, round: attempt },
      })?.delayMs
    expect([delay(1), delay(2), delay(3)]).toEqual([1_800_000, 3_600_000, 3_600_000])
  })

  it('is not tried more often than said, nor without being said', () => {
    expect(after(failed(), { attempt: 3, round: 3 })).toBeNull()
    expect(
      nextTry(undefined, {
        status: 'failed',
        output: null,
        error: { code: 'TOOL_FAILED', message: '' },
        tries: { attempt: 1, round: 1 },
      }),
    ).toBeNull()
    expect(
      nextTry(retry, { status: 'failed', output: null, error: { code: 'TOOL_FAILED', message: '' } }),
    ).toBeNull()
  })
})

describe('a write', () => {
  it.each<WriteStatus>(['failed', 'conflict'])('that ended as %s is planned anew', (status) => {
    expect(after(write(status))).toEqual({ tries: { attempt: 2, round: 2 }, delayMs: 1_000 })
  })

  it.each<WriteStatus>(['unknown', 'refused', 'rejected', 'expired', 'withdrawn'])(
    'that ended as %s stays as it is',
    (status) => expect(after(write(status))).toBeNull(),
  )

  it('that its target could not finish is not repeated where a second one may do harm', () => {
    const halfDone = { id: 'wb_x.pay.1', status: 'failed', receipt: 'rcp_1', mayHaveChanged: true } as const
    const told = { ...write('failed'), error: { code: 'TOOL_FAILED', message: 'no' }, writeback: halfDone }
    expect(after(told as SettledStep)).toBeNull()
  })

  it('of which a person has said that it was not applied is not sent again', () => {
    const said = {
      ...write('failed'),
      error: { code: 'NOT_APPLIED', message: 'no trace of it' },
    } as SettledStep
    expect(after(said)).toBeNull()
  })

  it('that went through rounds by itself goes on behind the last one that was begun', () => {
    const plan = planOf(callStep('pay', 1, { retry }))
    // The third round could not be planned, so what stands is the conflict of the second.
    const settled = { ...write('conflict'), lastRound: 3 }
    const { state } = settleStep(plan, play(plan), 'pay', settled)
    expect(state.block['pay']).toEqual({ status: 'running', tries: { attempt: 2, round: 4 } })
  })
})

describe('in a run', () => {
  it('a step is tried again by itself, and ends with its last try', () => {
    const plan = planOf(callStep('a', 1, { retry }), callStep('b', '${{ steps.a.output }}'))
    let now = settleStep(plan, play(plan), 'a', failed())
    expect(now.next).toEqual({ kind: 'wait' })
    expect(now.log).toEqual(['start a', 'wait', 'start a', 'wait'])
    expect(now.state.block['a']).toEqual({ status: 'running', tries: { attempt: 2, round: 2 } })
    expect(now.state).toMatchObject({ begun: 1, underWay: 1 })
    now = settleStep(plan, now, 'a', completed('at last'))
    expect(now.values['b']).toBe('at last')
    let other = play(plan)
    for (let attempt = 1; attempt <= 3; attempt++) other = settleStep(plan, other, 'a', failed())
    expect(other.next).toEqual({ kind: 'failed', error: { code: 'TOOL_FAILED', message: 'step a: no' } })
  })

  it('a try that has to wait for room is made once there is some', () => {
    const inner = forEach('inner', 'input.items', [callStep('a', null, { retry })], 20)
    const plan = planOf(forEach('outer', 'input.items', [inner], 20))
    let now = play(plan, { items: Array<number>(11).fill(0) })
    const [first = '', second = ''] = now.underWay
    now = settleStep(plan, now, first, failed())
    expect(now.underWay).toHaveLength(100)
    now = settleStep(plan, now, second, completed(1))
    while (now.underWay.length > 0) now = settleStep(plan, now, now.underWay[0] ?? '', completed(1))
    expect(now.next).toMatchObject({ kind: 'completed' })
    expect(now.log.filter((line) => line === `start ${first}`)).toHaveLength(2)
  })
})
