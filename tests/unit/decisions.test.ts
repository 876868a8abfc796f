import { beforeAll, describe, expect, it } from 'vitest'
import {
  openDecision,
  standingJudgement,
  toVote,
  votesOf,
  whyUnverified,
  type Trust,
} from '../../activities/decisions.ts'
import { upsertPrincipal } from '../../db/queries/principals.ts'
import { signEnvelope } from '../../lib/dsse.ts'
import { DECISION_PAYLOAD_TYPE, type Decision } from '../../schemas/decision.ts'
import type { Envelope, Vote } from '../../schemas/run.ts'
import { useTestDatabase } from '../support/database.ts'
import {
  at,
  decision,
  DIGEST,
  makeKeys,
  NOON_MS,
  ORGANIZATION,
  OTHER_DIGEST,
  requester,
  requirement,
  signedDecision,
  vote,
  WRITEBACK_ID,
} from '../support/fixtures.ts'

const keys = makeKeys()
const verified: Trust = { keys: keys.trusted, identity: 'verified' }
const asserted: Trust = { keys: keys.trusted, identity: 'asserted' }
const sign = (over: Partial<Decision> = {}, key = keys.decision): Envelope =>
  signedDecision(decision(over), key)

describe('a signed decision', () => {
  it('is opened if the door signed it', () => {
    const document = decision()
    expect(openDecision(signedDecision(document, keys.decision), verified, NOON_MS)).toEqual(document)
    expect(openDecision(signedDecision(document, keys.decision), asserted, NOON_MS)).toEqual(document)
  })

  it.each<[string, Envelope]>([
    ['by a stranger', sign({}, makeKeys().decision)],
    ['by the worker', sign({}, keys.receipt)],
    ['as another kind of document', signEnvelope('application/json', decision(), keys.decision)],
    [
      'but is of another form',
      signEnvelope(DECISION_PAYLOAD_TYPE, { ...decision(), more: 1 }, keys.decision),
    ],
    ['but has no digest', signEnvelope(DECISION_PAYLOAD_TYPE, decision({ digest: '' }), keys.decision)],
    ['but has an id of another form', sign({ decisionId: 'constructor' })],
    ['but its time does not sort', sign({ at: '2026-10-01T12:00:00Z' })],
    ['but its time is no time', sign({ at: 'soon' })],
  ])('is none if it is signed %s', (_how, envelope) => {
    expect(openDecision(envelope, verified, NOON_MS)).toBeNull()
    expect(openDecision(envelope, asserted, NOON_MS)).toBeNull()
  })

  it('is none with the key of a door that was retired, whatever its date', () => {
    const retired = keys.trusted.map((key) => ({ ...key, retiredAt: at(60) }))
    const trust: Trust = { keys: retired, identity: 'verified' }
    for (const minutes of [0, 120]) expect(openDecision(sign({ at: at(minutes) }), trust, NOON_MS)).toBeNull()
    expect(whyUnverified(sign(), trust)).toContain(`was retired at ${at(60)}`)
  })

  it('is none that is dated more than a minute ahead of our clock', () => {
    expect(openDecision(sign({ at: at(1) }), verified, NOON_MS)).not.toBeNull()
    expect(openDecision(sign({ at: at(2) }), verified, NOON_MS)).toBeNull()
  })

  it('is none if the envelope was changed', () => {
    const envelope = sign()
    const payload = Buffer.from(JSON.stringify(decision({ verdict: 'reject' }))).toString('base64')
    expect(openDecision({ ...envelope, payload }, verified, NOON_MS)).toBeNull()
  })
})

describe('somebody’s word', () => {
  const word = sign({ method: 'asserted', channel: 'signal' }, keys.receipt)

  it('counts only where the deployment takes people at theirs', () => {
    expect(openDecision(word, verified, NOON_MS)).toBeNull()
    expect(openDecision(word, asserted, NOON_MS)).toMatchObject({ method: 'asserted' })
  })

  it('never counts as verified, nor a verified decision as a word', () => {
    expect(openDecision(sign({ method: 'api_key' }, keys.receipt), asserted, NOON_MS)).toBeNull()
    expect(openDecision(sign({ method: 'asserted' }, keys.decision), asserted, NOON_MS)).toBeNull()
  })
})

