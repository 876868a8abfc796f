/**
 * What travels between the API, the workflow of a dry run and its activity. The grant is what the activity believes: the
 * API signs it for somebody it has authenticated, and it names everything that a reading may be made for.
 */
import { z } from 'zod'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import type { Envelope, LogLine, Preview, Stage } from './run.ts'

export const DRY_RUN_PAYLOAD_TYPE = 'application/vnd.countersign.dry-run+json'

export const DryRunGrantSchema = z.strictObject({
  organization: z.string().min(1),
  automation: z.string().min(1),
  revision: z.int().min(1),
  requester: z.strictObject({
    principal: z.string().min(1),
    kind: z.enum(['person', 'service', 'agent']),
    onBehalfOf: z.array(z.string()),
  }),
  /** The one execution that it is for. */
  workflowId: z.string().min(1),
  expiresAt: z.iso.datetime({ precision: 3 }),
})

export type DryRunGrant = z.infer<typeof DryRunGrantSchema>

export interface DryRunInput {
  grant: Envelope
  input: JsonValue
  /** What `run` is in expressions. */
  run: JsonObject
  /** By path: what stands for the output of a write, the answer to a question, the result of another run. */
  answers: Record<string, JsonValue>
}

/** One call of a step; organization, revision and requester are the grant's. */
export interface DryCall {
  path: string
  connection: string
  operation: string
  arguments: JsonObject
  raisedToWrite: boolean
}

/** A write as it would be planned now. */
export interface WouldWrite {
  preview: Preview
  /** `policy/rule` */
  rule: string
  /** Who would be asked; empty if nobody is. */
  asks: Stage[]
  /** Why it would not be applied, whoever agrees. */
  refusal: { code: string; message: string } | null
  /** Why it would wait although everybody agrees: its connection is frozen. */
  heldBecause: string | null
}

export type PreviewResult = { kind: 'read'; output: JsonValue } | ({ kind: 'write' } & WouldWrite)

export interface DryStep {
  path: string
  status: 'completed' | 'failed' | 'skipped' | 'stopped'
  output?: JsonValue
  isOutputOmitted?: boolean
  logs?: LogLine[]
  error?: { code: string; message: string }
  /** Path of a step whose output it would take. */
  needs?: string
  wouldWrite?: WouldWrite
  wouldAsk?: { title: string; markdown: string }
  wouldStart?: { automation: string; input: JsonValue }
  wouldSleepMs?: number
}

export interface DryRunResult {
  /** `stopped`: what comes next takes an output that nobody has. */
  state: 'completed' | 'failed' | 'stopped'
  output: JsonValue
  /** Paths of the steps whose output stands in `output` as null. */
  unknown: string[]
  error: { code: string; message: string } | null
  steps: DryStep[]
  omittedSteps: number
  isOutOfTime: boolean
}
