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
import { loadCallContext, revisionsIn, type CallContextRow } from '../db/queries/call-facts.ts'
import type { WritebackRow } from '../db/queries/writebacks.ts'
import { canonicalJson } from '../lib/canonical-json.ts'
import { changedSettings } from '../lib/write-settings.ts'
import { CodedError } from '../schemas/errors.ts'
import type { Call, Envelope, PerformResult, Preview, Requester } from '../schemas/run.ts'
import { abandonWriteback, type Abandoning } from './abandon.ts'
import { allowedBy, askForApproval, judgeWrite, refuseRejected } from './authorise.ts'
import { datedClaims } from './claims.ts'
import { digestOfWrite, type Arrival, type DoorDeps, type Passage, type StepLimits } from './door.ts'
import { closePlanned, idempotencyKeyOf, planWriteback, reopened } from './ledger.ts'
import { inWords, lostAnswerOf } from './lost-answers.ts'
import { provenOutcome } from './outcomes.ts'
import { verifyOrigin, type VerifiedOrigin } from './origin.ts'
import { asksWhoAsked, ruleOn } from '../lib/policy.ts'
import {
  assertDefinitionUnchanged,
  assertMayRead,
  deniedText,
  factsOf,
  operationOf,
  policiesOf,
  previewOf,
} from './reading.ts'
import { recallClaim } from './recall.ts'
import { concludeUnknown, sendWrite } from './sending.ts'
import { mayPassAway, settle } from './settle.ts'
import { isPlanned } from './signed-rows.ts'
import { olderThanRun } from './witnesses.ts'

/** Throws a `CodedError`; for a write that means that nothing was sent, or that the ledger knows what was. */
export async function perform(
  deps: DoorDeps,
  call: Call,
  decisions: readonly Envelope[],
  limits: StepLimits,
): Promise<PerformResult> {
  const { said } = limits.witness
  const about = { ...call, writebackId: call.origin.writebackId }
  let context = await loadCallContext(deps.database, about)
  if (await recallClaim(deps, said, about, context.writeback))
    context = await loadCallContext(deps.database, about)
  const { writeback } = context
  if (writeback?.outcome)
    return { kind: 'done', outcome: await provenOutcome(deps, writeback, writeback.outcome) }
  if (writeback && context.is_ended) throw reopened(writeback)
  assertNotUnderWay(writeback, remainingMsOf(deps, said, context))
  if (limits.toEnd && writeback?.state !== 'sending')
    return endUnsent(deps, { ...about, ...limits.toEnd }, limits)
  try {
    return await pass(deps, { call, decisions, limits }, context)
  } catch (error) {
    // An attempt is gone, and what stands in the way of settling it will not go away: nobody knows, and we say so.
    const { giveUpAtMs } = limits
    if (writeback?.state !== 'sending' || mayPassAway(error, { nowMs: deps.nowMs(), giveUpAtMs })) throw error
    const lost = inWords(writeback, lostAnswerOf(deps, limits, writeback))
    const message = `${lost}; ${(error as CodedError).message}`
    // Changed by somebody, and no claim has it as it was: nothing is signed of it.
    if (!isPlanned(deps, writeback)) throw new CodedError('OUTCOME_UNKNOWN', `${message}; ${NOT_AS_PLANNED}`)
    return { kind: 'done', outcome: await concludeUnknown(deps, writeback, message) }
  }
}

const NOT_AS_PLANNED =
  'the ledger has it otherwise than any key in public.json has signed, so that it stays open (`countersign doctor`)'

