/**
 * Starts a dry run and waits for what it tells. The API signs what its readings may be made for: this revision, this
 * requester, this one execution, for a little longer than it may take. Nothing is stored.
 */
import { WorkflowFailedError } from '@temporalio/client'
import { findHead } from '../db/queries/manifests.ts'
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
import { checkInput, checkOnBehalfOf, checkTexts } from './deliveries/input.ts'
import type { ApiDeps } from './deps.ts'
import { PlacedError } from './errors.ts'
import { newId } from './ids.ts'
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
  const head = await findHead(deps.database, { organization, kind: 'Automation', name: automation })
  if (head?.body.kind !== 'Automation')
    throw new CodedError('NOT_FOUND', `There is no automation ${automation}.`)
  const { number: revision } = head
  const { spec } = head.body
  checkTexts(input)
  await checkInput(spec, input, organization)
  await checkOnBehalfOf(deps.database, organization, requester.onBehalfOf)
  await checkAnswers(spec, answers, organization)
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

/** An answer stands for something that a dry run does not do. Throws INVALID_INPUT, INVALID_ANSWER. */
async function checkAnswers(
  spec: AutomationSpec,
  answers: Record<string, JsonValue>,
  organization: string,
): Promise<void> {
  for (const [path, answer] of Object.entries(answers)) {
    checkTexts(answer)
    const step = findStep(spec.steps, path)
    const mayHave =
      step && ('tool_call' in step || 'writeback' in step || 'ask' in step || 'run_automation' in step)
    if (!mayHave) {
      const message = step ? 'this step is done in a dry run, and takes no answer' : 'there is no such step'
      throw new PlacedError('INVALID_INPUT', [{ path: `answers["${path}"]`, rule: 'argument', message }])
    }
    const problem = 'ask' in step ? await misfit(step.ask.form as JsonObject, answer, organization) : null
    if (problem !== null) throw new CodedError('INVALID_ANSWER', `${path}: ${problem}`)
  }
}
