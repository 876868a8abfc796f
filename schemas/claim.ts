/** What a worker tells Temporal before it sends a write, so that one who forgets it can be reminded. */
import { z } from 'zod'
import { SHA256_HEX } from './common.ts'

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
