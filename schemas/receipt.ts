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

/**
 * How it is known what became of a write: `atomic`, because the target keeps our key in the transaction that changes it;
 * `checked`, by a look at the target; `answered`, by the word of the target; `person`. Null in a receipt where nothing was
 * sent, and where nobody knows. Beside it stands `answerSha256`, of the canonical JSON of the answer that is kept.
 */
export const KnownHowSchema = z.enum(['atomic', 'checked', 'answered'])
export type How = z.infer<typeof KnownHowSchema> | 'person'

/** Null where the target has answered nothing that is kept. */
export const AnswerDigestSchema = z.string().regex(SHA256_HEX).nullable()

export const HEAD_PAYLOAD_TYPE = 'application/vnd.countersign.receipts-head+json'

/** What the API has seen and signed at the moment of an export: how many receipts the run has, and the last of them. */
export const SignedHeadSchema = z.strictObject({
  organization: z.string(),
  runId: z.string(),
  seq: z.int().min(0),
  /** Null if there are none. */
  sha256: z.string().regex(SHA256_HEX).nullable(),
  at: z.iso.datetime(),
})

export type Statement = z.infer<typeof StatementSchema>
