/**
 * The document inside a signed resolution: what one person has found out about a write whose outcome nobody knew. The
 * API writes and signs it for a person it has authenticated, as it does with a decision; the door opens it and looks
 * the principal up before it records what it says.
 */
import { z } from 'zod'
import { SHA256_HEX } from './common.ts'

export const RESOLUTION_PAYLOAD_TYPE = 'application/vnd.countersign.resolution+json'

export const ResolutionWordSchema = z.enum(['applied', 'not_applied'])

export const ResolutionSchema = z.strictObject({
  resolutionId: z.string().regex(/^res_[0-9a-f]{32}$/),
  organization: z.string().min(1),
  writebackId: z.string().min(1),
  digest: z.string().regex(SHA256_HEX),
  resolution: ResolutionWordSchema,
  principal: z.string().min(1),
  /** As they were when the person said it; what counts is what they are when it is looked at. */
  roles: z.array(z.string()),
  method: z.literal('api_key'),
  channel: z.enum(['api', 'cli']),
  at: z.iso.datetime({ precision: 3 }),
  comment: z.string().max(4_096),
})

export type Resolution = z.infer<typeof ResolutionSchema>
