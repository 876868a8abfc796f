import { describe, expect, it } from 'vitest'
import { wanted } from '../../lib/eligibility.ts'
import type { Vote } from '../../schemas/run.ts'
import {
  asRecorded,
  createApprovalState,
  decide,
  MAX_REFUSALS,
  refuse,
  type ApprovalState,
} from '../../workflows/decide.ts'
import { at, NOON_MS, OTHER_DIGEST, pendingWrite, requester, requirement, vote } from '../support/fixtures.ts'

const EXPIRES_AT_MS = NOON_MS + 60 * 60_000
const waiting = (over = {}): ApprovalState => createApprovalState(pendingWrite(over), EXPIRES_AT_MS)

function after(state: ApprovalState, ...votes: Vote[]): ApprovalState {
  return votes.reduce((before, one) => decide(before, one, NOON_MS).state, state)
}

describe('a vote that counts', () => {
  it('approves', () => {
    const decided = decide(waiting(), vote(), NOON_MS)
    expect(decided.counted).toBe(true)
    expect(decided.answer).toEqual({ accepted: true, state: 'approved', message: 'approved' })
    expect(decided.state).toMatchObject({ status: 'approved', votes: [vote()] })
  })

  it('rejects', () => {
    const { answer, state } = decide(waiting(), vote({ verdict: 'reject' }), NOON_MS)
    expect(answer).toEqual({ accepted: true, state: 'rejected', message: 'rejected' })
    expect(state.status).toBe('rejected')
  })

  it('is recorded, and says how many more are needed', () => {
    const two = requirement({ stages: [{ roles: ['finance'], people: [], quorum: 2 }] })
    const { answer, state } = decide(waiting({ requirement: two }), vote(), NOON_MS)
    expect(answer).toEqual({ accepted: true, state: 'waiting', message: 'recorded; 1 more needed' })
    expect(decide(state, vote({ principal: 'bob' }), NOON_MS).answer).toMatchObject({ state: 'approved' })
  })

  it('leaves the state before as it was', () => {
    const before = waiting()
    decide(before, vote(), NOON_MS)
    expect(before).toEqual(waiting())
  })
})

describe('stages', () => {
  const stages = [
    { roles: ['lead'], people: [], quorum: 1 },
    { roles: ['finance'], people: [], quorum: 1 },
  ]
  const staged = waiting({ requirement: requirement({ stages }) })
  const lead = vote({ principal: 'lena', decisionId: 'dec_lena', roles: ['lead'] })
  const finance = vote({ principal: 'finn', decisionId: 'dec_finn', roles: ['finance'] })
  const both = vote({ principal: 'bea', decisionId: 'dec_bea', roles: ['finance', 'lead'] })

  it('are asked in their order: whoever comes later is told who is first', () => {
    const { counted, answer, state } = decide(staged, finance, NOON_MS)
    expect([counted, answer]).toEqual([
      false,
      { accepted: false, state: 'waiting', code: 'NOT_THEIR_TURN', message: 'first 1 of lead must approve' },
    ])
    const again = { ...finance, decisionId: 'dec_finn_2' }
    expect(decide(after(state, lead), again, NOON_MS).answer).toMatchObject({ state: 'approved' })
  })

  it('leave whoever fits several to where they are needed', () => {
    expect(decide(after(staged, both), finance, NOON_MS).answer).toMatchObject({ state: 'approved' })
    expect(decide(after(staged, both), lead, NOON_MS).answer).toMatchObject({ state: 'approved' })
  })

  it('do not keep anybody from rejecting', () => {
    expect(decide(staged, { ...finance, verdict: 'reject' }, NOON_MS).answer).toMatchObject({
      state: 'rejected',
    })
  })

  it('are not looked at once more in what has counted before', () => {
    expect(decide(staged, finance, NOON_MS, { isRecorded: true }).counted).toBe(true)
  })
})

describe('a vote that is kept', () => {
  const two = requirement({ stages: [{ roles: ['finance'], people: [], quorum: 2 }] })
  const bob = vote({ principal: 'bob', decisionId: 'dec_bob' })
  const complete = decide(after(waiting({ requirement: two }), vote()), bob, NOON_MS)

  it('changes nothing where the records say the same', () => {
    expect(asRecorded(complete, { votes: [vote(), bob], state: 'approved' })).toEqual(complete)
  })

  it('does not approve where somebody before has lost the role, and that is told', () => {
    const votes = [vote({ roles: [] }), bob]
    const kept = asRecorded(complete, { votes, state: 'waiting' })
    expect(kept.answer).toEqual({ accepted: true, state: 'waiting', message: 'recorded; 1 more needed' })
    expect(kept.state).toMatchObject({ status: 'waiting', votes })
    expect(decide(kept.state, bob, NOON_MS).answer).toEqual(kept.answer)
    const max = vote({ principal: 'max', decisionId: 'dec_max' })
    expect(decide(kept.state, max, NOON_MS).answer.state).toBe('approved')
  })
})

