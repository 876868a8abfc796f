/** The body of every answer that is not a success: RFC 9457, with our code and the next action. */
import { z } from 'zod'

/** What a place breaks: a short name that does not change when its sentence does. */
export const PLACE_RULES = [
  'schema',
  'json-schema',
  'limit',
  'storable',
  'exact',
  'yaml',
  'expression',
  'unknown-reference',
  'wrong-kind',
  'argument',
  'duplicate-name',
  'reserved-code',
  'misplaced-return',
  'incomplete-write',
  'impossible-quorum',
  'endless',
  'code',
  'import',
  'tool-list',
] as const

export const ProblemPlaceSchema = z.object({
  path: z.string(),
  /** Short, and the same whatever the message says. */
  rule: z.enum(PLACE_RULES),
  message: z.string(),
  hint: z.string().optional(),
})

export const ProblemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string(),
  hint: z.string(),
  request_id: z.string(),
  /** Every place that is wrong, such as `manifests[0].spec.steps[1].if`. */
  errors: z.array(ProblemPlaceSchema).optional(),
})

export type Problem = z.infer<typeof ProblemSchema>
export type ProblemPlace = z.infer<typeof ProblemPlaceSchema>
export type PlaceRule = ProblemPlace['rule']
