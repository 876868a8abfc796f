/**
 * Whose a row in `sending` is says one clock alone, that of the ledger: a worker whose own clock is wrong concludes
 * nothing early, and one that holds an answer does not lose it because the ledger was away for a moment.
 */
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { DoorDeps, Passage } from '../../activities/door.ts'
import type { Answer, CheckAnswer, Executor, Sending } from '../../activities/executors/executor.ts'
import { closeOverdue, planWriteback, requireWriteback } from '../../activities/ledger.ts'
import { perform } from '../../activities/perform.ts'
import { sendWrite } from '../../activities/sending.ts'
import { signPlan } from '../../activities/signed-rows.ts'
import { mayPassAway, settle } from '../../activities/settle.ts'
import { createDatabase } from '../../db/database.ts'
import { Stopwatch } from '../../lib/stopwatch.ts'
import { claimSending, insertPlannedWriteback, type WritebackRow } from '../../db/queries/writebacks.ts'
import { ERRORS } from '../../schemas/errors.ts'
import { useTestDatabase } from '../support/database.ts'
import { BY_NOTHING, call, makeKeys, newWriteback, ORGANIZATION } from '../support/fixtures.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

const witness = {
  said: [],
  tell: async () => undefined,
  tellLost: async () => undefined,
  askEarlier: null,
  isCancelAsked: async () => false,
}
const HOUR_MS = 3_600_000
const AUTHORISED = {
  facts: { rule: 'money/waivers', decisions: ['dec_1'] },
  lapsesAtMs: Infinity,
  // Each time that it is used, just now.
  get sinceJudged() {
    return new Stopwatch()
  },
}
const APPLIED: Answer = { kind: 'answered', status: 'applied', output: null }

const db = useTestDatabase()
const keys = makeKeys()
const warnings: { message: string; facts: Record<string, unknown> }[] = []
let deps: DoorDeps

beforeAll(() => {
  const none = {} as Executor
  deps = {
    database: db.database,
    executors: { mcp: none, postgres: none },
    trust: { keys: keys.trusted, identity: 'verified' },
    signingKey: keys.receipt,
    nowMs: Date.now,
    warn: (message, facts) => warnings.push({ message, facts }),
  }
})
afterEach(() => void warnings.splice(0))

/** A worker whose clock is this far ahead. */
const ahead = (ms: number): DoorDeps => ({ ...deps, nowMs: () => Date.now() + ms })
const now = (row: WritebackRow): Promise<WritebackRow> =>
  requireWriteback(deps, ORGANIZATION, row.writeback_id)

async function planned(): Promise<WritebackRow> {
  const row = newWriteback()
  await insertPlannedWriteback(db.database, { ...row, signedPlan: signPlan(deps, row) })
  return requireWriteback(deps, ORGANIZATION, row.origin.writebackId)
}

/** A row that an attempt is sending; its deadline lies this far ahead. */
async function sending(timeoutMs: number): Promise<WritebackRow> {
  const row = await planned()
  await claimSending(db.database, {
    writebackId: row.writeback_id,
    seenAttempt: 0,
    timeoutMs,
    judgedBy: BY_NOTHING,
  })
  return now(row)
}

function passage(executor: Partial<Executor>, over: Partial<Passage> = {}): Passage {
  const known = {
    origin: { round: 1 },
    executor,
    operation: {},
    resolved: { destination: null },
    call: call(),
    timeoutMs: 5_000,
    overdueMs: 0,
    frozenReason: null,
    judgedBy: BY_NOTHING,
  }
  const step = {
    signal: new AbortController().signal,
    giveUpAtMs: Date.now() + HOUR_MS,
    toEnd: null,
    witness,
  }
  return { ...known, ...step, ...over } as unknown as Passage
}

const looking = (answer: CheckAnswer): Partial<Executor> => ({
  resend: () => 'check',
  check: async () => answer,
})

