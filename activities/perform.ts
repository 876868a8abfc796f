/**
 * The door: the one activity that changes the world. It believes neither the workflow that calls it nor any row that
 * says "approved": origin, policy, signatures and digest are verified here, every time.
 *
 * Any attempt may enter at any time and die on any line. What it may do follows from the ledger alone: a final row is
 * returned, if its receipt says the same; a row in `sending` is left alone until its deadline and then settled as the executor allows; a planned row
 * may be sent by whoever claims it first. Never repeated: a sending whose fate is unknown, unless the target itself
 * makes a second one harmless.
 */
import { loadOrigin } from '../db/queries/deliveries.ts'
import { loadCallContext, type CallContextRow, type WritebackRow } from '../db/queries/writebacks.ts'
import { canonicalJson } from '../lib/canonical-json.ts'
import { CodedError } from '../schemas/errors.ts'
import type { Call, Envelope, PerformResult, Requester } from '../schemas/run.ts'
import { recallClaim } from './claims.ts'
import { askForApproval, judgeWrite, refuseRejected } from './authorise.ts'
import { digestOfWrite, type DoorDeps, type Passage, type StepLimits } from './door.ts'
import { closePlanned, idempotencyKeyOf, planWriteback, reopened, WITHDRAWN } from './ledger.ts'
import { provenOutcome } from './outcomes.ts'
import { verifyOrigin, type VerifiedOrigin } from './origin.ts'
import { asksWhoAsked, ruleOn } from '../lib/policy.ts'
import { assertDefinitionUnchanged, assertMayRead, factsOf, operationOf, policiesOf } from './reading.ts'
import { concludeUnknown, sendWrite } from './sending.ts'
import { mayPassAway, settle } from './settle.ts'

/** Throws a `CodedError`; for a write that means that nothing was sent, or that the ledger knows what was. */
export async function perform(
  deps: DoorDeps,
  call: Call,
  decisions: readonly Envelope[],
  limits: StepLimits,
): Promise<PerformResult> {
  const about = { ...call, writebackId: call.origin.writebackId }
  let context = await loadCallContext(deps.database, about)
  if (await recallClaim(deps, limits.witness.said, about, context.writeback))
    context = await loadCallContext(deps.database, about)
  const { writeback, remaining_ms: remainingMs } = context
  if (writeback?.outcome)
    return { kind: 'done', outcome: await provenOutcome(deps, writeback, writeback.outcome) }
  if (writeback && context.is_ended) throw reopened(writeback)
  assertNotUnderWay(writeback, remainingMs)
  if (limits.isEnding && writeback?.state === 'planned')
    return { kind: 'done', outcome: await closePlanned(deps, writeback, WITHDRAWN) }
  try {
    return await pass(deps, { call, decisions, limits }, context)
  } catch (error) {
    // An attempt is gone, and what stands in the way of settling it will not go away: nobody knows, and we say so.
    const { giveUpAtMs } = limits
    if (writeback?.state !== 'sending' || mayPassAway(error, { nowMs: deps.nowMs(), giveUpAtMs })) throw error
    return { kind: 'done', outcome: await concludeUnknown(deps, writeback, (error as CodedError).message) }
  }
}

async function pass(
  deps: DoorDeps,
  { call, decisions, limits: step }: { call: Call; decisions: readonly Envelope[]; limits: StepLimits },
  context: CallContextRow,
): Promise<PerformResult> {
  const { operation, executor, timeoutMs } = operationOf(deps.executors, call, context)
  const limits = { deadlineAtMs: deps.nowMs() + timeoutMs, signal: step.signal }
  const resolved = await executor.resolve(operation, limits)
  const isWrite = resolved.class === 'write' || call.raisedToWrite
  if (!isWrite) return read(deps, { call, operation, executor, resolved }, context, limits)
  const origin = await originOf(deps, call)
  const facts = {
    ...factsOf({ operation, executor, resolved }, call.origin.automation, 'write'),
    requester: origin.requester,
  }
  const ruling = ruleOn(policiesOf(context), facts)
  const frozenReason = context.connection?.frozen_reason ?? null
  const overdueMs = -(context.remaining_ms ?? 0)
  const known = { call, operation, executor, resolved, origin, ruling, timeoutMs }
  const passage = { ...known, overdueMs, frozenReason, ...step }
  assertDefinitionUnchanged(call, resolved.definitionSha256, origin.pinnedDefinitionSha256)
  const row = context.writeback ?? (await planWriteback(deps, passage))
  assertDigest(passage, row)
  if (row.state !== 'sending') return apply(deps, passage, row, decisions)
  const settled = await settle(deps, passage, row, decisions)
  return settled ?? apply(deps, passage, { ...row, state: 'planned', deadline_at: null }, decisions)
}

