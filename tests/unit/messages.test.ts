import { describe, expect, it } from 'vitest'
import { MAX_TICKET_LENGTH } from '../../lib/limits.ts'
import { MESSAGES } from '../../schemas/names.ts'
import {
  answerSignal,
  approveSignal,
  decideUpdate,
  decisionMessageOf,
  getApprovalQuery,
  getRunQuery,
  getWritebackQuery,
  rejectSignal,
  resolveSignal,
  resolveUpdate,
  verdictOf,
} from '../../workflows/messages.ts'
import { DIGEST } from '../support/fixtures.ts'

const ticket = { payloadType: 'text/plain', payload: 'e30=', signatures: [{ keyid: 'k', sig: 's' }] }
const signature = { keyid: 'k', sig: 's' }

describe('a decision message', () => {
  it('is a ticket', () => {
    expect(decisionMessageOf('approve', { ticket })).toEqual({ verdict: 'approve', ticket })
  })

  it('is a ticket, also if it says more', () => {
    expect(decisionMessageOf('reject', { ticket, by: 'mallory', verdict: 'approve' })).toEqual({
      verdict: 'reject',
      ticket,
    })
  })

  it('is somebody’s word', () => {
    const word = { by: 'alice', digest: DIGEST, comment: 'fine' }
    expect(decisionMessageOf('approve', { ...word, verdict: 'approve' })).toEqual({
      verdict: 'approve',
      asserted: word,
    })
    expect(decisionMessageOf('approve', { by: 'alice' })).toEqual({
      verdict: 'approve',
      asserted: { by: 'alice' },
    })
    expect(decisionMessageOf('approve', { by: 'alice', comment: '' })).toEqual({
      verdict: 'approve',
      asserted: { by: 'alice' },
    })
  })

  it('is none where it says something else than its name, or something that nobody reads', () => {
    expect(decisionMessageOf('approve', { by: 'alice', verdict: 'reject' })).toBe(null)
    expect(decisionMessageOf('reject', { by: 'alice', verdict: 'approve' })).toBe(null)
    expect(decisionMessageOf('approve', { by: 'alice', approved: false })).toBe(null)
  })

  it.each<[string, unknown]>([
    ['empty text', ''],
    ['no text', 12],
    ['null', null],
    ['too long', 'd'.repeat(5_000)],
  ])('about a digest that is %s is none: it would count for whatever waits', (_what, digest) => {
    expect(decisionMessageOf('approve', { by: 'alice', digest })).toBeNull()
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'approve'],
    ['a number', 1],
    ['a list', [{ by: 'alice' }]],
    ['an empty object', {}],
    ['nobody’s word', { by: '' }],
    ['a word of something else than a text', { by: { toString: () => 'alice' } }],
    ['a name without an end', { by: 'a'.repeat(5_000) }],
    ['a ticket that is a text', { ticket: JSON.stringify(ticket) }],
    ['a ticket without a type', { ticket: { ...ticket, payloadType: undefined } }],
    ['a ticket without a payload', { ticket: { ...ticket, payload: 5 } }],
    ['a ticket that is too large', { ticket: { ...ticket, payload: 'x'.repeat(MAX_TICKET_LENGTH + 1) } }],
    ['a ticket without a signature', { ticket: { ...ticket, signatures: [] } }],
    ['a ticket with too many', { ticket: { ...ticket, signatures: Array(5).fill(signature) } }],
    ['a ticket whose signatures are no list', { ticket: { ...ticket, signatures: signature } }],
    ['a ticket with a signature that is none', { ticket: { ...ticket, signatures: [signature, 's'] } }],
    ['a ticket with a signature without a key', { ticket: { ...ticket, signatures: [{ sig: 's' }] } }],
    ['a ticket with an empty signature', { ticket: { ...ticket, signatures: [{ keyid: 'k', sig: '' }] } }],
  ])('is not %s', (_what, raw) => {
    expect(decisionMessageOf('approve', raw)).toBeNull()
  })
})

describe('the verdict of an update', () => {
  it.each<[unknown, string | null]>([
    [{ verdict: 'approve' }, 'approve'],
    [{ verdict: 'reject', ticket }, 'reject'],
    [{ verdict: 'APPROVE' }, null],
    [{ verdict: ['approve'] }, null],
    [{}, null],
    [null, null],
    ['approve', null],
  ])('of %j is %s', (raw, verdict) => {
    expect(verdictOf(raw)).toBe(verdict)
  })
})

it('goes by the names on the wire', () => {
  const definitions = [
    approveSignal,
    rejectSignal,
    answerSignal,
    decideUpdate,
    resolveSignal,
    resolveUpdate,
    getRunQuery,
    getWritebackQuery,
    getApprovalQuery,
  ]
  const { approveSignal: approve, rejectSignal: reject, ...others } = MESSAGES
  expect(definitions.map(({ name }) => name)).toEqual([approve, reject, ...Object.values(others)])
})
