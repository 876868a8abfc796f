/**
 * Every step of a run. What became of each, the run itself says, if a worker is there to ask; what it has tried, the
 * history. Without a worker the history stands alone, and steps that call nothing are missing.
 */
import { z } from 'zod'
import { JsonSchema } from '../schemas/common.ts'
import type { WriteOfStep } from '../db/queries/run-rows.ts'
import type { JsonValue } from '../lib/json.ts'
import { MESSAGES } from '../schemas/names.ts'
import { LogLineSchema, type AttemptView, type RunView, type StepView } from '../schemas/operations/runs.ts'
import { failedTaskOf } from './failed-task.ts'
import { heldUpBy } from './held-up.ts'
import { attemptsOf, type StepAttempt } from './run-history.ts'
import type { RunDescription } from './run-state.ts'
import { withPatience, type TemporalAccess } from './temporal.ts'

type Steps = Pick<RunView, 'steps' | 'steps_from' | 'attempts_omitted' | 'held_up_by'>

/** A larger history is not read for every look at its run. */
const MAX_HISTORY_BYTES = 8 * 1024 * 1024

const QUERY_PATIENCE_MS = 1_000
/** A workflow task that nobody has taken for this long says that no worker is there. */
const NO_WORKER_AFTER_MS = 2_000

const ErrorSchema = z.object({ code: z.string(), message: z.string() })
/** Of the answer to `getRun`: what is wanted of it. A worker may be newer than we are. */
const AnswerSchema = z.object({
  steps: z.record(
    z.string(),
    z.object({
      status: z.enum(['running', 'completed', 'failed', 'skipped']),
      output: JsonSchema.optional(),
      outputOmitted: z.boolean().optional(),
      logs: z.array(LogLineSchema).optional(),
      error: ErrorSchema.optional(),
    }),
  ),
})

type Told = z.infer<typeof AnswerSchema>['steps']

export interface StepsContext {
  workflowId: string
  described: RunDescription
  /** Of the whole run, oldest first. */
  writes: readonly WriteOfStep[]
}

export async function stepsOf(temporal: TemporalAccess, context: StepsContext): Promise<Steps> {
  const { workflowId, described } = context
  const { execution, temporal_run_id: runId } = described
  if (!execution || !runId) return { steps: [], steps_from: 'none', attempts_omitted: false, held_up_by: [] }
  const waiting = new Set(context.writes.flatMap((write) => (write.waits_for_people ? [write.path] : [])))
  const isTooLarge = execution.historyBytes > MAX_HISTORY_BYTES
  const isOpen = described.state === 'running'
  const [attempts, told, failedTask] = await Promise.all([
    isTooLarge ? [] : attemptsOf(temporal, { workflowId, runId }, { facts: execution, waiting }),
    askRun(temporal, context),
    isOpen ? failedTaskOf(temporal, { workflowId, runId }, execution) : null,
  ])
  const paths = [...new Set([...(told ? Object.keys(told) : []), ...attempts.map(({ path }) => path)])]
  return {
    steps: paths.map((path) => stepView(path, { told: told?.[path], attempts, context })),
    steps_from: told ? 'workflow' : isTooLarge ? 'none' : 'history',
    attempts_omitted: isTooLarge,
    held_up_by: isOpen ? heldUpBy(attempts, { ...execution, failedTask }, Date.now()) : [],
  }
}

/** Undefined if no worker answers in time, or none is there that could. */
async function askRun(
  temporal: TemporalAccess,
  { workflowId, described }: StepsContext,
): Promise<Told | undefined> {
  const sinceMs = described.execution?.taskWaitsSinceMs ?? null
  if (sinceMs !== null && Date.now() - sinceMs > NO_WORKER_AFTER_MS) return undefined
  const handle = temporal.client.workflow.getHandle(workflowId, described.temporal_run_id ?? undefined)
  try {
    const answer = await withPatience(
      temporal,
      () => handle.query<unknown>(MESSAGES.getRunQuery),
      QUERY_PATIENCE_MS,
    )
    return AnswerSchema.parse(answer).steps
  } catch {
    // No worker, one that cannot replay the run, or one that answers in another form: `steps_from` says so.
    return undefined
  }
}

function stepView(
  path: string,
  {
    told,
    attempts,
    context,
  }: { told: Told[string] | undefined; attempts: StepAttempt[]; context: StepsContext },
): StepView {
  const own = attempts.filter((attempt) => attempt.path === path)
  const writes = context.writes.filter((write) => write.path === path)
  const waits = writes.some(({ waits_for_people, state }) => waits_for_people || state === 'unknown')
  const state = told?.status ?? stateFrom(own)
  return {
    path,
    state: state === 'running' && waits ? 'waiting' : state,
    output: (told?.output ?? null) as JsonValue,
    output_omitted: told?.outputOmitted ?? false,
    logs: told?.logs ?? [],
    error: told?.error ?? (state === 'failed' ? (own.at(-1)?.failure ?? null) : null),
    writeback_ids: writes.map(({ writeback_id }) => writeback_id),
    attempts: own.map(({ path: _path, ...attempt }) => attempt),
  }
}

/** The last attempt tells, as far as the history does. */
function stateFrom(attempts: readonly AttemptView[]): 'running' | 'completed' | 'failed' {
  const last = attempts.at(-1)?.state
  if (last === undefined || last === 'scheduled' || last === 'running') return 'running'
  return last === 'completed' ? 'completed' : 'failed'
}