describe('votes', () => {
  const db = useTestDatabase()
  const about = { organization: ORGANIZATION, writebackId: WRITEBACK_ID, digest: DIGEST }
  const votes = async (...envelopes: Envelope[]): Promise<Vote[]> =>
    (
      await votesOf({ database: db.database, trust: verified, nowMs: () => Date.now() }, about, envelopes)
    ).map((cast) => cast.vote)
  const person = (id: string, roles: string[], organization = ORGANIZATION): Promise<void> =>
    upsertPrincipal(db.database, { organization, id, kind: 'person', displayName: id, roles })

  beforeAll(async () => {
    await person('alice@example.org', ['finance'])
    await person('bob@example.org', ['lead', 'finance'])
    await person('rita@rival.example', ['finance'], 'rival')
  })

  it('are those about exactly this write, in the order in which they were cast', async () => {
    const late = decision({ principal: 'bob@example.org', at: at(5), comment: 'fine' })
    const early = decision({ at: at(1) })
    const cast = await votes(signedDecision(late, keys.decision), signedDecision(early, keys.decision))
    expect(cast).toEqual([
      toVote(early, { id: 'alice@example.org', kind: 'person', display_name: 'x', roles: ['finance'] }),
      toVote(late, { id: 'bob@example.org', kind: 'person', display_name: 'x', roles: ['finance', 'lead'] }),
    ])
  })

  it.each<[string, Envelope]>([
    ['another organization', sign({ organization: 'rival' })],
    ['another write', sign({ writebackId: 'wb_other' })],
    ['other content', sign({ digest: OTHER_DIGEST })],
    ['nobody we know', sign({ principal: 'nobody@example.org' })],
    ['a person of another organization', sign({ principal: 'rita@rival.example' })],
    ['a stranger’s key', sign({}, makeKeys().decision)],
  ])('do not come from or about %s', async (_what, envelope) => {
    expect(await votes(envelope)).toEqual([])
    expect(await votes(envelope, sign())).toHaveLength(1)
  })

  it('have the roles of now, not those of the ticket', async () => {
    await person('carol@example.org', ['finance'])
    const ticket = sign({ principal: 'carol@example.org', roles: ['finance'] })
    expect(await votes(ticket)).toMatchObject([{ roles: ['finance'] }])
    await person('carol@example.org', [])
    expect(await votes(ticket)).toMatchObject([{ principal: 'carol@example.org', roles: [] }])
  })

  it('have the kind of now', async () => {
    const turned = {
      organization: ORGANIZATION,
      id: 'erin@example.org',
      displayName: 'e',
      roles: ['finance'],
    }
    await upsertPrincipal(db.database, { ...turned, kind: 'agent' })
    expect(await votes(sign({ principal: 'erin@example.org' }))).toMatchObject([{ kind: 'agent' }])
  })

  it('of a person who is disabled are none', async () => {
    await person('dan@example.org', ['finance'])
    const ticket = sign({ principal: 'dan@example.org' })
    expect(await votes(ticket)).toHaveLength(1)
    await db.database.query(`update principals set disabled_at = now() where id = 'dan@example.org'`)
    expect(await votes(ticket)).toEqual([])
  })

  it('come once, however often the decision is handed in', async () => {
    const ticket = sign()
    expect(await votes(ticket, ticket)).toHaveLength(1)
  })

  it('cannot be replaced by a later envelope with the same decision id', async () => {
    const recorded = decision({ verdict: 'reject' })
    const handedIn = decision({ ...recorded, verdict: 'approve' })
    const cast = await votes(signedDecision(recorded, keys.decision), signedDecision(handedIn, keys.decision))
    expect(cast).toMatchObject([{ verdict: 'reject' }])
  })
})

describe('the judgement that stands', () => {
  const hour = requirement({ validForMs: 60 * 60_000 })
  const two = requirement({ ...hour, stages: [{ roles: ['finance'], people: [], quorum: 2 }] })
  const by = (principal: string, minutes: number, over: Partial<Vote> = {}): Vote =>
    vote({ principal, at: at(minutes), ...over })
  const stand = (rule: typeof hour, votes: Vote[], minutes: number) =>
    standingJudgement(rule, requester(), votes, NOON_MS + minutes * 60_000)

  it('is an approval for as long as it is valid, to the millisecond', () => {
    const votes = [by('alice', 0)]
    expect(stand(hour, votes, 60).judgement).toEqual({ state: 'approved', lastVoteAt: at(0) })
    expect(standingJudgement(hour, requester(), votes, NOON_MS + 3_600_001)).toEqual({
      judgement: { state: 'waiting', stage: 0, missing: 1 },
      counted: [],
    })
  })

  it('counts from the vote that made it complete', () => {
    expect(stand(two, [by('alice', 0), by('bob', 50)], 100).judgement).toMatchObject({ state: 'approved' })
    expect(stand(two, [by('alice', 0), by('bob', 50)], 111).judgement).toMatchObject({
      state: 'waiting',
      missing: 2,
    })
  })

  it('does not let one late vote revive an approval that has lapsed', () => {
    const votes = [by('alice', 0), by('bob', 1), by('carol', 120)]
    const { judgement, counted } = stand(two, votes, 121)
    expect(judgement).toEqual({ state: 'waiting', stage: 0, missing: 1 })
    expect(counted).toEqual([votes[2]])
  })

  it('is a new approval once enough people have said so again', () => {
    const votes = [
      by('alice', 0),
      by('bob', 1),
      by('carol', 120),
      by('alice', 125, { decisionId: 'dec_again' }),
    ]
    const { judgement, counted } = stand(two, votes, 130)
    expect(judgement).toEqual({ state: 'approved', lastVoteAt: at(125) })
    expect(counted.map(({ principal }) => principal)).toEqual(['carol', 'alice'])
    expect(stand(two, votes, 200).counted).toEqual([])
  })

  it('remains a rejection, however old', () => {
    expect(stand(hour, [by('alice', 0), by('bob', 1, { verdict: 'reject' })], 10_000).judgement.state).toBe(
      'rejected',
    )
  })

  it('of votes that do not count is to wait, and ends even for a requirement that asks for nobody', () => {
    expect(stand(hour, [by('mallory', 0, { roles: [] })], 1).judgement.state).toBe('waiting')
    expect(stand(requirement({ stages: [] }), [by('alice', 0)], 1).judgement.state).toBe('waiting')
  })
})