async function pass(
  deps: DoorDeps,
  { call, decisions, limits: step }: { call: Call; decisions: readonly Envelope[]; limits: StepLimits },
  context: CallContextRow,
): Promise<PerformResult> {
  const { operation, executor, timeoutMs } = operationOf(deps.executors, call, context)
  const limits = limitsOf(deps, context, step, timeoutMs)
  const resolved = await executor.resolve(operation, limits)
  // What was planned as a write does not become a reading because somebody calls it one meanwhile.
  const isWrite = resolved.class === 'write' || call.raisedToWrite || context.writeback !== null
  if (!isWrite) return read(deps, { call, operation, executor, resolved, ...step }, context, limits)
  const origin = await originOf(deps, call, step)
  const earlier = await step.witness.askEarlier?.(origin.runWorkflowId)
  const about = { ...call, writebackId: call.origin.writebackId }
  if (earlier && (await recallClaim(deps, earlier.said, about, context.writeback)))
    return perform(deps, call, decisions, { ...step, witness: { ...step.witness, askEarlier: null } })
  const witness = { ...step.witness, said: [...step.witness.said, ...(earlier?.said ?? [])] }
  const remainingMs = remainingMsOf(deps, witness.said, context)
  assertNotUnderWay(context.writeback, remainingMs)
  const judge = judging(context, { call, operation, executor, origin })
  const frozenReason = context.connection?.frozen_reason ?? null
  const overdueMs = -(remainingMs ?? 0)
  const known = { call, operation, executor, resolved, origin, judge, timeoutMs }
  const arrival = { ...known, judgedBy: revisionsIn(context), overdueMs, frozenReason, ...step, witness }
  assertDefinitionUnchanged(call, resolved.definitionSha256, origin.pinnedDefinitionSha256)
  const row = context.writeback ?? (await planWriteback(deps, arrival))
  const end = earlier?.end ?? null
  if (row.state === 'planned' && end !== null) return endOlder(deps, row, end)
  const passage = { ...arrival, ...judge(row.plan.stored) }
  const changed = changesSincePlanned(passage, row)
  if (changed !== null) return refuseChanged(deps, passage, row, changed)
  if (row.state !== 'sending') return apply(deps, passage, row, decisions)
  const settled = await settle(deps, passage, row, decisions)
  if (settled) return settled
  if (end !== null) return endOlder(deps, row, end)
  return apply(deps, passage, { ...row, state: 'planned', deadline_at: null }, decisions)
}

/** By today's policies. */
function judging(
  context: CallContextRow,
  { call, operation, executor, origin }: Pick<Arrival, 'call' | 'operation' | 'executor' | 'origin'>,
): Arrival['judge'] {
  const policies = policiesOf(context)
  return (stored) => {
    const described = executor.describe(operation, stored)
    const facts = factsOf({ operation, executor, described }, call.origin.automation, 'write')
    return { described, ruling: ruleOn(policies, { ...facts, requester: origin.requester }) }
  }
}

/** An earlier execution was told of an end, and the ledger does not have it. */
async function endOlder(deps: DoorDeps, row: WritebackRow, end: string): Promise<PerformResult> {
  return { kind: 'done', outcome: await closePlanned(deps, row, olderThanRun(end, row.plan.target)) }
}

/**
 * For one call of the target. Nothing that has not begun to write goes on when the time of its step is over; what may be
 * under way is looked into for as long as a call may take.
 */
function limitsOf(
  { nowMs }: DoorDeps,
  { writeback }: CallContextRow,
  { giveUpAtMs, signal }: StepLimits,
  timeoutMs: number,
): { deadlineAtMs: number; signal: AbortSignal } {
  const deadlineAtMs = nowMs() + timeoutMs
  return { deadlineAtMs: writeback ? deadlineAtMs : Math.min(deadlineAtMs, giveUpAtMs), signal }
}

/** Nobody wants it any more, and it waits. Where the ledger has lost it, nothing is planned anew. */
async function endUnsent(
  deps: DoorDeps,
  abandoning: Abandoning,
  { witness }: StepLimits,
): Promise<PerformResult> {
  const abandoned = await abandonWriteback(deps, abandoning, witness.askEarlier)
  if (abandoned.kind === 'ended') return { kind: 'done', outcome: abandoned.outcome }
  if (abandoned.kind === 'never_planned')
    throw new CodedError(
      'OUTCOME_UNKNOWN',
      `${abandoning.writebackId} was under way, and is not in the ledger`,
    )
  throw new CodedError('WRITE_IN_PROGRESS', `${abandoning.writebackId} was claimed this moment`)
}

