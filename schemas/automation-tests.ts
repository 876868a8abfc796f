/**
 * Tests of automations, as people write them in `*.test.yaml` beside the manifests. A test says what the world answers
 * and what people decide; the run is then played by the interpreter that plays real ones, and compared.
 *
 * Paths may hold `*` for any characters: `each[*].notify`. A step of a sub-run that is played too is `settle/waive`.
 */
import { z } from 'zod'
import {
  DurationSchema,
  JsonObjectSchema,
  JsonSchema,
  NameSchema,
  PrincipalIdSchema,
  RoleSchema,
} from './common.ts'
import { isErrorCode } from './errors.ts'

const PathSchema = z.string().min(1).max(500)

const OutcomeShape = {
  output: JsonSchema.optional(),
  error: z.strictObject({ code: z.string().min(1), message: z.string().default('said the test') }).optional(),
}

const OutcomeSchema = z
  .strictObject(OutcomeShape)
  .refine(saysOne, 'must say exactly one of output and error')
  .refine(hasKnownCode, { path: ['error', 'code'], message: 'is none of the codes of the error table' })

/** The first answer that fits a step counts. */
const AnswerSchema = z
  .strictObject({
    path: PathSchema.optional(),
    connection: NameSchema.optional(),
    tool: z.string().min(1).max(128).optional(),
    automation: NameSchema.optional(),
    arguments: JsonObjectSchema.optional(),
    class: z.enum(['read', 'write']).optional(),
    ...OutcomeShape,
    sequence: z.array(OutcomeSchema).min(1).optional(),
  })
  .refine(
    ({ path, connection, automation }) => (path ?? connection ?? automation) !== undefined,
    'must say whose answer it is: path, connection (and tool), or automation',
  )
  .refine(saysOne, 'must say exactly one of output, error and sequence')
  .refine((answer) => answer.automation !== undefined || hasKnownCode(answer), {
    path: ['error', 'code'],
    message: 'is none of the codes of the error table',
  })

const DecisionSchema = z.strictObject({
  path: PathSchema,
  verdict: z.enum(['approve', 'reject', 'expire']),
  by: PrincipalIdSchema.optional(),
  roles: z.array(RoleSchema).default([]),
  after: DurationSchema.default('1m'),
  comment: z.string().max(500).default(''),
})

/** Whoever may not answer is refused, and the next one that fits is taken. */
const AskSchema = z
  .strictObject({
    path: PathSchema,
    answer: JsonSchema.optional(),
    expire: z.literal(true).optional(),
    by: PrincipalIdSchema.optional(),
    roles: z.array(RoleSchema).default([]),
    after: DurationSchema.default('1m'),
  })
  .refine(
    ({ answer, expire }) => (answer === undefined) !== (expire === undefined),
    'must say exactly one of answer and expire',
  )

const StatusSchema = z.enum(['completed', 'failed', 'skipped', 'waiting', 'not_reached'])

const ExpectedStageSchema = z.strictObject({
  roles: z.array(RoleSchema).default([]),
  people: z.array(PrincipalIdSchema).default([]),
  quorum: z.int().min(1).default(1),
})

const ExpectedWriteSchema = z.strictObject({
  path: PathSchema,
  connection: z.string().optional(),
  operation: z.string().optional(),
  arguments: JsonObjectSchema.optional(),
  rule: z.string().optional(),
  asks: z.array(ExpectedStageSchema).optional(),
  status: z
    .enum(['applied', 'conflict', 'failed', 'refused', 'rejected', 'expired', 'withdrawn', 'waiting'])
    .optional(),
  refused: z.array(z.string()).optional(),
})

const ExpectedAskSchema = z.strictObject({
  path: PathSchema,
  title: z.string().optional(),
  markdown: z.string().optional(),
  of: ExpectedStageSchema.pick({ roles: true, people: true }).optional(),
  refused: z.array(z.string()).optional(),
})

const ExpectSchema = z.strictObject({
  state: z.enum(['completed', 'failed', 'waiting']).optional(),
  output: JsonSchema.optional(),
  error: z.strictObject({ code: z.string(), message: z.string().optional() }).optional(),
  writebacks: z.array(ExpectedWriteSchema).optional(),
  asks: z.array(ExpectedAskSchema).optional(),
  logs: z.record(PathSchema, z.array(z.string())).optional(),
  skipped: z.array(PathSchema).optional(),
  steps: z.record(PathSchema, StatusSchema).optional(),
})

const TestSchema = z.strictObject({
  name: z.string().min(1).max(200),
  input: JsonSchema.default({}),
  at: z.iso.datetime().default('2026-01-01T00:00:00Z'),
  requester: z
    .strictObject({
      principal: PrincipalIdSchema,
      kind: z.enum(['person', 'service', 'agent']).default('person'),
      on_behalf_of: z.array(PrincipalIdSchema).default([]),
    })
    .default({ principal: 'requester@example.org', kind: 'person', on_behalf_of: [] }),
  answers: z.array(AnswerSchema).default([]),
  decisions: z.array(DecisionSchema).default([]),
  asks: z.array(AskSchema).default([]),
  expect: ExpectSchema,
})

export const TestFileSchema = z.strictObject({
  automation: NameSchema,
  manifests: z.array(z.string().min(1)).default(['.']),
  answers: z.array(AnswerSchema).default([]),
  tests: z.array(TestSchema).min(1).max(500),
})

export type TestFile = z.infer<typeof TestFileSchema>
export type AutomationTest = z.infer<typeof TestSchema>
export type Answer = z.infer<typeof AnswerSchema>
export type Outcome = z.infer<typeof OutcomeSchema>
export type DecisionFixture = z.infer<typeof DecisionSchema>
export type AskFixture = z.infer<typeof AskSchema>
export type Expected = z.infer<typeof ExpectSchema>
export type StepStatus = z.infer<typeof StatusSchema>

function saysOne(value: object): boolean {
  return ['output', 'error', 'sequence'].filter((key) => key in value).length === 1
}

function hasKnownCode({ error }: { error?: { code: string } | undefined }): boolean {
  return error === undefined || isErrorCode(error.code)
}