describe('a worker whose clock is an hour ahead', () => {
  it('leaves an attempt alone until its deadline has passed for the ledger', async () => {
    const row = await sending(60_000)
    const about = call({ origin: { ...call().origin, writebackId: row.writeback_id } })
    const limits = {
      caller: '',
      signal: new AbortController().signal,
      giveUpAtMs: 0,
      toEnd: null,
      witness,
    }
    await expect(perform(ahead(HOUR_MS), about, [], limits)).rejects.toMatchObject({
      code: 'WRITE_IN_PROGRESS',
      nextRetryDelayMs: expect.toSatisfy((ms: number) => ms > 50_000 && ms <= 60_050) as number,
    })
    expect(await now(row)).toMatchObject({ state: 'sending', attempt: 1 })
  })

  it('cannot end it, nor plan it again', async () => {
    const row = await sending(60_000)
    await expect(closeOverdue(ahead(HOUR_MS), row, { status: 'unknown' })).rejects.toMatchObject({
      code: 'WRITE_IN_PROGRESS',
    })
    const seen = passage(looking({ kind: 'not_applied', isFinal: true }))
    await expect(settle(ahead(HOUR_MS), { ...seen, giveUpAtMs: 9e14 }, row, [])).rejects.toMatchObject({
      code: 'WRITE_IN_PROGRESS',
    })
    expect(await now(row)).toMatchObject({ state: 'sending', attempt: 1 })
  })

  it('looks a second time only when a call’s time has passed for the ledger', async () => {
    const row = await sending(-1_000)
    const executor = looking({ kind: 'not_applied', isFinal: false })
    const early = passage(executor, { overdueMs: 1_000, giveUpAtMs: 9e14 })
    await expect(settle(ahead(HOUR_MS), early, row, [])).rejects.toMatchObject({
      code: 'WRITE_IN_PROGRESS',
      nextRetryDelayMs: 4_050,
    })
    expect(await settle(deps, { ...early, overdueMs: 5_000 }, row, [])).toBeNull()
    expect(await now(row)).toMatchObject({ state: 'planned' })
  })
})

describe('a write that is no longer wanted', () => {
  it('is not begun again when looks say that it was not done', async () => {
    const row = await sending(-1_000)
    const seen = passage(looking({ kind: 'not_applied', isFinal: true }), { toEnd: { because: 'withdrawn' } })
    expect(await settle(deps, seen, row, [])).toMatchObject({
      outcome: { status: 'failed', code: 'NOT_APPLIED' },
    })
  })

  it('is withdrawn if nothing was sent, whatever policy and people say', async () => {
    const row = await planned()
    const about = call({ origin: { ...call().origin, writebackId: row.writeback_id } })
    const limits = {
      caller: '',
      signal: new AbortController().signal,
      giveUpAtMs: 9e14,
      toEnd: { because: 'withdrawn' as const },
      witness,
    }
    expect(await perform(deps, about, [], limits)).toMatchObject({ outcome: { status: 'withdrawn' } })
  })
})

describe('while Temporal does not say whether a write is still wanted', () => {
  const away = { ...witness, isCancelAsked: () => Promise.reject(new Error('away')) }
  const neither: Partial<Executor> = {
    resend: () => 'safe',
    apply: () => Promise.reject(new Error('it was sent')),
    check: () => Promise.reject(new Error('it was looked at')),
  }

  it('nothing is claimed, and it is tried again', async () => {
    const row = await planned()
    const asked = sendWrite(deps, passage(neither, { witness: away }), row, AUTHORISED)
    await expect(asked).rejects.toMatchObject({ code: 'WRITE_NOT_SENT' })
    expect(ERRORS.WRITE_NOT_SENT.retryable).toBe(true)
    expect(await now(row)).toMatchObject({ state: 'planned', attempt: 0 })
  })

  it('nothing is concluded of one that was sent', async () => {
    const row = await sending(-1_000)
    const error: unknown = await settle(deps, passage(neither, { witness: away }), row, []).catch((it) => it)
    expect(error).toMatchObject({ message: 'away' })
    expect(mayPassAway(error, { nowMs: HOUR_MS, giveUpAtMs: 0 })).toBe(true)
    expect(await now(row)).toMatchObject({ state: 'sending', attempt: 1 })
  })
})

