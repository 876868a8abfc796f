/**
 * A person's word on a write whose outcome nobody knew. It is signed by the door that authenticated the person, and
 * verified here, where it is recorded: the signature, that it is about exactly this write, and who the person is today.
 * The row goes from `unknown` to `applied` or `failed` in no other way.
 */
import type { Client } from '@temporalio/client'
import { findReceiptEnvelope } from '../db/queries/receipts.ts'
import { findWriteback, writeFactsOf, type WritebackRow } from '../db/queries/writebacks.ts'
import { loadPrincipals } from '../db/queries/principals.ts'
import { openEnvelope } from '../lib/dsse.ts'
import { objectionToResolver } from '../lib/eligibility.ts'
import { writeDigest } from '../lib/write-digest.ts'
import { EnvelopeSchema } from '../schemas/decision.ts'
import type { ErrorCode } from '../schemas/errors.ts'
import { StatementSchema, type How } from '../schemas/receipt.ts'
import { RESOLUTION_PAYLOAD_TYPE, ResolutionSchema, type Resolution } from '../schemas/resolution.ts'
import type { Envelope, ResolutionAnswer, ResolutionInput, WriteOutcome } from '../schemas/run.ts'
import { isAhead, rolesAtBothTimes, whyUnverified } from './decisions.ts'
import type { DoorDeps } from './door.ts'
import { closeOverdue, closePlanned, closeWithReceipt, type Conclusion } from './ledger.ts'
import { proofProblem } from './outcomes.ts'
import type { ReceiptContent } from './receipts.ts'
import { endToldOf } from './witnesses.ts'

/** May be repeated: the same resolution is recorded once and answered alike. */
export async function recordResolution(
  deps: DoorDeps,
  input: ResolutionInput,
  client: Client,
): Promise<ResolutionAnswer> {
  const { organization, writebackId } = input
  const row = await findWriteback(deps.database, { organization, writebackId })
  if (!row) return refused('NOT_FOUND', `there is no writeback ${writebackId}`, null)
  const envelope = EnvelopeSchema.safeParse(input.ticket)
  const resolution = envelope.success ? openResolution(envelope.data, deps) : null
  if (!envelope.success || !resolution)
    return refused('UNVERIFIED', whyUnverified(input.ticket, deps.trust), null)
  if (resolution.organization !== organization || resolution.writebackId !== writebackId)
    return refused('STALE_DIGEST', `the ticket is about ${resolution.writebackId}`, null)
  if (resolution.digest !== row.digest || writeDigest(writeFactsOf(row)) !== row.digest)
    return refused('STALE_DIGEST', `the ticket is about ${resolution.digest.slice(0, 12)}`, null)
  const isForgotten = await isForgottenUnknown(deps, row, client)
  if (row.state !== 'unknown' && !isForgotten) return tooLate(deps, row, resolution)
  const objection = await objectionTo(deps, row, resolution)
  if (objection) return refused(objection.code, objection.message, null)
  if (isForgotten) await concludeAgain(deps, row)
  const outcome = await close(deps, row, { resolution, ticket: envelope.data })
  if (outcome) return accepted(outcome)
  const current = await findWriteback(deps.database, { organization, writebackId })
  return tooLate(deps, current ?? row, resolution)
}

/**
 * Whether the ledger has gone back behind the end of this write, and its workflow, which was told that nobody knows, waits
 * for a person: then nobody asks the door again, and the row would stay as it is for as long as the run lives.
 */
async function isForgottenUnknown({ nowMs }: DoorDeps, row: WritebackRow, client: Client): Promise<boolean> {
  const isOverdue = row.state === 'sending' && Date.parse(row.deadline_at ?? '') < nowMs()
  if (!isOverdue && row.state !== 'planned') return false
  return (await endToldOf(client, row))?.status === 'unknown'
}

/** As it was before; with a receipt, and only if nobody has gone on with it meanwhile. */
async function concludeAgain(deps: DoorDeps, row: WritebackRow): Promise<void> {
  const message = `the ledger has forgotten that nobody knows what became of it; look at ${row.plan.target}`
  const conclusion = { status: 'unknown', code: 'OUTCOME_UNKNOWN', message } as const
  await (row.state === 'planned' ? closePlanned : closeOverdue)(deps, row, conclusion)
}

