/** The ledger in use: an outcome and its receipt come together, and what was sent once is never called undone. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { DoorDeps, Passage } from '../../activities/door.ts'
import type { Answer, Executor, Sending } from '../../activities/executors/executor.ts'
import { abandonWriteback } from '../../activities/abandon.ts'
import { closePlanned, closeSending, requireWriteback } from '../../activities/ledger.ts'
import { signClaim } from '../../activities/claims.ts'
import { recallClaim } from '../../activities/recall.ts'
import { concludeUnknown, sendWrite } from '../../activities/sending.ts'
import { signPlan } from '../../activities/signed-rows.ts'
import {
  claimSending,
  findWriteback,
  insertPlannedWriteback,
  type WritebackRow,
} from '../../db/queries/writebacks.ts'
import { readUnopened, signEnvelope } from '../../lib/dsse.ts'
import { Stopwatch } from '../../lib/stopwatch.ts'
import type { SendWindow } from '../../lib/send-window.ts'
import { verifyReceipts } from '../../lib/receipts.ts'
import { CLAIM_PAYLOAD_TYPE } from '../../schemas/claim.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { Envelope } from '../../schemas/run.ts'
import { useTestDatabase } from '../support/database.ts'
import { readChain } from '../support/receipt-chain.ts'
import { BY_NOTHING, makeKeys, newWriteback, ORGANIZATION, requirement } from '../support/fixtures.ts'

const db = useTestDatabase()
const keys = makeKeys()
const AUTHORISED = {
  facts: { rule: 'money/waivers', decisions: ['dec_1'] },
  lapsesAtMs: Infinity,
  // Each time that it is used, just now.
  get sinceJudged() {
    return new Stopwatch()
  },
}
let deps: Pick<DoorDeps, 'database' | 'signingKey' | 'nowMs'> & DoorDeps

beforeAll(() => {
  const none = {} as Executor
  deps = {
    database: db.database,
    executors: { mcp: none, postgres: none },
    trust: { keys: keys.trusted, identity: 'verified' },
    signingKey: keys.receipt,
    nowMs: Date.now,
    warn: () => undefined,
  }
})

async function planned(over: Parameters<typeof newWriteback>[0] = {}): Promise<WritebackRow> {
  const row = newWriteback(over)
  await insertPlannedWriteback(db.database, { ...row, signedPlan: signPlan(deps, row) })
  return now(row.origin.writebackId)
}
const now = (writebackId: string): Promise<WritebackRow> => requireWriteback(deps, ORGANIZATION, writebackId)

const { signal } = new AbortController()
const witness = {
  said: undefined,
  tell: async () => undefined,
  tellLost: async () => undefined,
  isCancelAsked: async () => false,
}

/** Of a write on its way, what does not depend on how it goes. */
const UNDER_WAY = {
  operation: {},
  call: { origin: { writebackId: 'wb_test' } },
  origin: { runWorkflowId: 'run/acme/test' },
  resolved: { destination: null },
  timeoutMs: 1_000,
  frozenReason: null,
  judgedBy: BY_NOTHING,
  signal,
  witness,
}

/** A call on its way, to a target that answers as told. `timeoutMs` is below zero for one that is over at once. */
function passageTo(answer: Answer | typeof notSent, timeoutMs = 1_000): Passage {
  const apply = async (_operation: unknown, { window }: Sending): Promise<Answer> => {
    if (typeof answer === 'function') return answer(window)
    if (answer.kind === 'answered') window.pass()
    return answer
  }
  const executor = { apply, how: 'answered' }
  return { ...UNDER_WAY, executor, timeoutMs } as unknown as Passage
}

const APPLIED: Answer = { kind: 'answered', status: 'applied', output: { fee: '0' } }
const LOST: Answer = { kind: 'lost', error: new CodedError('CALL_INTERRUPTED', 'gone'), isAnswered: false }
const AWAY = new CodedError('CONNECTION_NOT_READY', 'away')
function notSent(window: SendWindow, error = AWAY): Answer {
  const unsent = window.giveUp(error)
  return unsent ? { kind: 'not_sent', unsent } : LOST
}
/** The ledger adds 1.5 s to this, which makes a deadline that has passed. */
const OVER = -2_000

