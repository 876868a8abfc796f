/**
 * What a worker signs about a write, besides receipts: that it has planned it, that it is about to send it, that it has
 * no answer, and that it has not sent it after all.
 */
import { z } from 'zod'
import { SHA256_HEX } from './common.ts'
import { isErrorCode, type ErrorCode } from './errors.ts'

export const CLAIM_PAYLOAD_TYPE = 'application/vnd.countersign.claim+json'
export const RELEASE_PAYLOAD_TYPE = 'application/vnd.countersign.release+json'
export const PLAN_PAYLOAD_TYPE = 'application/vnd.countersign.plan+json'

/** Told to Temporal before a write is sent, so that a ledger that forgets it can be reminded. */
export const ClaimSchema = z.object({
  organization: z.string(),
  writebackId: z.string(),
  attempt: z.int().min(1),
  /** Of the write. */
  digest: z.string().regex(SHA256_HEX),
  claimedAt: z.string(),
  deadlineAt: z.string(),
  /** The row of the ledger; null if it is too large to travel. */
  row: z.record(z.string(), z.unknown()).nullable(),
})

export type Claim = z.infer<typeof ClaimSchema>

export const LOST_ANSWER_PAYLOAD_TYPE = 'application/vnd.countersign.lost-answer+json'

/** What came instead of an answer that says what was done. */
export const LostAnswerSchema = z.object({
  organization: z.string(),
  writebackId: z.string(),
  attempt: z.int().min(1),
  code: z.custom<ErrorCode>(isErrorCode),
  /** Of the target, or of whoever has noticed. */
  words: z.string(),
  /** The target has answered, with an error or with what cannot be read: it is done with this attempt. */
  isAnswered: z.boolean(),
})

export type LostAnswer = z.infer<typeof LostAnswerSchema>
/** The claim of this time, and all before it, have surely changed nothing. */
export const ReleaseSchema = z.object({
  organization: z.string(),
  writebackId: z.string(),
  digest: z.string().regex(SHA256_HEX),
  claimedAt: z.string(),
})

export const SignedPlanSchema = z.object({
  organization: z.string(),
  writebackId: z.string(),
  /** Of all that a row keeps from its plan to its end. */
  sha256: z.string().regex(SHA256_HEX),
  plannedAt: z.string(),
})