/** By the clock of the ledger. A row can be edited, so the last deadline that Temporal was told of counts, if it is later. */
function remainingMsOf(
  deps: DoorDeps,
  said: readonly unknown[],
  { writeback, remaining_ms: remainingMs }: CallContextRow,
): number | null {
  if (writeback?.state !== 'sending' || writeback.deadline_at === null || remainingMs === null)
    return remainingMs
  const rowMs = Date.parse(writeback.deadline_at)
  const laterMs = datedClaims(deps, said, writeback).map(({ deadline_at: at }) => Date.parse(at) - rowMs)
  return remainingMs + Math.max(0, ...laterMs)
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

async function originOf(
  deps: DoorDeps,
  call: Call,
  { caller }: Pick<StepLimits, 'caller'>,
): Promise<VerifiedOrigin> {
  return verifyOrigin(call, caller, await loadOrigin(deps.database, { ...call, ...call.origin }))
}

/** A reading has no origin that anybody needs, unless policy asks who wants to read. */
const NOBODY: Requester = { principal: '', kind: 'service', onBehalfOf: [] }

async function read(
  deps: DoorDeps,
  arrival: Pick<Passage, 'call' | 'operation' | 'executor' | 'resolved' | 'caller'>,
  context: CallContextRow,
  limits: { deadlineAtMs: number; signal: AbortSignal },
): Promise<PerformResult> {
  const { call, operation, executor, resolved, caller } = arrival
  const policies = policiesOf(context)
  const described = executor.describe(operation, null)
  const facts = factsOf({ operation, executor, described }, call.origin.automation, 'read')
  const asked = asksWhoAsked(policies, facts) ? await originOf(deps, call, { caller }) : null
  const requester = asked?.requester ?? NOBODY
  assertMayRead(policies, { ...facts, requester })
  const { destination } = resolved
  const output = await executor.read(operation, { ...limits, destination })
  return { kind: 'done', outcome: { kind: 'read', output } }
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
        outcome: await sendWrite(deps, passage, row, allowedBy(ruling.rule)),
      }
    case 'deny': {
      const message = deniedText(ruling.rule, passage.operation)
      const conclusion = { status: 'refused', code: 'POLICY_DENIED', message, rule: ruling.rule } as const
      return { kind: 'done', outcome: await closePlanned(deps, row, conclusion) }
    }
    case 'require': {
      const judged = await judgeWrite(deps, row, ruling.requirement, decisions)
      const { judgement } = judged
      if (judgement.state === 'waiting') return askForApproval(deps, row, ruling.requirement, judged)
      if (judgement.state === 'rejected') return refuseRejected(deps, row, judged, judgement.by)
      return { kind: 'done', outcome: await sendWrite(deps, passage, row, judged) }
    }
    default:
      return ruling satisfies never
  }
}

/** What people have approved is not what would be sent: the step plans it anew, and they are asked anew. */
async function refuseChanged(
  deps: DoorDeps,
  { call }: Passage,
  row: WritebackRow,
  changed: readonly string[],
): Promise<PerformResult> {
  const message = `connection ${call.connection} was changed since the write was planned: ${changed.join(', ')}`
  // Sent before, perhaps, and then under other settings than a look or a second sending would have.
  if (row.state === 'sending') throw new CodedError('CONNECTION_CHANGED', message)
  const conclusion = { status: 'conflict', code: 'CONNECTION_CHANGED', message } as const
  return { kind: 'done', outcome: await closePlanned(deps, row, conclusion) }
}

/**
 * Null if nothing has changed; else the settings of the connection that have, and nothing but them. A row that does not
 * follow from the call was changed by somebody, or belongs to another call. Besides what people approve, that is who
 * asked, the key that makes a repeated sending harmless, and all that a receipt will say. Throws WRITE_NOT_AUTHORISED.
 */
function changesSincePlanned(passage: Passage, row: WritebackRow): string[] | null {
  const { call, executor, origin, resolved } = passage
  const { runId, automation, revision, path } = call.origin
  const changed = changedSettings(row.plan.endpoint, resolved.endpoint)
  const asPlanned = { ...passage, resolved: { ...resolved, endpoint: row.plan.endpoint } }
  const preview = changed.length > 0 ? row.preview : previewToday(passage, row)
  const expected = {
    preview,
    digest: digestOfWrite(asPlanned, { ...row.plan, preview }),
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
  if (canonicalJson(found) === canonicalJson(expected)) return changed.length > 0 ? changed : null
  const detail = `${call.origin.writebackId}: what is to be written differs from what was planned`
  throw new CodedError('WRITE_NOT_AUTHORISED', detail)
}

/** What people would be shown today of what was planned. The settings of the connection have a part in it. */
function previewToday({ call, executor, described }: Passage, { preview }: WritebackRow): Preview {
  const before = Object.fromEntries(preview.changes.map((change) => [change.field, change.before]))
  return previewOf(call, executor, described, { before, guard: preview.guard })
}