async function receiptsOf(row: WritebackRow): Promise<number> {
  const params = { organization: ORGANIZATION, runId: row.run_id }
  const { receipts, head } = await readChain(db.database, params)
  const envelopes = receipts.map(({ envelope }) => envelope)
  expect(verifyReceipts(envelopes, keys.trusted, head ?? undefined).problems).toEqual([])
  return envelopes.length
}

describe('sending', () => {
  it('ends in an outcome with a receipt that says who allowed it', async () => {
    const row = await planned()
    const outcome = await sendWrite(deps, passageTo(APPLIED), row, AUTHORISED)
    expect(outcome).toMatchObject({ status: 'applied', output: { fee: '0' }, receipt: { seq: 1 } })
    expect(await now(row.writeback_id)).toMatchObject({ state: 'applied', outcome, attempt: 1 })
    const [receipt] = (await readChain(db.database, { organization: ORGANIZATION, runId: row.run_id }))
      .receipts
    const statement = JSON.parse(Buffer.from(receipt?.envelope.payload ?? '', 'base64').toString()) as object
    expect(statement).toMatchObject({ predicate: { status: 'applied', attempt: 1, ...AUTHORISED.facts } })
    expect(JSON.stringify(statement)).not.toContain('"fee"')
  })

  it('is done by one of several who have seen the same row', async () => {
    const row = await planned()
    let sent = 0
    const executor = {
      how: 'answered',
      apply: async (_operation: unknown, { window }: Sending) => (window.pass(), sent++, APPLIED),
    }
    const passage = { ...UNDER_WAY, executor } as unknown as Passage
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => sendWrite(deps, passage, row, AUTHORISED)),
    )
    expect(sent).toBe(1)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'WRITE_IN_PROGRESS' })
    }
    expect(await receiptsOf(row)).toBe(1)
  })

  it.each(['retired', 'known to nobody'])('is not begun with a key that is %s', async (how) => {
    const row = await planned()
    const others = makeKeys()
    const retired = keys.trusted.map((key) => ({ ...key, retiredAt: new Date().toISOString() }))
    const known = how === 'retired' ? [...retired, ...others.trusted] : others.trusted
    const strange = { ...deps, trust: { ...deps.trust, keys: known } }
    let isCalled = false
    const passage = passageTo((window) => {
      isCalled = true
      return notSent(window)
    })
    await expect(sendWrite(strange, passage, row, AUTHORISED)).rejects.toMatchObject({
      code: 'WRITE_NOT_SENT',
    })
    expect(isCalled).toBe(false)
    expect(await now(row.writeback_id)).toMatchObject({ state: 'planned', attempt: 0 })
  })

  it('that surely did not happen leaves the write planned', async () => {
    const row = await planned()
    await expect(sendWrite(deps, passageTo(notSent), row, AUTHORISED)).rejects.toBe(AWAY)
    expect(await now(row.writeback_id)).toMatchObject({ state: 'planned', attempt: 1 })
    expect(await receiptsOf(row)).toBe(0)
  })

  it.each([
    ['operator', 'CALL_THROTTLED', 'planned', 0],
    ['operator', 'CALL_REFUSED', 'failed', 1],
    ['receipt', 'WRITE_NOT_SENT', 'planned', 0],
    ['receipt', 'WRITE_FAILED', 'failed', 1],
  ] as const)(
    'that was not done, by the word of the %s, with %s leaves the write %s',
    async (by, code, state, receipts) => {
      const row = await planned()
      const notDone: Answer = { kind: 'not_done', by, error: new CodedError(code, 'no') }
      const outcome = await sendWrite(deps, passageTo(notDone), row, AUTHORISED).catch(
        (error: CodedError) => error.code,
      )
      expect(outcome).toEqual(
        state === 'planned' ? code : expect.objectContaining({ status: 'failed', code }),
      )
      expect(outcome).not.toHaveProperty('mayHaveChanged')
      expect(await now(row.writeback_id)).toMatchObject({ state })
      expect(await receiptsOf(row)).toBe(receipts)
    },
  )

  it('that was refused, or not sent for good, after one whose answer was lost says nothing about that one', async () => {
    const row = await planned()
    await sendWrite(deps, passageTo(LOST, OVER), row, AUTHORISED).catch(() => undefined)
    const lost = await now(row.writeback_id)
    const refused = new CodedError('CREDENTIALS_REFUSED', 'no')
    const unsent = (window: SendWindow): Answer => notSent(window, refused)
    await expect(sendWrite(deps, passageTo(unsent, OVER), lost, AUTHORISED)).rejects.toBe(refused)
    const again = await now(row.writeback_id)
    const notDone: Answer = { kind: 'not_done', by: 'operator', error: refused }
    await expect(sendWrite(deps, passageTo(notDone, OVER), again, AUTHORISED)).rejects.toBe(refused)
    const after = await now(row.writeback_id)
    expect(after).toMatchObject({ state: 'sending', attempt: 3 })
    const byReceipt: Answer = { kind: 'not_done', by: 'receipt', error: refused }
    expect(await sendWrite(deps, passageTo(byReceipt), after, AUTHORISED)).toMatchObject({ status: 'failed' })
  })

  it('that fails says whether something may have changed, always after one whose answer was lost', async () => {
    const failed: Answer = {
      kind: 'answered',
      status: 'failed',
      code: 'TOOL_FAILED',
      message: 'no',
      output: null,
      mayHaveChanged: false,
    }
    const fresh = await planned()
    const outcome = await sendWrite(deps, passageTo(failed), fresh, AUTHORISED)
    expect(outcome).not.toHaveProperty('mayHaveChanged')
    const row = await planned()
    await sendWrite(deps, passageTo(LOST, OVER), row, AUTHORISED).catch(() => undefined)
    const lost = await now(row.writeback_id)
    expect(await sendWrite(deps, passageTo(failed), lost, AUTHORISED)).toMatchObject({
      status: 'failed',
      mayHaveChanged: true,
    })
  })

  it('that is refused on our own side says nothing of how that is known; what a target has said does', async () => {
    const howOf = async (answer: (window: SendWindow) => Answer): Promise<unknown> => {
      const row = await planned()
      await sendWrite(deps, passageTo(answer), row, AUTHORISED)
      const [receipt] = (await readChain(db.database, { organization: ORGANIZATION, runId: row.run_id }))
        .receipts
      const text = Buffer.from(receipt?.envelope.payload ?? '', 'base64').toString()
      return (JSON.parse(text) as { predicate: unknown }).predicate
    }
    const refused = new CodedError('CALL_REFUSED', 'no')
    expect(await howOf((window) => notSent(window, refused))).toMatchObject({ status: 'failed', how: null })
    const notDone: Answer = { kind: 'not_done', by: 'operator', error: refused }
    expect(await howOf((window) => (window.pass(), notDone))).toMatchObject({
      status: 'failed',
      how: 'answered',
    })
  })

  it('by an executor that does not look at the clocks is noticed', async () => {
    const passage = { ...passageTo(APPLIED), executor: { apply: async () => APPLIED } } as unknown as Passage
    await expect(sendWrite(deps, passage, await planned(), AUTHORISED)).rejects.toThrow(
      'not passed the window',
    )
  })

  it('whose answer is lost leaves it in sending, and says when to look again', async () => {
    const row = await planned()
    await expect(sendWrite(deps, passageTo(LOST), row, AUTHORISED)).rejects.toMatchObject({
      code: 'WRITE_IN_PROGRESS',
      nextRetryDelayMs: expect.any(Number) as number,
    })
    expect(await now(row.writeback_id)).toMatchObject({ state: 'sending', attempt: 1 })
  })

  it('that fails to start after one whose answer was lost does not make the write planned again', async () => {
    const row = await planned()
    await sendWrite(deps, passageTo(LOST, OVER), row, AUTHORISED).catch(() => undefined)
    const lost = await now(row.writeback_id)
    await expect(sendWrite(deps, passageTo(notSent, OVER), lost, AUTHORISED)).rejects.toThrow('away')
    const after = await now(row.writeback_id)
    expect(after).toMatchObject({ state: 'sending', attempt: 2 })
    const params = {
      organization: ORGANIZATION,
      writebackId: row.writeback_id,
      because: 'withdrawn' as const,
    }
    expect(await abandonWriteback(deps, params)).toEqual({ kind: 'under_way' })
    expect(await sendWrite(deps, passageTo(APPLIED), after, AUTHORISED)).toMatchObject({ status: 'applied' })
  })

  it('can end in not knowing, said by the attempt that has it', async () => {
    const row = await planned()
    await sendWrite(deps, passageTo(LOST, OVER), row, AUTHORISED).catch(() => undefined)
    const outcome = await concludeUnknown(deps, await now(row.writeback_id), 'look at the target')
    expect(outcome).toMatchObject({
      status: 'unknown',
      code: 'OUTCOME_UNKNOWN',
      message: 'look at the target',
    })
    expect(await receiptsOf(row)).toBe(1)
  })
})

