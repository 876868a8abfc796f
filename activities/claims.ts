/**
 * Temporal as a witness of what is about to be sent. The ledger may go back behind a claim: a standby takes over that had
 * not got it. So before a write leaves, Temporal has the claim too, in the details of the activity’s heartbeat, and gives
 * it to the next attempt, which puts it back into a ledger that knows less. Signed: whoever can write to the namespace
 * can write such details.
 */
import { restoreClaim } from '../db/queries/claims.ts'
import { findWriteback, type WritebackRow } from '../db/queries/writebacks.ts'
import { openEnvelope, signEnvelope } from '../lib/dsse.ts'
import { claimIn } from '../lib/told-claim.ts'
import { utf8Bytes } from '../lib/limits.ts'
import { ClaimSchema, CLAIM_PAYLOAD_TYPE, type Claim } from '../schemas/claim.ts'
import { EnvelopeSchema } from '../schemas/decision.ts'
import { CodedError } from '../schemas/errors.ts'
import type { Envelope } from '../schemas/run.ts'
import type { DoorDeps } from './door.ts'

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

/** With the envelope in which it was signed, so that it can be handed on. */
type ToldClaim = Claim & { envelope: Envelope }

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
  const claim = ClaimSchema.safeParse(openEnvelope(envelope.data, expected, trust.keys)?.document)
  if (!claim.success) return null
  const isAbout =
    claim.data.organization === about.organization && claim.data.writebackId === about.writebackId
  return isAbout ? { ...claim.data, envelope: envelope.data } : null
}

/**
 * True if the ledger had forgotten the claim that an earlier attempt was sent with, and has it again: what follows is
 * what follows for every attempt that is gone. Throws OUTCOME_UNKNOWN where it cannot be put back.
 */
export async function recallClaim(
  deps: DoorDeps,
  said: readonly unknown[],
  about: AboutClaim,
  row: WritebackRow | null,
): Promise<boolean> {
  const [claim] = claimsAmong(deps, said, about)
  if (!claim || (row && (row.outcome !== null || row.attempt >= claim.attempt))) return false
  const { attempt, writebackId } = claim
  const facts = {
    writeback: writebackId,
    attempt,
    recorded: row ? `${row.state}, attempt ${row.attempt}` : 'nothing',
  }
  deps.warn('the ledger is older than what was sent', facts)
  if (await restoreClaim(deps.database, claim)) return true
  const now = await findWriteback(deps.database, about)
  if (now && (now.outcome !== null || now.attempt >= attempt)) return true
  const has = now ? `has another plan of it, ${now.state}` : 'does not know it'
  const detail = `attempt ${attempt} of ${writebackId} may have been sent, and the ledger ${has}`
  throw new CodedError('OUTCOME_UNKNOWN', detail)
}
