/**
 * One run of one automation revision. The plan came with the start, so a run asks nobody what to do; it is pinned to
 * that plan, whatever is saved later. Calls go through the door; what has to wait for people becomes a child workflow.
 *
 * However a run ends, first everything that is under way has ended: nothing of it waits for anybody afterwards, and no
 * write is without its outcome.
 */
import { CancellationScope, CancelledFailure, setHandler, workflowInfo } from '@temporalio/workflow'
import type { JsonValue } from '../lib/json.ts'
import type { Plan, ReceiptsHead, RunInput } from '../schemas/run.ts'
import { assertInput, failure } from './failures.ts'
import { forwardDecisions, forwardResolutions } from './forward.ts'
import { advance, type Next } from './interpreter/advance.ts'
import { historyProblem, keepable } from './interpreter/limits.ts'
import { settle, type StepError } from './interpreter/state.ts'
import type { ReadyStep } from './interpreter/turn.ts'
import { getRunQuery } from './messages.ts'
import { noteUnknownSignals } from './page.ts'
import { withHead } from './receipts-head.ts'
import { change, createRun, messageTargets, showDetails, viewOf, type Run } from './run.ts'
import { execute } from './steps.ts'

/** The plan is a value of its own, the same for all runs of a revision: a large one is stored once. */
export async function automationWorkflow(start: Omit<RunInput, 'plan'>, plan: Plan): Promise<JsonValue> {
  assertInput(typeof start?.runId === 'string' && Array.isArray(plan?.steps), 'a run')
  const run = createRun({ ...start, plan })
  forwardDecisions(run.page, () => messageTargets(run))
  forwardResolutions(run.page, () => messageTargets(run))
  setHandler(getRunQuery, () => viewOf(run), { description: 'Every step, and what became of it' })
  noteUnknownSignals(run.page)
  for (;;) {
    const { state, next } = advance(plan, run.state)
    // Until a step is cut off, steps begin under a cancel too: one that a reset run had begun before may still be waiting.
    if (next.kind === 'perform' && isCancelled() && run.wasCut) return endCut(run)
    run.state = state
    switch (next.kind) {
      case 'completed':
        if (run.wasCut && isCancelled()) return endCut(run)
        showDetails(run)
        return withHead(next.output, run.receipts)
      case 'failed':
        showDetails(run)
        throw endOf(next.error, run.receipts)
      case 'perform': {
        const problem = historyProblem(workflowInfo())
        if (problem) return endTooLong(run, problem)
        perform(run, next)
        break
      }
      case 'wait':
        showDetails(run)
        await change(run)
        break
      default:
        next satisfies never
    }
  }
}

function perform(run: Run, { start, cancel }: Extract<Next, { kind: 'perform' }>): void {
  for (const path of cancel) run.underWay.get(path)?.cancel()
  for (const step of start) void follow(run, step)
}

/** In a scope of its own, so that it can be cancelled alone. */
async function follow(run: Run, step: ReadyStep): Promise<void> {
  const scope = new CancellationScope()
  run.underWay.set(step.path, scope)
  const settled = await scope.run(() => execute(run, step))
  run.underWay.delete(step.path)
  run.state = settle(run.state, step.path, keepable(run.state, settled))
  run.wake()
}

function isCancelled(): boolean {
  return CancellationScope.current().consideredCancelled
}

/** The run is being cancelled: nothing begins, and what is under way hears of it by itself. */
async function endCut(run: Run): Promise<never> {
  while (run.underWay.size > 0) await change(run)
  throw new CancelledFailure('the run was cancelled')
}

/** What a cancel has taken back ends the run as cancelled; any other failure keeps its word. */
function endOf(error: StepError, receipts: ReceiptsHead | null): Error {
  const isCut = error.code === 'WITHDRAWN' || error.code === 'CANCELLED'
  if (isCut && isCancelled()) return new CancelledFailure(error.message)
  return failure(error, receipts ? [{ receipts }] : [])
}

/** Far enough from where the server terminates a run that its children can still be ended in order. */
async function endTooLong(run: Run, problem: StepError): Promise<never> {
  for (const scope of run.underWay.values()) scope.cancel()
  while (run.underWay.size > 0) await change(run)
  throw endOf(problem, run.receipts)
}