describe('an end', () => {
  it('is one, with one receipt, however many would say it', async () => {
    const row = await planned()
    const ends = await Promise.all(
      (['refused', 'withdrawn', 'expired', 'rejected'] as const).map((status) =>
        closePlanned(deps, row, { status }),
      ),
    )
    expect(new Set(ends.map(({ status }) => status)).size).toBe(1)
    expect(new Set(ends.map(({ receipt }) => receipt.id)).size).toBe(1)
    expect(await receiptsOf(row)).toBe(1)
  })

  it('of an attempt that was overtaken is not recorded, and leaves no receipt', async () => {
    const row = await planned()
    const { writeback_id: writebackId } = row
    await claimSending(db.database, { writebackId, seenAttempt: 0, timeoutMs: -1_000, judgedBy: BY_NOTHING })
    await claimSending(db.database, { writebackId, seenAttempt: 1, timeoutMs: 60_000, judgedBy: BY_NOTHING })
    await expect(closeSending(deps, { ...row, attempt: 1 }, { status: 'unknown' })).rejects.toMatchObject({
      code: 'WRITE_IN_PROGRESS',
    })
    await expect(closePlanned(deps, row, { status: 'withdrawn' })).rejects.toMatchObject({
      code: 'WRITE_IN_PROGRESS',
    })
    expect(await receiptsOf(row)).toBe(0)
    const outcome = await closeSending(deps, { ...row, attempt: 2 }, { status: 'applied', how: 'answered' })
    expect(await closeSending(deps, { ...row, attempt: 1 }, { status: 'unknown' })).toEqual(outcome)
    expect(await receiptsOf(row)).toBe(1)
  })
})

