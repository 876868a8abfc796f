/** The document inside a receipt: an in-toto statement, so that existing verifiers can read it. */
import { z } from 'zod'
import { SHA256_HEX } from './common.ts'

export const RECEIPT_PAYLOAD_TYPE = 'application/vnd.in-toto+json'
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
export const DECISION_PREDICATE = 'urn:countersign:receipt:decision:v1'
export const OUTCOME_PREDICATE = 'urn:countersign:receipt:outcome:v1'
/** A person's word on a write whose outcome receipt says `unknown`. */
export const RESOLUTION_PREDICATE = 'urn:countersign:receipt:resolution:v1'

/** Every receipt's predicate has these; the rest says what was decided or done. */
const PredicateSchema = z.looseObject({
  organization: z.string(),
  runId: z.string(),
  seq: z.int().min(1),
  /** SHA-256 of the payload of the receipt before this one in the same run; null for the first. */
  previous: z.string().regex(SHA256_HEX).nullable(),
  at: z.iso.datetime(),
})

export const StatementSchema = z.object({
  _type: z.literal(STATEMENT_TYPE),
  subject: z.array(z.object({ name: z.string(), digest: z.object({ sha256: z.string() }) })).length(1),
  predicateType: z.enum([DECISION_PREDICATE, OUTCOME_PREDICATE, RESOLUTION_PREDICATE]),
  predicate: PredicateSchema,
})

export type Statement = z.infer<typeof StatementSchema>