/** A row in `sending` belongs to the attempt that set its deadline: until then nobody concludes anything. */
function assertNotUnderWay(writeback: WritebackRow | null, remainingMs: number | null): void {
  if (writeback?.state !== 'sending' || remainingMs === null || remainingMs < 0) return
  throw new CodedError(
    'WRITE_IN_PROGRESS',
    `${writeback.writeback_id}: attempt ${writeback.attempt} has until ${writeback.deadline_at}`,
    {
      nextRetryDelayMs: Math.ceil(remainingMs) + 50,
    },
  )
}

async function originOf(deps: DoorDeps, call: Call): Promise<VerifiedOrigin> {
  return verifyOrigin(call, await loadOrigin(deps.database, { ...call, ...call.origin }))
}

/** A reading has no origin that anybody needs, unless policy asks who wants to read. */
const NOBODY: Requester = { principal: '', kind: 'service', onBehalfOf: [] }

async function read(
  deps: DoorDeps,
  subject: Pick<Passage, 'call' | 'operation' | 'executor' | 'resolved'>,
  context: CallContextRow,
  limits: { deadlineAtMs: number; signal: AbortSignal },
): Promise<PerformResult> {
  const { call, operation, executor } = subject
  const policies = policiesOf(context)
  const facts = factsOf(subject, call.origin.automation, 'read')
  const requester = asksWhoAsked(policies, facts) ? (await originOf(deps, call)).requester : NOBODY
  assertMayRead(policies, { ...facts, requester })
  return { kind: 'done', outcome: { kind: 'read', output: await executor.read(operation, limits) } }
}

/** A planned write: refuse, ask people, or send. */
async function apply(
  deps: DoorDeps,
  passage: Passage,
  row: WritebackRow,
  decisions: readonly Envelope[],
): Promise<PerformResult> {
  const { ruling } = passage
  switch (ruling.effect) {
    case 'allow':
      return {
        kind: 'done',
        outcome: await sendWrite(deps, passage, row, { rule: ruling.rule, decisions: [] }),
      }
    case 'deny': {
      const message = `rule ${ruling.rule} denies it`
      const conclusion = { status: 'refused', code: 'POLICY_DENIED', message, rule: ruling.rule } as const
      return { kind: 'done', outcome: await closePlanned(deps, row, conclusion) }
    }
    case 'require': {
      const judged = await judgeWrite(deps, row, ruling.requirement, decisions)
      const { judgement } = judged
      if (judgement.state === 'waiting') return askForApproval(deps, row, ruling.requirement, judged)
      if (judgement.state === 'rejected') return refuseRejected(deps, row, judged, judgement.by)
      return { kind: 'done', outcome: await sendWrite(deps, passage, row, judged.facts) }
    }
    default:
      return ruling satisfies never
  }
}

/**
 * A row that does not follow from the call was changed by somebody, or belongs to another call. Besides what people
 * approve, that is who asked, the key that makes a repeated sending harmless, and all that a receipt will say.
 */
function assertDigest(passage: Passage, row: WritebackRow): void {
  const { call, executor, origin } = passage
  const { runId, automation, revision, path } = call.origin
  const expected = {
    digest: digestOfWrite(passage, { ...row.plan, preview: row.preview }),
    idempotency_key: idempotencyKeyOf(call),
    run_id: runId,
    automation,
    revision,
    path,
    executor: executor.name,
    requester: origin.requester,
  }
  const columns = Object.keys(expected) as (keyof typeof expected)[]
  const found = Object.fromEntries(columns.map((column) => [column, row[column]]))
  if (canonicalJson(found) === canonicalJson(expected)) return
  const detail = `${call.origin.writebackId}: what is to be written differs from what was planned`
  throw new CodedError('WRITE_NOT_AUTHORISED', detail)
}