it('a write whose run was asked to end is looked at, and not sent again where that is harmless', async () => {
  const row = await sending(-1_000)
  const executor = { ...looking({ kind: 'not_applied', isFinal: true }), resend: () => 'safe' as const }
  const asked = { ...witness, isCancelAsked: async () => true }
  expect(await settle(deps, passage(executor, { witness: asked }), row, [])).toMatchObject({
    outcome: { status: 'failed', code: 'NOT_APPLIED' },
  })
})

describe('an attempt that was ended from outside', () => {
  const ended = { signal: AbortSignal.abort() }

  it('does not claim, and sends nothing', async () => {
    const row = await planned()
    const apply = async (): Promise<Answer> => Promise.reject(new Error('it was sent'))
    await expect(sendWrite(deps, passage({ apply }, ended), row, AUTHORISED)).rejects.toMatchObject({
      code: 'CANCELLED',
    })
    expect(await now(row)).toMatchObject({ state: 'planned', attempt: 0 })
  })

  it('does not claim either if that comes while Temporal is asked whether it is wanted', async () => {
    const row = await planned()
    const ending = new AbortController()
    const isCancelAsked = async (): Promise<boolean> => {
      ending.abort()
      return false
    }
    const apply = async (): Promise<Answer> => Promise.reject(new Error('it was sent'))
    const over = { signal: ending.signal, witness: { ...witness, isCancelAsked } }
    await expect(sendWrite(deps, passage({ apply }, over), row, AUTHORISED)).rejects.toMatchObject({
      code: 'CANCELLED',
    })
    expect(await now(row)).toMatchObject({ state: 'planned', attempt: 0 })
  })

  it('plans nothing', async () => {
    const plan: Executor['plan'] = async () => ({
      stored: null,
      before: {},
      preconditions: {},
      guard: 'none',
    })
    await expect(
      planWriteback(deps, passage({ plan }, { ...ended, resolved: {} as Passage['resolved'] })),
    ).rejects.toMatchObject({ code: 'CANCELLED' })
  })
})

describe('an answer that cannot be recorded at once', () => {
  it('is recorded when the ledger is back', async () => {
    const proxy = await startTcpProxy(db.url)
    const database = createDatabase(proxy.urlThrough(db.url))
    const row = await planned()
    let backAgain = Promise.resolve()
    const apply = async (_operation: unknown, { window }: Sending): Promise<Answer> => {
      window.pass()
      proxy.retarget('postgres://127.0.0.1:1')
      proxy.cut()
      backAgain = new Promise<void>((resolve) => setTimeout(resolve, 700)).then(() => proxy.retarget(db.url))
      return APPLIED
    }
    const outcome = await sendWrite({ ...deps, database }, passage({ apply }), row, AUTHORISED)
    await backAgain
    expect(outcome).toMatchObject({ status: 'applied', receipt: { seq: 1 } })
    expect(await now(row)).toMatchObject({ state: 'applied', attempt: 1 })
    await database.end()
    await proxy.close()
  })

  it('is given up at the deadline of its attempt', async () => {
    const gone = Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
    const row = await planned()
    const database = Object.create(db.database) as DoorDeps['database']
    const apply = async (_operation: unknown, { window }: Sending): Promise<Answer> => {
      window.pass()
      database.connect = () => Promise.reject(gone)
      return APPLIED
    }
    const hasty = passage({ apply }, { timeoutMs: 200 })
    await expect(sendWrite({ ...deps, database }, hasty, row, AUTHORISED)).rejects.toBe(gone)
  })

  it('is told to operators when another attempt was faster', async () => {
    const row = await planned()
    const apply = async (_operation: unknown, { window }: Sending): Promise<Answer> => {
      window.pass()
      await db.database.query(
        `update writebacks set deadline_at = now() - interval '1 second' where writeback_id = $1`,
        [row.writeback_id],
      )
      await closeOverdue(deps, await now(row), { status: 'unknown', code: 'OUTCOME_UNKNOWN' })
      return APPLIED
    }
    expect(await sendWrite(deps, passage({ apply }), row, AUTHORISED)).toMatchObject({ status: 'unknown' })
    expect(warnings).toMatchObject([
      { facts: { writeback: row.writeback_id, attempt: 1, status: 'applied', recorded: 'unknown' } },
    ])
  })
})