describe('a decision that comes twice', () => {
  it('is told the same, and counts once', () => {
    const first = decide(waiting(), vote(), NOON_MS)
    const second = decide(first.state, vote(), NOON_MS + 1)
    expect(second).toEqual({ state: first.state, answer: first.answer, counted: false })
  })

  it('is told the same when it was refused', () => {
    const first = decide(waiting(), vote({ roles: [] }), NOON_MS)
    const second = decide(first.state, vote({ roles: ['finance'] }), NOON_MS)
    expect(second.answer).toEqual(first.answer)
    expect(second.state.refusals).toHaveLength(1)
  })
})

describe('a vote that does not count', () => {
  const two = requirement({ stages: [{ roles: ['finance', 'lead'], people: ['cfo'], quorum: 2 }] })

  it.each<[string, ApprovalState, Partial<Vote>, number, string, RegExp]>([
    [
      'late',
      after(waiting(), vote()),
      { principal: 'bob' },
      NOON_MS,
      'ALREADY_DECIDED',
      /^approved by alice@example.org at 2026-10-01T12:00:00.000Z \(cli\)$/,
    ],
    ['after it expired', { ...waiting(), status: 'expired' }, {}, NOON_MS, 'ALREADY_DECIDED', /^expired$/],
    [
      'after it was withdrawn with a vote',
      { ...after(waiting({ requirement: two }), vote()), status: 'withdrawn' },
      { principal: 'bob' },
      NOON_MS,
      'ALREADY_DECIDED',
      /^withdrawn$/,
    ],
    ['at the end of the time', waiting(), {}, EXPIRES_AT_MS, 'EXPIRED', /2026-10-01T13:00:00.000Z/],
    [
      'about something else',
      waiting(),
      { digest: OTHER_DIGEST },
      NOON_MS,
      'STALE_DIGEST',
      /about eeeeeeeeeeee; what waits is dddddddddddd$/,
    ],
    [
      'of the requester',
      waiting({ requester: requester({ principal: 'alice@example.org' }) }),
      {},
      NOON_MS,
      'SELF_APPROVAL',
      /^alice@example.org asked/,
    ],
    [
      'without the role',
      waiting({ requirement: two }),
      { roles: ['sales'] },
      NOON_MS,
      'NOT_ELIGIBLE',
      /needed: finance, lead, cfo; alice@example.org is sales$/,
    ],
    [
      'of a service without roles',
      waiting(),
      { kind: 'service', roles: [] },
      NOON_MS,
      'NOT_ELIGIBLE',
      /a service without roles$/,
    ],
    [
      'of somebody who has voted',
      after(waiting({ requirement: two }), vote()),
      { verdict: 'reject' },
      NOON_MS,
      'ALREADY_VOTED',
      /said approve at/,
    ],
  ])('%s', (_what, state, over, nowMs, code, message) => {
    const decided = decide(state, vote({ decisionId: 'dec_new', ...over }), nowMs)
    expect(decided.counted).toBe(false)
    expect(decided.answer).toMatchObject({ accepted: false, state: state.status, code })
    expect(decided.answer.message).toMatch(message)
    expect(decided.state).toMatchObject({ status: state.status, votes: state.votes })
    expect(decided.state.refusals.at(-1)).toEqual({ code, message: decided.answer.message })
  })

  it('is judged until the very end of the time', () => {
    expect(decide(waiting(), vote(), EXPIRES_AT_MS - 1).counted).toBe(true)
  })

  it('says who decided, not who came first', () => {
    const state = after(
      waiting({ requirement: two }),
      vote(),
      vote({ principal: 'bob', at: at(5), channel: 'api' }),
    )
    const { answer } = decide(state, vote({ principal: 'carol' }), NOON_MS)
    expect(answer.message).toBe(`approved by bob at ${at(5)} (api)`)
  })
})

describe('refusals', () => {
  it('of what is no vote are kept without an answer to come back to', () => {
    const { state, answer, counted } = refuse(waiting(), 'UNVERIFIED', 'what is this')
    expect(answer).toEqual({ accepted: false, state: 'waiting', code: 'UNVERIFIED', message: 'what is this' })
    expect(counted).toBe(false)
    expect(state.answers).toEqual({})
    expect(refuse(state, 'UNVERIFIED', 'again', 'dec_1').state.answers).toHaveProperty('dec_1')
  })

  it('are kept up to a number, the newest last', () => {
    let state = waiting()
    for (let i = 0; i < MAX_REFUSALS + 10; i++) state = refuse(state, 'UNVERIFIED', `no ${i}`).state
    expect(state.refusals).toHaveLength(MAX_REFUSALS)
    expect(state.refusals.at(-1)?.message).toBe(`no ${MAX_REFUSALS + 9}`)
  })
})

it('names each role and person wanted once', () => {
  const stages = [
    { roles: ['finance'], people: ['cfo'], quorum: 1 },
    { roles: ['lead', 'finance'], people: [], quorum: 1 },
  ]
  expect(wanted(requirement({ stages }))).toEqual(['finance', 'cfo', 'lead'])
})