describe('giving a write up', () => {
  const abandon = (writebackId: string, because: 'expired' | 'withdrawn', nowMs = Date.now()) =>
    abandonWriteback({ ...deps, nowMs: () => nowMs }, { organization: ORGANIZATION, writebackId, because })

  it('ends it as withdrawn', async () => {
    const row = await planned()
    const given = await abandon(row.writeback_id, 'withdrawn')
    expect(given).toMatchObject({ kind: 'ended', outcome: { status: 'withdrawn', code: 'WITHDRAWN' } })
    expect(await abandon(row.writeback_id, 'withdrawn')).toEqual(given)
    expect(await receiptsOf(row)).toBe(1)
  })

  it('repeats a code of the table, and nothing else that a workflow says', async () => {
    const says = async (failedWith: string): Promise<unknown> => {
      const { organization, writeback_id: writebackId } = await planned()
      return abandonWriteback(deps, { organization, writebackId, because: 'withdrawn', failedWith })
    }
    expect(await says('LIMIT_EXCEEDED')).toMatchObject({
      outcome: { message: 'what asked for it has failed with LIMIT_EXCEEDED, and it was never sent' },
    })
    expect(await says('approved by lena')).toMatchObject({
      outcome: { message: 'what asked for it has failed with STEP_FAILED, and it was never sent' },
    })
  })

  it('is expiry only if the time was really over', async () => {
    const hour = requirement({ expiresAfterMs: 3_600_000 })
    const [early, late, unasked] = [
      await planned({ requirement: hour }),
      await planned({ requirement: hour }),
      await planned(),
    ]
    const dueAtMs = (row: WritebackRow): number => Date.parse(row.created_at) + 3_600_000
    expect(await abandon(early.writeback_id, 'expired', dueAtMs(early) - 1)).toMatchObject({
      outcome: { status: 'withdrawn', message: 'the wait ended before its time was over' },
    })
    expect(await abandon(late.writeback_id, 'expired', dueAtMs(late) + 1)).toMatchObject({
      outcome: { status: 'expired', code: 'EXPIRED' },
    })
    expect(await abandon(unasked.writeback_id, 'expired', 9e14)).toMatchObject({
      outcome: { status: 'withdrawn' },
    })
  })

  it('does nothing to one that is under way, is over, or was never planned', async () => {
    const row = await planned()
    await claimSending(db.database, {
      writebackId: row.writeback_id,
      seenAttempt: 0,
      timeoutMs: 1_000,
      judgedBy: BY_NOTHING,
    })
    expect(await abandon(row.writeback_id, 'withdrawn')).toEqual({ kind: 'under_way' })
    const outcome = await closeSending(deps, { ...row, attempt: 1 }, { status: 'applied', how: 'answered' })
    expect(await abandon(row.writeback_id, 'withdrawn')).toEqual({ kind: 'ended', outcome })
    expect(await abandon('wb_none', 'withdrawn')).toEqual({ kind: 'never_planned' })
    await expect(now('wb_none')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('a claim that Temporal gives back', () => {
  const about = (row: WritebackRow) => ({ organization: ORGANIZATION, writebackId: row.writeback_id })

  /** Sent, and the ledger has gone back behind it: to nothing, or to the row before. */
  async function forgotten(what: 'claim' | 'row'): Promise<{ row: WritebackRow; claimed: WritebackRow }> {
    const row = await planned()
    await sendWrite(deps, passageTo(LOST), row, AUTHORISED).catch(() => undefined)
    const claimed = await now(row.writeback_id)
    await db.database.query(`delete from writebacks where writeback_id = $1`, [row.writeback_id])
    if (what === 'claim')
      await db.database.query(
        'insert into writebacks select w.* from jsonb_populate_record(null::writebacks, $1::jsonb) w',
        [JSON.stringify(row)],
      )
    return { row, claimed }
  }

  it.each(['claim', 'row'] as const)('brings back a lost %s, as it was', async (what) => {
    const { row, claimed } = await forgotten(what)
    const found = (await findWriteback(db.database, about(row))) ?? null
    expect(await recallClaim(deps, [{ claim: signClaim(deps, claimed) }], about(row), found)).toBe(true)
    const again = await now(row.writeback_id)
    expect(again).toMatchObject({ state: 'sending', attempt: 1, digest: row.digest, plan: row.plan })
    expect(await closeSending(deps, again, { status: 'applied', how: 'answered' })).toMatchObject({
      status: 'applied',
    })
  })

  /** The claim that the attempt has told, and the row as it has left it. */
  async function toldOf(answer: typeof notSent | Answer) {
    const row = await planned()
    const told: Envelope[] = []
    const passage = passageTo(answer)
    passage.witness = { ...passage.witness, tell: async (claim) => void told.push(claim) }
    await sendWrite(deps, passage, row, AUTHORISED).catch(() => undefined)
    return { claim: told[0]!, row: await now(row.writeback_id) }
  }
  const edit = async (row: WritebackRow, set: string): Promise<WritebackRow> => {
    await db.database.query(`update writebacks set ${set} where writeback_id = $1`, [row.writeback_id])
    return now(row.writeback_id)
  }

  it('is nothing to a ledger that knows as much, or in which a worker has given it up', async () => {
    for (const answer of [notSent, LOST]) {
      const { claim, row } = await toldOf(answer)
      expect(row).toMatchObject({ state: answer === LOST ? 'sending' : 'planned', attempt: 1 })
      expect(await recallClaim(deps, [{ claim }], about(row), row)).toBe(false)
      expect(await now(row.writeback_id)).toEqual(row)
    }
  })

  it.each(['attempt = 1', 'attempt = 2', 'attempt = 0'])(
    'counts more than a row that was made planned, with %s',
    async (attempt) => {
      const { claim, row } = await toldOf(LOST)
      const edited = await edit(row, `state = 'planned', deadline_at = null, ${attempt}`)
      expect(await recallClaim(deps, [{ claim }], about(row), edited)).toBe(true)
      expect(await now(row.writeback_id)).toMatchObject({ state: 'sending', attempt: 1 })
    },
  )

  it('is not given up with one before it, nor with one of another write', async () => {
    const { row: released } = await toldOf(notSent)
    const { row: other } = await toldOf(notSent)
    const told: Envelope[] = []
    const passage = passageTo(LOST)
    passage.witness = { ...passage.witness, tell: async (claim) => void told.push(claim) }
    await sendWrite(deps, passage, released, AUTHORISED).catch(() => undefined)
    for (const { signed_release: envelope } of [released, other]) {
      const edited = await edit(
        released,
        `state = 'planned', deadline_at = null, attempt = 1, signed_release = '${JSON.stringify(envelope)}'`,
      )
      expect(await recallClaim(deps, [{ claim: told[0] }], about(released), edited)).toBe(true)
    }
  })

  it.each(['planned', 'sending'])(
    'whose key was retired since ends a write that is %s as unknown',
    async (state) => {
      const { claim, row } = await toldOf(LOST)
      const edited = await edit(
        row,
        `state = '${state}', attempt = 0, deadline_at = ${state === 'planned' ? 'null' : `now() - interval '1 hour'`}`,
      )
      const isOld = ({ keyId }: { keyId: string }) => keyId === deps.signingKey.keyId
      const [newKeys, retiredAt] = [makeKeys(), new Date().toISOString()]
      const retired = keys.trusted.map((key) => (isOld(key) ? { ...key, retiredAt } : key))
      const trust = { ...deps.trust, keys: [...retired, ...newKeys.trusted] }
      const later = { ...deps, trust, signingKey: newKeys.receipt }
      expect(await recallClaim(later, [{ claim }], about(row), edited)).toBe(true)
      expect(await now(row.writeback_id)).toMatchObject({ state: 'unknown', attempt: 0 })
    },
  )

  it('is nothing if it is about another write, whoever has signed it, or no claim at all', async () => {
    const { row, claimed } = await forgotten('claim')
    const other = await planned()
    const otherwise = { ...claimed, writeback_id: other.writeback_id }
    const foreign = [signClaim(deps, otherwise), signClaim({ signingKey: makeKeys().receipt }, otherwise)]
    for (const claim of [...foreign, { claim: claimed }, 'claimed', undefined])
      expect(await recallClaim(deps, [{ claim }], about(row), await now(row.writeback_id))).toBe(false)
    expect(await now(row.writeback_id)).toMatchObject({ state: 'planned', attempt: 0 })
  })

  describe('that opens with no key', () => {
    const strange = { signingKey: makeKeys().receipt }
    const unreadable = signEnvelope(CLAIM_PAYLOAD_TYPE, 'of a later version', strange.signingKey)

    it.each(['readable', 'unreadable'])(
      'and is %s, ends a write that is planned as unknown',
      async (what) => {
        const { row, claimed } = await forgotten('claim')
        const claim = what === 'readable' ? signClaim(strange, claimed) : unreadable
        expect(await recallClaim(deps, [{ claim }], about(row), await now(row.writeback_id))).toBe(true)
        const outcome = { code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('not in public.json') }
        expect(await now(row.writeback_id)).toMatchObject({ state: 'unknown', attempt: 0, outcome })
      },
    )

    it('puts back no row that is gone: nobody knows', async () => {
      const { row, claimed } = await forgotten('row')
      const recall = recallClaim(deps, [{ claim: signClaim(strange, claimed) }], about(row), null)
      await expect(recall).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
      await expect(now(row.writeback_id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    it('is nothing to a row that is being sent, has ended, or was given up in the word of a worker', async () => {
      for (const answer of [notSent, LOST]) {
        const { claim: told, row } = await toldOf(answer)
        const again = signEnvelope(CLAIM_PAYLOAD_TYPE, readUnopened(told), strange.signingKey)
        for (const claim of [again, ...(answer === LOST ? [unreadable] : [])])
          expect(await recallClaim(deps, [{ claim }], about(row), row)).toBe(false)
      }
    })
  })

  it('of another plan than the ledger has now leaves it alone, and says that nobody knows', async () => {
    const { row, claimed } = await forgotten('claim')
    const claim = signClaim(deps, { ...claimed, digest: 'e'.repeat(64) })
    await expect(
      recallClaim(deps, [{ claim }], about(row), await now(row.writeback_id)),
    ).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    })
    expect(await now(row.writeback_id)).toMatchObject({ state: 'planned' })
  })
})
