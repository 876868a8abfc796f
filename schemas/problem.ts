/** The body of every answer that is not a success: RFC 9457, with our code and the next action. */
import { z } from 'zod'

export const ProblemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  hint: z.string(),
  request_id: z.string(),
  /** Every place that is wrong, such as `manifests[0].spec.steps[1].if`. */
  errors: z
    .array(z.object({ path: z.string(), message: z.string(), hint: z.string().optional() }))
    .optional(),
})

export type Problem = z.infer<typeof ProblemSchema>
export type ProblemPlace = NonNullable<Problem['errors']>[number]
