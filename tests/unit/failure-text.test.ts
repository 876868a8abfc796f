import { describe, expect, it } from 'vitest'
import { detailIn, failureText } from '../../lib/failure-text.ts'
import { ERRORS } from '../../schemas/errors.ts'

const { title, hint } = ERRORS.CONNECTION_NOT_READY

describe('a failure as one text', () => {
  it.each([
    ['connect ECONNREFUSED', 'connect ECONNREFUSED.'],
    ['The file has no command x.', 'The file has no command x.'],
    ['is a worker running?', 'is a worker running?'],
    ['cut off…', 'cut off…'],
  ])('%j ends in one full stop at most', (detail, sentence) => {
    expect(failureText('CONNECTION_NOT_READY', detail)).toBe(`${title} ${sentence} ${hint}`)
  })

  it('without a detail is title and hint', () => {
    expect(failureText('CONNECTION_NOT_READY', '')).toBe(`${title} ${hint}`)
    expect(detailIn('CONNECTION_NOT_READY', `${title} ${hint}`)).toBe('')
  })

  it('says title and hint once, however often it is passed on', () => {
    const once = failureText('CONNECTION_NOT_READY', 'connect ECONNREFUSED')
    expect(failureText('CONNECTION_NOT_READY', once)).toBe(once)
    expect(detailIn('CONNECTION_NOT_READY', once)).toBe('connect ECONNREFUSED.')
  })

  it('of another code is a detail like any other', () => {
    const other = failureText('CALL_TIMEOUT', 'late')
    expect(detailIn('CONNECTION_NOT_READY', other)).toBe(other)
  })
})
