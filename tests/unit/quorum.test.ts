import { describe, expect, it } from 'vitest'
import { ineligibility, judge } from '../../lib/quorum.ts'
import type { Requirement, Stage, Vote } from '../../schemas/run.ts'
import { at, requester, requirement, seededRandom, vote } from '../support/fixtures.ts'

const stage = (roles: string[], quorum = 1, people: string[] = []): Stage => ({ roles, people, quorum })
const inStages = (...stages: Stage[]): Requirement => requirement({ stages })
const by = (principal: string, over: Partial<Vote> = {}): Vote => vote({ principal, ...over })

function permutations<T>(values: readonly T[]): T[][] {
  if (values.length < 2) return [[...values]]
  return values.flatMap((value, index) =>
    permutations(values.filter((_other, other) => other !== index)).map((rest) => [value, ...rest]),
  )
}

describe('who may decide', () => {
  const asked = requester({ principal: 'bot', kind: 'agent', onBehalfOf: ['carol', 'dave'] })

  it.each<[string, Partial<Requirement>, Partial<Vote>, ReturnType<typeof ineligibility>]>([
    ['a person with the role', {}, {}, null],
    ['a person who is named', { stages: [stage([], 1, ['alice'])] }, { principal: 'alice', roles: [] }, null],
    ['a person of a later stage', { stages: [stage(['lead']), stage(['finance'])] }, {}, null],
    ['a person without the role', {}, { roles: ['sales'] }, 'NOT_ELIGIBLE'],
    ['a person without any role', {}, { roles: [] }, 'NOT_ELIGIBLE'],
    ['a service', {}, { kind: 'service' }, 'NOT_ELIGIBLE'],
    ['an agent', {}, { kind: 'agent' }, 'NOT_ELIGIBLE'],
    ['an agent where one may approve oneself', { selfApproval: true }, { kind: 'agent' }, 'NOT_ELIGIBLE'],
    ['somebody’s word', {}, { method: 'asserted' }, null],
    [
      'somebody’s word where it does not do',
      { identity: 'verified' },
      { method: 'asserted' },
      'NOT_ELIGIBLE',
    ],
    ['a verified person where that is asked for', { identity: 'verified' }, {}, null],
    ['the requester', {}, { principal: 'bot' }, 'SELF_APPROVAL'],
    ['whoever the requester acts for', {}, { principal: 'carol' }, 'SELF_APPROVAL'],
    ['and whoever those act for', {}, { principal: 'dave' }, 'SELF_APPROVAL'],
    ['the requester, if allowed', { selfApproval: true }, { principal: 'carol' }, null],
    [
      'the requester, allowed but without the role',
      { selfApproval: true },
      { principal: 'carol', roles: [] },
      'NOT_ELIGIBLE',
    ],
  ])('%s', (_who, rule, voter, expected) => {
    expect(ineligibility(requirement(rule), asked, vote(voter))).toBe(expected)
  })
})

describe('a judgement', () => {
  it('waits for the first vote', () => {
    expect(judge(requirement(), requester(), [])).toEqual({ state: 'waiting', stage: 0, missing: 1 })
  })

  it('counts distinct people until there are enough', () => {
    const two = inStages(stage(['finance'], 2))
    const alice = by('alice', { at: at(1) })
    expect(judge(two, requester(), [alice])).toEqual({ state: 'waiting', stage: 0, missing: 1 })
    const twice = [alice, by('alice', { at: at(2) })]
    expect(judge(two, requester(), twice)).toMatchObject({ state: 'waiting', missing: 1 })
    expect(judge(two, requester(), [...twice, by('bob', { at: at(3) })])).toEqual({
      state: 'approved',
      lastVoteAt: at(3),
    })
  })

  it('does not count those who may not decide, not even their rejection', () => {
    const votes = [
      by('mallory', { roles: [], verdict: 'reject' }),
      by('connection/billing', { verdict: 'reject' }),
    ]
    expect(judge(requirement(), requester(), votes)).toMatchObject({ state: 'waiting' })
    expect(judge(requirement(), requester(), [...votes, by('alice')])).toMatchObject({ state: 'approved' })
  })

  it('takes a person’s first word', () => {
    const changedMind = [by('alice'), by('alice', { verdict: 'reject' })]
    expect(judge(requirement(), requester(), changedMind)).toMatchObject({ state: 'approved' })
    expect(judge(requirement(), requester(), changedMind.toReversed())).toMatchObject({ state: 'rejected' })
  })

  it('ends with any rejection, even after enough approvals', () => {
    const rejection = by('bob', { verdict: 'reject' })
    expect(judge(requirement(), requester(), [by('alice'), rejection])).toEqual({
      state: 'rejected',
      by: rejection,
    })
  })

  it('goes on past a rejection where that does not end it', () => {
    const lenient = requirement({ anyRejectEnds: false })
    const rejection = by('bob', { verdict: 'reject' })
    expect(judge(lenient, requester(), [rejection])).toEqual({ state: 'waiting', stage: 0, missing: 1 })
    expect(judge(lenient, requester(), [rejection, by('alice')])).toMatchObject({ state: 'approved' })
  })

  it('is dated by the vote that made it complete, in whatever order they are given', () => {
    const two = inStages(stage(['finance'], 2))
    const votes = [by('alice', { at: at(2) }), by('bob', { at: at(1) }), by('carol', { at: at(50) })]
    expect(judge(two, requester(), votes)).toEqual({ state: 'approved', lastVoteAt: at(2) })
  })

  it('never approves on its own, whatever a requirement says', () => {
    expect(judge(inStages(), requester(), [])).toMatchObject({ state: 'waiting' })
    expect(judge(inStages(), requester(), [by('alice')])).toMatchObject({ state: 'waiting' })
    expect(judge(inStages(stage(['finance'], 0)), requester(), [])).toMatchObject({ state: 'waiting' })
  })
})

