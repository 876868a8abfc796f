/** What a worker tells Temporal before it sends a write, so that one who forgets it can be reminded, and when it has no answer. */
import { z } from 'zod'
import { SHA256_HEX } from './common.ts'
import { isErrorCode, type ErrorCode } from './errors.ts'

export const CLAIM_PAYLOAD_TYPE = 'application/vnd.countersign.claim+json'

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
