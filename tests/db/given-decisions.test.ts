/** Decisions that are kept before anybody has judged them: what of them counts at the door, and what does not. */
import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { judgeWrite } from '../../activities/authorise.ts'
import type { DoorDeps } from '../../activities/door.ts'
import { insertDecision, keepGivenDecision, listDecisions } from '../../db/queries/approvals.ts'
import { insertPlannedWriteback, findWriteback, type WritebackRow } from '../../db/queries/writebacks.ts'
import type { Decision } from '../../schemas/decision.ts'
import type { Requirement } from '../../schemas/run.ts'
import { useTestDatabase } from '../support/database.ts'
import {
  at,
  decision,
  makeKeys,
  newWriteback,
  NOON_MS,
  ORGANIZATION,
  requirement,
  signedDecision,
} from '../support/fixtures.ts'

const db = useTestDatabase()
const keys = makeKeys()
const PEOPLE = ['ann@example.org', 'bob@example.org', 'cid@example.org']

const deps = (): DoorDeps =>
  ({
    database: db.database,
    trust: { keys: keys.trusted, identity: 'verified' },
    signingKey: keys.receipt,
    nowMs: () => NOON_MS + 60_000,
  }) as unknown as DoorDeps

let row: WritebackRow

beforeEach(async () => {
  for (const id of PEOPLE)
    await db.database.query(
      `insert into principals (organization, id, kind, display_name) values ($1, $2, 'person', $2) on conflict do nothing`,
      [ORGANIZATION, id],
    )
  for (const id of PEOPLE.slice(0, 2))
    await db.database.query(
      `insert into roles (organization, principal, role) values ($1, $2, 'finance') on conflict do nothing`,
      [ORGANIZATION, id],
    )
  const planned = newWriteback()
  await insertPlannedWriteback(db.database, planned)
  const found = await findWriteback(db.database, { ...planned, writebackId: planned.origin.writebackId })
  if (!found) throw new Error('it was not planned')
  row = found
})

function signed(principal: string, verdict: Decision['verdict'], minute = 0) {
  const { writeback_id: writebackId, digest } = row
  const document = decision({ writebackId, digest, principal, verdict, at: at(minute) })
  const { decisionId, organization } = document
  const envelope = signedDecision(document, keys.decision)
  return { decisionId, organization, writebackId, principal, verdict, envelope }
}

const judged = async (over: Partial<Requirement> = {}) =>
  judgeWrite(
    deps(),
    row,
    requirement({ stages: [{ roles: ['finance'], people: [], quorum: 1 }], ...over }),
    [],
  )

describe('what was given and nobody has recorded', () => {
  it('lets nothing pass', async () => {
    await keepGivenDecision(db.database, signed('ann@example.org', 'approve'))
    expect((await judged()).judgement.state).toBe('waiting')
    expect(
      await listDecisions(db.database, { organization: ORGANIZATION, writebackId: row.writeback_id }),
    ).toEqual([])
  })

  it('holds what others have approved, if one who may reject has rejected it', async () => {
    await insertDecision(db.database, signed('bob@example.org', 'approve'))
    expect((await judged()).judgement.state).toBe('approved')
    await keepGivenDecision(db.database, signed('cid@example.org', 'reject', 1))
    expect(await judged()).toMatchObject({ judgement: { state: 'approved' }, counted: [{}] })
    await keepGivenDecision(db.database, signed('ann@example.org', 'reject', 1))
    expect((await judged({ anyRejectEnds: false })).judgement.state).toBe('approved')
    expect((await judged()).judgement).toMatchObject({
      state: 'rejected',
      by: { principal: 'ann@example.org' },
    })
  })

  it('is looked at once for each person, however many there are', async () => {
    for (let i = 0; i < 5; i++)
      await keepGivenDecision(db.database, signed('ann@example.org', 'reject', i / 10))
    await keepGivenDecision(db.database, signed('cid@example.org', 'reject'))
    const { vetoes, judgement } = await judged()
    expect([vetoes.length, judgement.state]).toEqual([2, 'rejected'])
  })
})

describe('one id', () => {
  it('keeps what came first, until something is recorded', async () => {
    const first = signed('ann@example.org', 'approve')
    const later = { ...signed('ann@example.org', 'approve', 1), decisionId: first.decisionId }
    const { envelope, verdict } = first
    expect(await keepGivenDecision(db.database, first)).toEqual({ envelope, verdict })
    expect(await keepGivenDecision(db.database, later)).toEqual({ envelope, verdict })
    expect(await insertDecision(db.database, later)).toBe(true)
    expect(await insertDecision(db.database, first)).toBe(true)
    const about = { organization: ORGANIZATION, writebackId: row.writeback_id }
    expect(await listDecisions(db.database, about)).toEqual([later.envelope])
  })

  it('is one verdict, of one person, about one write', async () => {
    const given = signed('ann@example.org', 'reject')
    await keepGivenDecision(db.database, given)
    for (const other of [
      { verdict: 'approve' as const },
      { principal: 'bob@example.org' },
      { writebackId: `wb_${randomUUID()}.x.1` },
    ])
      expect(await insertDecision(db.database, { ...given, ...other })).toBe(false)
    expect((await judged()).judgement.state).toBe('rejected')
  })
})
