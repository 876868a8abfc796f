/** Operations on the deployment itself. */
import { z } from 'zod'
import { defineOperation, TimestampSchema } from './operation.ts'

export const CheckSchema = z.object({
  name: z.string(),
  /** `warn`: it works, and somebody should look. `fail`: something does not work. */
  status: z.enum(['ok', 'warn', 'fail']),
  /** What is, in a sentence. */
  summary: z.string(),
  /** What to do about it; null when all is well. */
  action: z.string().nullable(),
})
export type Check = z.infer<typeof CheckSchema>

export const getHealth = defineOperation({
  name: 'getHealth',
  method: 'GET',
  path: '/v1/health/details',
  scope: 'admin',
  summary:
    'Check everything this deployment needs, each with what to do about it. Rows are counted for the organization of ' +
    'the key.',
  output: z.object({
    /** The worst of all checks. */
    status: CheckSchema.shape.status,
    checked_at: TimestampSchema,
    checks: z.array(CheckSchema),
  }),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})
