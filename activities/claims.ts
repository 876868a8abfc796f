/**
 * Temporal as a witness of what is about to be sent. The ledger may go back behind a claim: a standby takes over that had
 * not got it. So before a write leaves, Temporal has the claim too, in the details of the activity’s heartbeat, and gives
 * it to the next attempt, which puts it back into a ledger that knows less. Signed: whoever can write to the namespace
 * can write such details.
 */
import type { WritebackRow } from '../db/queries/writebacks.ts'
import { openWarning, readUnopened, signEnvelope } from '../lib/dsse.ts'
import { claimIn } from '../lib/told-claim.ts'
import { utf8Bytes } from '../lib/limits.ts'
import { ClaimSchema, CLAIM_PAYLOAD_TYPE, type Claim } from '../schemas/claim.ts'
import { EnvelopeSchema } from '../schemas/decision.ts'
import type { Envelope } from '../schemas/run.ts'
import type { DoorDeps } from './door.ts'
import { isReleased } from './signed-rows.ts'

/** A larger row does not travel with its claim: its digest does, and then only the row in the ledger can be put right. */
const MAX_ROW_BYTES = 8_192

/** `claimed`: the row as the claim has left it. */
export function claimOf(claimed: WritebackRow): Claim {
  const { organization, writeback_id: writebackId, attempt, digest } = claimed
  const { deadline_at: deadlineAt, updated_at: claimedAt } = claimed
  return {
    organization,
    writebackId,
    attempt,
    digest,
    claimedAt,
    deadlineAt: deadlineAt ?? claimedAt,
    row: { ...claimed },
  }
}

export function signClaim({ signingKey }: Pick<DoorDeps, 'signingKey'>, claimed: WritebackRow): Envelope {
  const claim = claimOf(claimed)
  const row = utf8Bytes(JSON.stringify(claimed)) <= MAX_ROW_BYTES ? claim.row : null
  return signEnvelope(CLAIM_PAYLOAD_TYPE, { ...claim, row }, signingKey)
}

export interface AboutClaim {
  organization: string
  writebackId: string
}

/**
 * With the envelope in which it was signed, so that it can be handed on. `by`: whose key has signed it. Any claim can stop
 * things, also one of a key that was retired since, or that nobody knows: a key file may be older than the claim. But
 * only that of a key in use is put back into the ledger, where more could follow from its dates.
 */
export type ToldClaim = Claim & { envelope: Envelope; by: 'key in use' | 'retired key' | 'unknown key' }

/** Of what attempts have said, in heartbeats or as they failed: the claims of this write, the last attempt first. */
export function claimsAmong(
  deps: Pick<DoorDeps, 'trust'>,
  said: readonly unknown[],
  about: AboutClaim,
): ToldClaim[] {
  return said
    .flatMap((one) => openClaim(deps, claimIn(one), about) ?? [])
    .sort((a, b) => b.attempt - a.attempt)
}

/** Null for what is no claim, or about another write. One that says of no write that it is about it may be about this one. */
function openClaim({ trust }: Pick<DoorDeps, 'trust'>, said: unknown, about: AboutClaim): ToldClaim | null {
  const envelope = EnvelopeSchema.safeParse(said)
  if (!envelope.success) return null
  const expected = { payloadType: CLAIM_PAYLOAD_TYPE, purpose: 'receipt' } as const
  const opened = openWarning(envelope.data, expected, trust.keys)
  const claim = ClaimSchema.safeParse(opened ? opened.document : readUnopened(envelope.data))
  const { organization, writebackId } = about
  if (!claim.success)
    return { ...UNREADABLE, organization, writebackId, envelope: envelope.data, by: 'unknown key' }
  if (claim.data.organization !== organization || claim.data.writebackId !== writebackId) return null
  const known = opened?.isInUse ? 'key in use' : 'retired key'
  return { ...claim.data, envelope: envelope.data, by: opened ? known : 'unknown key' }
}

/** What the claims of a write that can be believed say of its times, as a row says it: a row can be edited. */
export function datedClaims(
  deps: Pick<DoorDeps, 'trust'>,
  said: readonly unknown[],
  { organization, writeback_id: writebackId }: WritebackRow,
): { deadline_at: string; updated_at: string }[] {
  return claimsAmong(deps, said, { organization, writebackId })
    .filter(({ by }) => by !== 'unknown key')
    .map(({ deadlineAt, claimedAt }) => ({ deadline_at: deadlineAt, updated_at: claimedAt }))
}

/** No row says as much as this, unless it is being sent or has ended: no release is for a claim without a date. */
const UNREADABLE = { attempt: 0, digest: '', claimedAt: '', deadlineAt: '', row: null }

/** What Temporal was told by it, for the message of an outcome that nobody knows. */
export function toldInWords({ attempt, by }: ToldClaim): string {
  if (by === 'key in use') return `Temporal was told that attempt ${attempt} was about to be sent`
  if (by === 'retired key')
    return `Temporal was told, with a key that was retired since, that attempt ${attempt} was about to be sent`
  return 'Temporal was told, with a key that is not in public.json, that it was about to be sent'
}

/**
 * Whether the row says as much as the claim: that it is being sent, that it has ended, or, in the signed word of a worker,
 * that it was not sent after all. A row that just says “planned” is not believed.
 */
export function saysAsMuch(deps: Pick<DoorDeps, 'trust'>, row: WritebackRow, claim: Claim): boolean {
  if (row.outcome !== null) return true
  if (row.attempt < claim.attempt) return false
  return row.state === 'sending' || isReleased(deps, row, claim)
}
