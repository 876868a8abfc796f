/**
 * Temporal as a witness of what is about to be sent. The ledger may go back behind a claim: a standby takes over that had
 * not got it. So before a write leaves, Temporal has the claim too, in the details of the activity’s heartbeat, and gives
 * it to the next attempt, which puts it back into a ledger that knows less. Signed: whoever can write to the namespace
 * can write such details.
 */
import type { WritebackRow } from '../db/queries/writebacks.ts'
import { openWarning, signEnvelope } from '../lib/dsse.ts'
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
 * With the envelope in which it was signed, so that it can be handed on. A claim can stop things, also one whose key was
 * retired since; but that one is not put back into the ledger, where more could follow from its dates.
 */
export type ToldClaim = Claim & { envelope: Envelope; isKeyInUse: boolean }

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

/** Null for what no worker of ours has signed about this write. */
function openClaim({ trust }: Pick<DoorDeps, 'trust'>, said: unknown, about: AboutClaim): ToldClaim | null {
  const envelope = EnvelopeSchema.safeParse(said)
  if (!envelope.success) return null
  const expected = { payloadType: CLAIM_PAYLOAD_TYPE, purpose: 'receipt' } as const
  const opened = openWarning(envelope.data, expected, trust.keys)
  const claim = ClaimSchema.safeParse(opened?.document)
  if (!opened || !claim.success) return null
  const isAbout =
    claim.data.organization === about.organization && claim.data.writebackId === about.writebackId
  return isAbout ? { ...claim.data, envelope: envelope.data, isKeyInUse: opened.isInUse } : null
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