/** Null for what no door of ours signed with a key that is in use, and for what is dated ahead. */
function openResolution(envelope: Envelope, { trust, nowMs }: DoorDeps): Resolution | null {
  const expected = { payloadType: RESOLUTION_PAYLOAD_TYPE, purpose: 'decision' } as const
  const parsed = ResolutionSchema.safeParse(openEnvelope(envelope, expected, trust.keys)?.document)
  return parsed.success && !isAhead(parsed.data, nowMs()) ? parsed.data : null
}

/** By the roles of this moment. */
async function objectionTo(
  deps: DoorDeps,
  row: WritebackRow,
  resolution: Resolution,
): Promise<{ code: ErrorCode; message: string } | null> {
  const { organization, principal, method } = resolution
  const [person] = await loadPrincipals(deps.database, { organization, ids: [principal] })
  if (!person) return { code: 'NOT_ELIGIBLE', message: `${principal} is not known here` }
  const roles = rolesAtBothTimes(resolution, person)
  return objectionToResolver(row, { principal: person.id, kind: person.kind, roles, method })
}

function close(
  deps: DoorDeps,
  row: WritebackRow,
  { resolution, ticket }: { resolution: Resolution; ticket: Envelope },
): Promise<WriteOutcome | null> {
  const conclusion = conclusionOf(resolution)
  const { principal, resolution: word, method, channel, comment } = resolution
  const { status } = conclusion
  const content: ReceiptContent = {
    organization: row.organization,
    runId: row.run_id,
    kind: 'resolution',
    subject: row.writeback_id,
    digest: row.digest,
    facts: {
      writebackId: row.writeback_id,
      principal,
      resolution: word,
      status,
      how: 'person' satisfies How,
      answerSha256: null,
      method,
      channel,
      comment,
      ticket,
    },
  }
  return closeWithReceipt(deps, { row, conclusion, from: { from: 'unknown' }, content })
}

function conclusionOf({ principal, resolution, comment }: Resolution): Conclusion {
  const because = comment ? `: ${comment}` : ''
  if (resolution === 'applied')
    return { status: 'applied', message: `${principal} found it applied${because}` }
  return { status: 'failed', code: 'NOT_APPLIED', message: `${principal} found it not applied${because}` }
}

/** The ledger knows already. If it does from this very resolution, an earlier attempt has recorded it. */
async function tooLate(
  deps: DoorDeps,
  row: WritebackRow,
  { resolutionId }: Resolution,
): Promise<ResolutionAnswer> {
  const { organization, writeback_id: subject, outcome } = row
  const problem = outcome && (await proofProblem(deps, row, outcome))
  if (problem) return refused('OUTCOME_NOT_PROVEN', problem, null)
  const receipt = await findReceiptEnvelope(deps.database, { organization, subject, kind: 'resolution' })
  if (receipt && outcome && resolutionIdIn(receipt) === resolutionId) return accepted(outcome)
  const known = outcome
    ? `it is ${row.state}${outcome.message ? ` (${outcome.message})` : ''}`
    : `it is ${row.state}`
  return refused('NOT_UNKNOWN', known, outcome)
}

/** Of a receipt of our own. */
function resolutionIdIn(receipt: Envelope): string | null {
  const statement = StatementSchema.safeParse(documentIn(receipt))
  const ticket = EnvelopeSchema.safeParse(statement.data?.predicate['ticket'])
  const resolution = ResolutionSchema.safeParse(ticket.success ? documentIn(ticket.data) : null)
  return resolution.data?.resolutionId ?? null
}

function documentIn({ payload }: Envelope): unknown {
  return JSON.parse(Buffer.from(payload, 'base64').toString('utf8'))
}

function accepted(outcome: WriteOutcome): ResolutionAnswer {
  return { accepted: true, outcome, message: outcome.message ?? outcome.status }
}

function refused(code: ErrorCode, message: string, outcome: WriteOutcome | null): ResolutionAnswer {
  return { accepted: false, outcome, code, message }
}
