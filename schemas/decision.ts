/**
 * The document inside a signed decision: one person's verdict on one exact write. The API writes and signs it for a
 * person it has authenticated; an activity opens the envelope, reads it with this schema, and looks the principal up.
 */
import { z } from 'zod'
import { MAX_TICKET_LENGTH } from '../lib/limits.ts'
import { CommentSchema, JsonSchema, SHA256_HEX } from './common.ts'

export const DECISION_PAYLOAD_TYPE = 'application/vnd.countersign.decision+json'

export const DecisionSchema = z.strictObject({
  decisionId: z.string().regex(/^dec_[0-9a-f]{32}$/),
  organization: z.string().min(1),
  writebackId: z.string().min(1),
  digest: z.string().regex(SHA256_HEX),
  verdict: z.enum(['approve', 'reject']),
  principal: z.string().min(1),
  /** As they were when the person decided; what counts is what they are when the decision is looked at. */
  roles: z.array(z.string()),
  /** How the door knew who it was; `asserted` means: not at all. */
  method: z.enum(['api_key', 'asserted']),
  channel: z.enum(['api', 'cli', 'signal']),
  /** To the millisecond, as `toISOString` writes it: such texts sort as the times do. */
  at: z.iso.datetime({ precision: 3 }),
  comment: CommentSchema,
  /** To a question, with the verdict `approve`; of no meaning for a write. */
  answer: JsonSchema.optional(),
})

export type Decision = z.infer<typeof DecisionSchema>

/** DSSE, as our own documents are kept: as large as what they tell of, which is bounded where it is planned. */
export const KeptEnvelopeSchema = z.strictObject({
  payloadType: z.string().max(200),
  /** In base64, which is looked at when it is opened. */
  payload: z.string(),
  signatures: z
    .array(z.strictObject({ keyid: z.string().max(100), sig: z.base64().max(1_000) }))
    .min(1)
    .max(4),
})

/** The same, bounded: what anybody may send. */
export const EnvelopeSchema = KeptEnvelopeSchema.extend({ payload: z.base64().max(MAX_TICKET_LENGTH) })
