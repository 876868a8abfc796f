/** Which failures of activities Temporal may try again. */
import type { ApplicationFailure, Info } from '@temporalio/activity'
import { describe, expect, it } from 'vitest'
import { toApplicationFailure } from '../../activities/failures.ts'
import { CodedError } from '../../schemas/errors.ts'

const STEP_MS = 60_000

function made(error: unknown, { afterMs = 0, attempt = 1, timeoutMs = STEP_MS as number | null } = {}) {
  const info = { scheduledTimestampMs: 1_000_000, attempt } as Info
  return toApplicationFailure(error, info, timeoutMs, 1_000_000 + afterMs) as ApplicationFailure
}

const deep = new RangeError('Maximum call stack size exceeded')

describe('a failure that nobody foresaw', () => {
  it('is tried again within the time of its step, and ends with it', () => {
    expect(made(deep, { afterMs: STEP_MS })).toBe(deep)
    expect(made(deep, { afterMs: STEP_MS + 1 })).toMatchObject({ type: 'INTERNAL', nonRetryable: true })
  })

  it('is tried 25 times where there is no such time', () => {
    expect(made(deep, { attempt: 24, timeoutMs: null, afterMs: 1e9 })).toBe(deep)
    expect(made(deep, { attempt: 25, timeoutMs: null })).toMatchObject({
      type: 'INTERNAL',
      nonRetryable: true,
    })
  })

  it('goes on while our own database is away', () => {
    const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    expect(made(away, { afterMs: 1e9 })).toBe(away)
  })
})

describe('a failure with a code', () => {
  it('goes by the table, and ends with the time of its step', () => {
    const away = new CodedError('CONNECTION_NOT_READY', 'x')
    expect(made(away)).toMatchObject({ nonRetryable: false })
    expect(made(away, { afterMs: STEP_MS + 1 })).toMatchObject({ nonRetryable: true })
    expect(made(new CodedError('RESULT_INVALID', 'x'))).toMatchObject({ nonRetryable: true })
  })

  it('is not tried again where the server asks to wait for longer than the step may take', () => {
    const throttled = new CodedError('CALL_THROTTLED', 'x', { nextRetryDelayMs: 30_000 })
    expect(made(throttled)).toMatchObject({ nonRetryable: false, nextRetryDelay: 30_000 })
    expect(made(throttled, { afterMs: STEP_MS - 29_000 })).toMatchObject({ nonRetryable: true })
    expect(made(throttled, { timeoutMs: null })).toMatchObject({ nonRetryable: false })
  })

  it('that waits for its turn waits as long as it takes', () => {
    const busy = new CodedError('ORGANIZATION_BUSY', 'x', { nextRetryDelayMs: 5_000 })
    expect(made(busy, { afterMs: 1e9 })).toMatchObject({ nonRetryable: false, nextRetryDelay: 5_000 })
  })
})
