/** Performing the steps that need somebody: a call, a write that may wait for people, a sleep, another run. */
import { CancellationScope, isCancellation, sleep, workflowInfo } from '@temporalio/workflow'
import type { JsonValue } from '../lib/json.ts'
import { MAX_SLEEP_MS } from '../lib/limits.ts'
import {
  subRunKeyOf,
  WAITING_FOR_APPROVAL,
  WAITING_FOR_RESOLUTION,
  WORKFLOW_TYPES,
  writebackWorkflowId,
} from '../schemas/names.ts'
import type { Call, ReadOutcome, WritebackInput, WriteOutcome } from '../schemas/run.ts'
import { nearby } from './activity-options.ts'
import { cancelById, executeOrAttach, keyword } from './children.ts'
import { callSummary } from './details.ts'
import { failure, stepErrorOf } from './failures.ts'
import type { SettledStep } from './interpreter/state.ts'
import type { ReadyStep } from './interpreter/turn.ts'
import { inRounds } from './rounds.ts'
import { noteReceipt, originOf, showDetails, showWaiting, type Run } from './run.ts'
import { performCall, settling } from './write.ts'

/** Never throws: whatever happens, a cancel too, is how the step has settled. */
export async function execute(run: Run, step: ReadyStep): Promise<SettledStep> {
  switch (step.type) {
    case 'call':
    case 'writeback':
      return executeCall(run, step)
    case 'sleep':
      return orFailed(run, () => takeNap(step))
    case 'run_automation':
      return orFailed(run, () => runAutomation(run, step))
    default:
      return step satisfies never
  }
}

async function orFailed(run: Run, work: () => Promise<SettledStep>): Promise<SettledStep> {
  try {
    return await work()
  } catch (error) {
    // A sub-run that somebody else has cancelled is just a failure.
    if (isCancellation(error) && CancellationScope.current().consideredCancelled) {
      run.wasCut = true
      return { status: 'failed', output: null, error: { code: 'CANCELLED', message: 'it was cancelled' } }
    }
    return { status: 'failed', output: null, error: stepErrorOf(error) }
  }
}

type ReadyCall = Extract<ReadyStep, { call: unknown }>

/** Where it fails, another try begins behind the last round that was so much as begun. */
async function executeCall(run: Run, step: ReadyCall): Promise<SettledStep> {
  const { path, round: first, delayMs } = step
  let lastRound = first
  const settled = await orFailed(run, async () => {
    if (delayMs > 0) await sleep(delayMs, { summary: `Step ${path}: before the next try` })
    const outcome = await inRounds(first, async (round) => {
      lastRound = round
      const ended = await roundOf(run, step, round)
      noteReceipt(run, ended)
      return ended
    })
    return settledCall(run, outcome)
  })
  return { ...settled, lastRound }
}

async function roundOf(run: Run, step: ReadyCall, round: number): Promise<ReadOutcome | WriteOutcome> {
  const { path, timeoutMs } = step
  const { organization, searchAttributes } = run.input
  const call: Call = { organization, ...step.call, timeoutMs, origin: originOf(run.input, path, round) }
  const work = async (): Promise<ReadOutcome | WriteOutcome> => {
    if (step.type === 'writeback')
      return waitForWriteback(run, { call, searchAttributes }, WAITING_FOR_APPROVAL)
    const result = await performCall(call, [], callSummary(call))
    if (result.kind === 'needs_approval')
      return waitForWriteback(run, { call, asked: result, searchAttributes }, WAITING_FOR_APPROVAL)
    const { outcome } = result
    return outcome.kind === 'write' && outcome.status === 'unknown'
      ? waitForWriteback(run, { call, searchAttributes }, WAITING_FOR_RESOLUTION)
      : outcome
  }
  return settling<ReadOutcome | WriteOutcome>(call, [], work, async (outcome) => {
    noteReceipt(run, outcome)
    // A run that was reset may be cancelled before it has come back to the writeback that it had started.
    await CancellationScope.nonCancellable(() => cancelById(idOfWriteback(call)))
  })
}

async function waitForWriteback(run: Run, input: WritebackInput, state: string): Promise<WriteOutcome> {
  const { call } = input
  const { organization, connection, origin } = call
  const workflowId = idOfWriteback(call)
  run.writebacks.set(origin.path, { workflowId, state })
  showWaiting(run)
  showDetails(run)
  try {
    return await executeOrAttach<WriteOutcome>({
      type: WORKFLOW_TYPES.writeback,
      workflowId,
      args: [input],
      summary: `${callSummary(call)} for step ${origin.path}`,
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
    run.writebacks.delete(origin.path)
    showWaiting(run)
  }
}

function idOfWriteback({ organization, origin }: Call): string {
  return writebackWorkflowId({ organization, writebackId: origin.writebackId })
}

function settledCall(run: Run, outcome: ReadOutcome | WriteOutcome): SettledStep {
  if (outcome.kind === 'read') return { status: 'completed', output: outcome.output }
  const writeback = { id: outcome.writebackId, status: outcome.status, receipt: outcome.receipt.id }
  if (outcome.status === 'applied' || outcome.status === 'already_applied') {
    return { status: 'completed', output: outcome.output, writeback }
  }
  if (outcome.status === 'withdrawn' && CancellationScope.current().consideredCancelled) run.wasCut = true
  const error = { code: outcome.code ?? 'WRITE_FAILED', message: outcome.message ?? outcome.status }
  return { status: 'failed', output: null, error, writeback }
}

async function takeNap(step: Extract<ReadyStep, { type: 'sleep' }>): Promise<SettledStep> {
  const ms = 'forMs' in step.sleep ? step.sleep.forMs : step.sleep.untilMs - Date.now()
  if (ms > MAX_SLEEP_MS)
    throw failure({ code: 'LIMIT_EXCEEDED', message: 'the time lies over 366 days ahead' })
  if (ms > 0) await sleep(ms, { summary: `Sleep of step ${step.path}` })
  return { status: 'completed', output: null }
}

/** What runs is looked up and frozen by an activity, as for every start; then it is a child of this run. */
async function runAutomation(
  run: Run,
  step: Extract<ReadyStep, { type: 'run_automation' }>,
): Promise<SettledStep> {
  const { organization, searchAttributes } = run.input
  const { path, automation, input } = step
  const key = subRunKeyOf({ firstExecutionRunId: workflowInfo().firstExecutionRunId, path })
  const origin = originOf(run.input, path, 1)
  const { workflowId, plan, ...frozen } = await nearby().openSubRun({
    organization,
    origin,
    key,
    automation,
    input,
  })
  run.subRuns.set(path, workflowId)
  showDetails(run)
  try {
    const output = await executeOrAttach<JsonValue>({
      type: WORKFLOW_TYPES.automation,
      workflowId,
      args: [{ organization, ...frozen, searchAttributes, parent: { runId: origin.runId, path } }, plan],
      summary: `**${automation}** (revision ${plan.revision}), step ${path} of ${origin.automation}`,
      details: `Run \`${frozen.runId}\` of delivery \`${frozen.deliveryId}\`, started by run \`${origin.runId}\`.`,
      searchAttributes: searchAttributes
        ? [
            keyword('org', organization),
            keyword('automation', automation),
            keyword('trigger', `run/${origin.runId}`),
          ]
        : [],
    })
    return { status: 'completed', output }
  } finally {
    run.subRuns.delete(path)
  }
}
