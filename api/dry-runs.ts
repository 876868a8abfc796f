/**
 * Starts a dry run and waits for what it tells. The API signs what its readings may be made for: this revision, this
 * requester, this one execution, for a little longer than it may take. Nothing is stored.
 */
import { WorkflowFailedError } from '@temporalio/client'
import { misfit } from '../lib/answer-form.ts'
import { signEnvelope } from '../lib/dsse.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { MAX_DRY_RUN_MS } from '../lib/limits.ts'
import {
  DRY_RUN_PAYLOAD_TYPE,
  type DryRunGrant,
  type DryRunInput,
  type DryRunResult,
} from '../schemas/dry-run.ts'
import { CodedError } from '../schemas/errors.ts'
import type { AutomationSpec } from '../schemas/manifests.ts'
import { dryRunWorkflowId, WORKFLOW_TYPES } from '../schemas/names.ts'
import { compilePlan } from '../schemas/plan.ts'
import type { Plan, Requester } from '../schemas/run.ts'
import { findStep } from '../schemas/step-tree.ts'
import { unstorableTexts } from '../lib/storable.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { findAutomation, moreStartFaults, startPlaces, throwIfAny } from './deliveries/input.ts'
import type { ApiDeps } from './deps.ts'
import { PlacedError } from './errors.ts'
import { newId } from './ids.ts'
import type { MoreFaults } from './operations/implement.ts'
import { isTemporalAway, withPatience } from './temporal.ts'

export interface DryRunRequest {
  organization: string
  automation: string
  input: JsonValue
  requester: Requester
  answers: Record<string, JsonValue>
}

/** For the last readings to be cancelled, and the answer to come back. */
const GRACE_MS = 8_000

export async function dryRun(
  deps: ApiDeps,
  request: DryRunRequest,
): Promise<{ result: DryRunResult; spec: AutomationSpec; revision: number; workflowId: string }> {
  const { organization, automation, input, answers, requester } = request
  const { spec, revision } = await findAutomation(deps.database, request)
  const { onBehalfOf } = requester
  const places = [
    ...(await startPlaces(deps.database, spec, { organization, input, onBehalfOf })),
    ...answerPlaces(spec, answers),
  ]
  const misfits = await answerMisfits(spec, answers, organization)
  throwIfAny(places.length > 0 ? [...places, ...misfits] : [])
  if (misfits.length > 0) throw new PlacedError('INVALID_ANSWER', misfits)
  const id = newId('dry')
  const workflowId = dryRunWorkflowId({ organization, automation, dryRunId: id })
  const grant: DryRunGrant = {
    organization,
    automation,
    revision,
    requester,
    workflowId,
    expiresAt: new Date(Date.now() + MAX_DRY_RUN_MS + GRACE_MS).toISOString(),
  }
  const start: DryRunInput = {
    grant: signEnvelope(DRY_RUN_PAYLOAD_TYPE, grant, deps.signingKey),
    input,
    run: { id, organization, automation, revision },
    answers,
  }
  const result = await play(deps, workflowId, [start, compilePlan(automation, revision, spec)])
  return { result, spec, revision, workflowId }
}

async function play(
  { temporal }: ApiDeps,
  workflowId: string,
  args: [DryRunInput, Plan],
): Promise<DryRunResult> {
  const timeoutMs = MAX_DRY_RUN_MS + GRACE_MS
  const start = (): Promise<DryRunResult> =>
    temporal.client.workflow.execute(WORKFLOW_TYPES.dryRun, {
      workflowId,
      taskQueue: temporal.taskQueue,
      args,
      workflowExecutionTimeout: timeoutMs,
      staticSummary: `**${args[1].automation}** (revision ${args[1].revision}), dry`,
    })
  try {
    return await withPatience(temporal, start, timeoutMs + 2_000)
  } catch (error) {
    if (!(error instanceof WorkflowFailedError) && !isTemporalAway(error)) throw error
    const detail = `The dry run was not over within ${timeoutMs / 1_000} s; is a worker running?`
    throw new CodedError('UNAVAILABLE', detail, { cause: error })
  }
}

/** Of a request whose form is wrong, or whose JSON cannot be kept. */
export const moreDryRunFaults: MoreFaults = async (deps, request) => {
  const { organization } = request.principal
  const { spec } = await findAutomation(deps.database, {
    organization,
    automation: request.params['name'] ?? '',
  })
  const { answers: given } = request.body
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given)
  const answers = isObject ? (given as Record<string, JsonValue>) : {}
  return [
    ...(await moreStartFaults(deps, request)),
    ...answerPlaces(spec, answers),
    ...(await answerMisfits(spec, answers, organization)),
  ]
}

/** An answer stands for something that a dry run does not do. */
function answerPlaces(spec: AutomationSpec, answers: Record<string, JsonValue>): ProblemPlace[] {
  return Object.entries(answers).flatMap(([path, answer]) => {
    const at = placeOfAnswer(path)
    const step = findStep(spec.steps, path)
    const mayHave =
      step && ('tool_call' in step || 'writeback' in step || 'ask' in step || 'run_automation' in step)
    const message = step ? 'this step is done in a dry run, and takes no answer' : 'there is no such step'
    return [
      ...(mayHave ? [] : [{ path: at, rule: 'argument' as const, message }]),
      ...unstorableTexts(answer, at),
    ]
  })
}

/** Answers to questions that do not fit their forms. */
async function answerMisfits(
  spec: AutomationSpec,
  answers: Record<string, JsonValue>,
  organization: string,
): Promise<ProblemPlace[]> {
  const places: ProblemPlace[] = []
  for (const [path, answer] of Object.entries(answers)) {
    const step = findStep(spec.steps, path)
    const problem =
      step && 'ask' in step ? await misfit(step.ask.form as JsonObject, answer, organization) : null
    if (problem !== null) places.push({ path: placeOfAnswer(path), rule: 'argument', message: problem })
  }
  return places
}

function placeOfAnswer(path: string): string {
  return `answers["${path}"]`
}
