import { describe, expect, it } from 'vitest'
import { CodedError, ERRORS, isErrorCode } from '../../schemas/errors.ts'

describe('the error table', () => {
  it.each(Object.entries(ERRORS))('%s has a sentence for the person and the next action', (code, entry) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
    expect(entry.title).toMatch(/^[A-Z].*\.$/)
    expect(entry.hint).toMatch(/^[A-Z].*\.$/)
    expect(entry.status).toBeGreaterThanOrEqual(400)
    expect(entry.status).toBeLessThan(600)
  })

  it('names no field of an answer, which whoever uses the CLI never sees', () => {
    expect(Object.entries(ERRORS).filter(([, { hint }]) => hint.includes('`detail`'))).toEqual([])
  })

  it('does not say that the same request may succeed later where the request is at fault', () => {
    const atFault = Object.entries(ERRORS).filter(([, { status }]) =>
      [400, 401, 403, 404, 422].includes(status),
    )
    expect(atFault.filter(([, { retryable }]) => retryable)).toEqual([])
  })

  it('lets a service that is away be tried again', () => {
    const away = Object.entries(ERRORS).filter(([, { status }]) => status === 503)
    expect(away.filter(([, { retryable }]) => !retryable)).toEqual([])
  })

  it('never lets a refused decision be repeated by itself', () => {
    const refusals = [
      'ALREADY_DECIDED',
      'ALREADY_VOTED',
      'SELF_APPROVAL',
      'NOT_ELIGIBLE',
      'STALE_DIGEST',
      'EXPIRED',
      'UNVERIFIED',
    ] as const
    for (const code of refusals) expect(ERRORS[code]).toMatchObject({ status: 409, retryable: false })
  })
})

describe('a code', () => {
  it.each<[unknown, boolean]>([
    ['NOT_FOUND', true],
    ['not_found', false],
    ['toString', false],
    ['constructor', false],
    [undefined, false],
    [404, false],
  ])('%s: %s', (code, expected) => {
    expect(isErrorCode(code)).toBe(expected)
  })
})

describe('a coded error', () => {
  it('carries its code, what happened, why, and when to come back', () => {
    const cause = new Error('deep')
    const error = new CodedError('WRITE_IN_PROGRESS', 'wb_1', { cause, nextRetryDelayMs: 50 })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'CodedError',
      code: 'WRITE_IN_PROGRESS',
      message: 'wb_1',
      cause,
      nextRetryDelayMs: 50,
    })
  })

  it('has no cause unless it is given one', () => {
    expect('cause' in new CodedError('NOT_FOUND', 'x')).toBe(false)
    expect(new CodedError('NOT_FOUND', 'x').nextRetryDelayMs).toBeUndefined()
  })
})
