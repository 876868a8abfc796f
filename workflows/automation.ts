/**
 * One run of one automation revision. The plan came with the start, so a run asks nobody what to do; it is pinned to
 * that plan, whatever is saved later. Calls go through the door; what has to wait for people becomes a child workflow.
 */
import {
  CancellationScope,
  CancelledFailure,
  isCancellation,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow'
import type { JsonValue } from '../lib/json.ts'
import {
  NOT_WAITING,
  WAITING_FOR_APPROVAL,
  WAITING_FOR_RESOLUTION,
  WORKFLOW_TYPES,
  writebackIdOf,
  writebackWorkflowId,
} from '../schemas/names.ts'
import type {
  Call,
  ReadOutcome,
  ReceiptsHead,
  RunInput,
  WritebackInput,
  WriteOutcome,
} from '../schemas/run.ts'
import { cancelById, executeOrAttach, keyword } from './children.ts'
import { callSummary, runDetails } from './details.ts'
import { failure, stepErrorOf } from './failures.ts'
import { forwardDecisions, forwardResolutions } from './forward.ts'
import { advance, type ReadyStep } from './interpreter/advance.ts'
import {
  createRunState,
  withStep,
  type RunState,
  type SettledStep,
  type StepError,
} from './interpreter/state.ts'
import { getRunQuery } from './messages.ts'
import { laterHead, withHead } from './receipts-head.ts'
import { inRounds } from './rounds.ts'
import { performCall, settling } from './write.ts'

interface Run {
  input: RunInput
  state: RunState
  /** Writebacks that are under way, by step path, and whom they wait for as far as the run knows. */
  waiting: Map<string, { workflowId: string; state: string }>
  /** What the run's outcomes say about the chain of its receipts; null before the first. */
  receipts: ReceiptsHead | null
}

export async function automationWorkflow(input: RunInput): Promise<JsonValue> {
  const { plan, runId, organization } = input
  const about = { id: runId, organization, automation: plan.automation, revision: plan.revision }
  const run: Run = { input, state: createRunState(input.input, about), waiting: new Map(), receipts: null }
  forwardDecisions(() => waitingIds(run))
  forwardResolutions(() => waitingIds(run))
  setHandler(getRunQuery, () => ({ ...about, steps: run.state.steps, receipts: run.receipts }), {
    description: 'Every step, and what became of it',
  })
  const underWay = new Map<string, Promise<void>>()
  for (;;) {
    const { state, next } = advance(plan, run.state)
    run.state = state
    showDetails(run)
    switch (next.kind) {
      case 'completed':
        return withHead(next.output, run.receipts)
      case 'failed':
        throw endOf(next.error, run.receipts)
      case 'start':
        for (const step of next.steps) underWay.set(step.path, follow(run, step, underWay))
        break
      case 'wait':
        await Promise.race(underWay.values())
        break
      default:
        next satisfies never
    }
  }
}

/** What a cancel has taken back ends the run as cancelled; any other failure keeps its word. */
function endOf(error: StepError, receipts: ReceiptsHead | null): Error {
  const wasCancelled = CancellationScope.current().consideredCancelled
  if (wasCancelled && (error.code === 'WITHDRAWN' || error.code === 'CANCELLED'))
    return new CancelledFailure(error.message)
  return failure(error, receipts ? [{ receipts }] : [])
}

async function follow(run: Run, step: ReadyStep, underWay: Map<string, Promise<void>>): Promise<void> {
  const settled = await execute(run, step)
  run.state = withStep(run.state, step.path, settled)
  underWay.delete(step.path)
}

/** Only a cancel is thrown: every other failure is the step's. */
async function execute(run: Run, step: ReadyStep): Promise<SettledStep> {
  try {
    return settledStep(await outcomeOf(run, step))
  } catch (error) {
    if (isCancellation(error)) throw error
    return { status: 'failed', output: null, error: stepErrorOf(error) }
  }
}

async function outcomeOf(run: Run, step: ReadyStep): Promise<ReadOutcome | WriteOutcome> {
  return inRounds(async (round) => {
    const outcome = await roundOf(run, step, round)
    noteReceipt(run, outcome)
    return outcome
  })
}

async function roundOf(run: Run, step: ReadyStep, round: number): Promise<ReadOutcome | WriteOutcome> {
  const call = callOf(run.input, step, round)
  const { searchAttributes } = run.input
  const work = async (): Promise<ReadOutcome | WriteOutcome> => {
    if (step.type === 'writeback')
      return waitForWriteback(run, step, { call, searchAttributes }, WAITING_FOR_APPROVAL)
    const result = await performCall(call, [], callSummary(call))
    if (result.kind === 'needs_approval')
      return waitForWriteback(run, step, { call, asked: result, searchAttributes }, WAITING_FOR_APPROVAL)
    const { outcome } = result
    return outcome.kind === 'write' && outcome.status === 'unknown'
      ? waitForWriteback(run, step, { call, searchAttributes }, WAITING_FOR_RESOLUTION)
      : outcome
  }
  return settling<ReadOutcome | WriteOutcome>(call, [], work, async (outcome) => {
    noteReceipt(run, outcome)
    // A run that was reset may be cancelled before it has come back to the writeback that it had started.
    const { organization, origin } = call
    const workflowId = writebackWorkflowId({ organization, writebackId: origin.writebackId })
    await CancellationScope.nonCancellable(() => cancelById(workflowId))
  })
}

function noteReceipt(run: Run, outcome: ReadOutcome | WriteOutcome): void {
  run.receipts = laterHead(run.receipts, outcome)
}

function callOf(input: RunInput, { path, call, timeoutMs }: ReadyStep, round: number): Call {
  const { organization, deliveryId, runId, plan } = input
  const { firstExecutionRunId } = workflowInfo()
  const writebackId = writebackIdOf({ firstExecutionRunId, path, round })
  const origin = {
    deliveryId,
    runId,
    automation: plan.automation,
    revision: plan.revision,
    path,
    writebackId,
  }
  return { organization, ...call, timeoutMs, origin }
}

async function waitForWriteback(
  run: Run,
  step: ReadyStep,
  input: WritebackInput,
  state: string,
): Promise<WriteOutcome> {
  const { call } = input
  const { organization, connection, origin } = call
  const workflowId = writebackWorkflowId({ organization, writebackId: origin.writebackId })
  run.waiting.set(step.path, { workflowId, state })
  showWaiting(run)
  showDetails(run)
  try {
    return await executeOrAttach<WriteOutcome>({
      type: WORKFLOW_TYPES.writeback,
      workflowId,
      input,
      summary: `${callSummary(call)} for step ${step.path}`,
      details: `One write of run \`${origin.runId}\` (${origin.automation} revision ${origin.revision}).`,
      searchAttributes: input.searchAttributes
        ? [
            keyword('org', organization),
            keyword('automation', origin.automation),
            keyword('connection', connection),
          ]
        : [],
    })
  } finally {
    run.waiting.delete(step.path)
    showWaiting(run)
  }
}

function settledStep(outcome: ReadOutcome | WriteOutcome): SettledStep {
  if (outcome.kind === 'read') return { status: 'completed', output: outcome.output }
  const writeback = { id: outcome.writebackId, status: outcome.status, receipt: outcome.receipt.id }
  if (outcome.status === 'applied' || outcome.status === 'already_applied') {
    return { status: 'completed', output: outcome.output, writeback }
  }
  const error = { code: outcome.code ?? 'WRITE_FAILED', message: outcome.message ?? outcome.status }
  return { status: 'failed', output: null, error, writeback }
}

/** One event each time a run starts or stops waiting, so that waiting runs can be listed. */
function showWaiting(run: Run): void {
  if (!run.input.searchAttributes) return
  const states = [...run.waiting.values()].map(({ state }) => state)
  const [first = NOT_WAITING] = states
  upsertSearchAttributes([
    keyword('state', states.includes(WAITING_FOR_APPROVAL) ? WAITING_FOR_APPROVAL : first),
  ])
}

function showDetails(run: Run): void {
  setCurrentDetails(runDetails(run.input.plan, run.state, waitingIds(run), run.receipts))
}

function waitingIds(run: Run): string[] {
  return [...run.waiting.values()].map(({ workflowId }) => workflowId)
}