describe('stages', () => {
  const twoPairs = inStages(stage(['finance']), stage(['lead']))
  const both = by('alice', { roles: ['finance', 'lead'] })
  const finance = by('bob')

  it('are met in order', () => {
    expect(judge(twoPairs, requester(), [])).toEqual({ state: 'waiting', stage: 0, missing: 1 })
    expect(judge(twoPairs, requester(), [finance])).toEqual({ state: 'waiting', stage: 1, missing: 1 })
    const lead = by('carol', { roles: ['lead'] })
    expect(judge(twoPairs, requester(), [lead])).toEqual({ state: 'waiting', stage: 0, missing: 1 })
    expect(judge(twoPairs, requester(), [lead, finance])).toMatchObject({ state: 'approved' })
  })

  it('want different people', () => {
    expect(judge(twoPairs, requester(), [both])).toEqual({ state: 'waiting', stage: 1, missing: 1 })
  })

  it('do not depend on who of those that fit came first', () => {
    for (const votes of permutations([both, finance])) {
      expect(judge(twoPairs, requester(), votes)).toMatchObject({ state: 'approved' })
    }
  })

  it('move several people along if that helps', () => {
    const chain = inStages(stage(['a'], 2), stage(['b']), stage(['c']))
    const votes = [
      by('one', { roles: ['a', 'b'] }),
      by('two', { roles: ['a', 'c'] }),
      by('three', { roles: ['a'] }),
      by('four', { roles: ['a'] }),
    ]
    for (const order of permutations(votes)) {
      expect(judge(chain, requester(), order)).toMatchObject({ state: 'approved' })
      expect(judge(chain, requester(), order.slice(0, 3))).toMatchObject({ state: 'waiting' })
    }
  })

  it('give the same answer in every order, and no vote takes an approval away', () => {
    const random = seededRandom(20261001)
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
    const roles = ['a', 'b', 'c']
    for (let round = 0; round < 300; round++) {
      const wanted = Array.from({ length: 1 + Math.floor(random() * 3) }, () =>
        stage([pick(roles), pick(roles)], 1 + Math.floor(random() * 2)),
      )
      const votes = Array.from({ length: 4 }, (_, i) => by(`p${i}`, { roles: [pick(roles), pick(roles)] }))
      const states = permutations(votes).map((order) => judge(inStages(...wanted), requester(), order))
      const words = states.map((judgement) =>
        judgement.state === 'waiting' ? `${judgement.stage}/${judgement.missing}` : judgement.state,
      )
      expect(new Set(words).size, JSON.stringify({ round, wanted, votes })).toBe(1)
      expect(words[0] === 'approved').toBe(isSatisfiable(wanted, votes))
    }
  })
})

/** The slow and obvious way: try every assignment. */
function isSatisfiable(stages: Stage[], votes: Vote[]): boolean {
  const seats = stages.flatMap((wanted) => Array<Stage>(wanted.quorum).fill(wanted))
  return permutations([0, 1, 2, 3]).some((order) =>
    seats.every((seat, index) => votes[order[index] ?? -1]?.roles.some((role) => seat.roles.includes(role))),
  )
}
