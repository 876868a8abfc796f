/** Performing the steps that need somebody: a call, a write that may wait for people, a sleep, another run. */
import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow'
import type { JsonValue } from '../lib/json.ts'
import { MAX_SLEEP_MS } from '../lib/limits.ts'
import {
  approvalWorkflowId,
  askIdOf,
  WAITING_FOR_APPROVAL,
  WAITING_FOR_RESOLUTION,
  WORKFLOW_TYPES,
  writebackWorkflowId,
} from '../schemas/names.ts'
import type {
  ApprovalInput,
  ApprovalResult,
  Asking,
  Call,
  LogLine,
  ReadOutcome,
  WritebackInput,
  WriteOutcome,
} from '../schemas/run.ts'
import { nearby, outside } from './activity-options.ts'
import { cancelById, executeOrAttach, keyword } from './children.ts'
import { callSummary } from './details.ts'
import { detailOf, failure, stepErrorOf } from './failures.ts'
import { inRounds, settledCall } from './interpreter/rounds.ts'
import type { SettledStep } from './interpreter/state.ts'
import type { ReadyStep } from './interpreter/turn.ts'
import { noteReceipt, originOf, showDetails, showWaiting, type Run } from './run.ts'
import { lend } from './scopes.ts'
import { isUnplanned, performCall, settling } from './write.ts'

/** Never throws: whatever happens, a cancel too, is how the step has settled. */
export function execute(run: Run, step: ReadyStep): Promise<SettledStep> {
  switch (step.type) {
    case 'call':
    case 'writeback':
      return executeCall(run, step)
    case 'code':
      return orFailed(run, () => computed(run, step))
    case 'ask':
      return orFailed(run, () => answered(run, step))
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
    const logs = detailOf<{ logs: LogLine[] }>(error)?.logs
    return { status: 'failed', output: null, error: stepErrorOf(error), ...(logs && { logs }) }
  }
}

type ReadyCall = Extract<ReadyStep, { call: unknown }>

/**
 * Where it fails, another try begins behind the last round whose write was planned. One that was not planned keeps its
 * identity: should an attempt that everybody has given up plan it after all, there is still one write.
 */
async function executeCall(run: Run, step: ReadyCall): Promise<SettledStep> {
  const { path, round: first, delayMs } = step
  let lastRound = first
  const settled = await orFailed(run, async () => {
    if (delayMs > 0) await sleep(delayMs, { summary: `Step ${path}: before the next try` })
    const attempt = async (round: number): Promise<ReadOutcome | WriteOutcome> => {
      lastRound = round
      const ended = await roundOf(run, step, round).catch((error: unknown) => {
        if (isUnplanned(error)) lastRound = round - 1
        throw error
      })
      noteReceipt(run, ended)
      return ended
    }
    const outcome = await inRounds(first, attempt, (error) => stepErrorOf(error).code)
    const isTakenBack = outcome.kind === 'write' && outcome.status === 'withdrawn'
    if (isTakenBack && CancellationScope.current().consideredCancelled) run.wasCut = true
    return settledCall(outcome)
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

function waitForWriteback(run: Run, input: WritebackInput, state: string): Promise<WriteOutcome> {
  const { call } = input
  const { organization, connection, origin } = call
  const workflowId = idOfWriteback(call)
  return waitingFor<WriteOutcome>(
    run,
    origin.path,
    {
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
    },
    { state, whom: input.asked?.asked.whom },
  )
}

function idOfWriteback({ organization, origin }: Call): string {
  return writebackWorkflowId({ organization, writebackId: origin.writebackId })
}

/** A wait like that for an approval, with no write behind it. What it returns is verified before it is the output. */
async function answered(run: Run, step: Extract<ReadyStep, { type: 'ask' }>): Promise<SettledStep> {
  const { path, title, markdown, expiresAfterMs } = step
  const { organization, searchAttributes } = run.input
  const askId = askIdOf({ runId: run.input.runId, path })
  const origin = { ...originOf(run.input, path, 1), writebackId: askId }
  const asking: Asking = { organization, origin, title, markdown }
  const { whom } = step
  const asked = { digest: '', rule: path, expiresAfterMs, ...(whom === undefined ? {} : { whom }) }
  const input: ApprovalInput = {
    organization,
    approvalId: askId,
    writebackId: askId,
    asked,
    kept: [],
    asking,
  }
  const workflowId = approvalWorkflowId({ organization, approvalId: askId })
  const child = {
    type: WORKFLOW_TYPES.approval,
    workflowId,
    args: [input],
    summary: `Question of step ${path}`,
    details: `Asked by run \`${origin.runId}\` (${origin.automation} revision ${origin.revision}).`,
    searchAttributes: searchAttributes
      ? [keyword('org', organization), keyword('automation', origin.automation)]
      : [],
  }
  const result = await waitingFor<ApprovalResult>(run, path, child, { state: WAITING_FOR_APPROVAL, whom })
  const [envelope] = result.decisions
  if (result.state === 'approved' && envelope)
    return { status: 'completed', output: await nearby().acceptAnswer({ asking, envelope }) }
  if (result.state === 'withdrawn' && CancellationScope.current().consideredCancelled) run.wasCut = true
  const code = result.state === 'expired' ? 'EXPIRED' : 'WITHDRAWN'
  const message = code === 'EXPIRED' ? 'nobody has answered in time' : 'the question was withdrawn'
  return { status: 'failed', output: null, error: { code, message } }
}

async function waitingFor<Result>(
  run: Run,
  path: string,
  child: Parameters<typeof executeOrAttach>[0],
  { state, whom }: { state: string; whom?: string | undefined },
): Promise<Result> {
  run.writebacks.set(path, { workflowId: child.workflowId, state, whom })
  showWaiting(run)
  showDetails(run)
  try {
    return await executeOrAttach<Result>(child)
  } finally {
    run.writebacks.delete(path)
    showWaiting(run)
  }
}

/** The source is an argument of its own, the same for all runs: a large one is stored once. */
async function computed(run: Run, step: Extract<ReadyStep, { type: 'code' }>): Promise<SettledStep> {
  const { path, source, context, timeoutMs, delayMs } = step
  if (delayMs > 0) await sleep(delayMs, { summary: `Step ${path}: before the next try` })
  const seed = `${run.input.runId}/${path}`
  const { runCode } = outside(`code of step ${path}`)
  const { output, logs } = await lend({ context, timeoutMs, seed }, (input) => runCode(source, input))
  return { status: 'completed', output, ...(logs.length > 0 && { logs }) }
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
  const origin = originOf(run.input, path, 1)
  const opening = { organization, origin, automation, input }
  const { workflowId, plan, ...frozen } = await lend(opening, nearby().openSubRun)
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
