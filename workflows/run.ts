/** One run as it is going on: its state, what is under way, and what of it people can see from outside. */
import {
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
  type CancellationScope,
} from '@temporalio/workflow'
import { NOT_WAITING, WAITING_FOR_APPROVAL, writebackIdOf } from '../schemas/names.ts'
import type { Origin, RunInput } from '../schemas/run.ts'
import { keyword } from './children.ts'
import { runDetails } from './details.ts'
import { createRunState, stepsByPath, type RunState } from './interpreter/state.ts'

export interface Run {
  input: RunInput
  state: RunState
  /** Steps under way, by path, each in a scope of its own. */
  underWay: Map<string, CancellationScope>
  /** Workflow ids of writebacks that are under way, by path. */
  writebacks: Map<string, string>
  subRuns: Map<string, string>
  /** A step was cut off because the run is being cancelled. */
  wasCut: boolean
  isShownWaiting: boolean
  wake: () => void
}

export function createRun(input: RunInput): Run {
  return {
    input,
    state: createRunState(input.input, aboutRun(input)),
    underWay: new Map(),
    writebacks: new Map(),
    subRuns: new Map(),
    wasCut: false,
    isShownWaiting: false,
    wake: () => undefined,
  }
}

/** What `run` is in expressions. */
function aboutRun({ plan, runId, organization }: RunInput) {
  return { id: runId, organization, automation: plan.automation, revision: plan.revision }
}

/** Until a step settles. Nothing may be awaited between the look at the state and this. */
export function change(run: Run): Promise<void> {
  return new Promise((resolve) => {
    run.wake = resolve
  })
}

export function originOf({ deliveryId, runId, plan }: RunInput, path: string, round: number): Origin {
  const { firstExecutionRunId } = workflowInfo()
  const { automation, revision } = plan
  const writebackId = writebackIdOf({ firstExecutionRunId, path, round })
  return { deliveryId, runId, automation, revision, path, writebackId }
}

/** One event each time a run starts or stops waiting, however many writes wait, so that waiting runs can be listed. */
export function showWaiting(run: Run): void {
  const isWaiting = run.writebacks.size > 0
  if (!run.input.searchAttributes || isWaiting === run.isShownWaiting) return
  run.isShownWaiting = isWaiting
  upsertSearchAttributes([keyword('state', isWaiting ? WAITING_FOR_APPROVAL : NOT_WAITING)])
}

export function showDetails(run: Run): void {
  setCurrentDetails(
    runDetails(run.input.plan, run.state, [...run.writebacks.values(), ...run.subRuns.values()]),
  )
}

/** Where a decision for this run may go: its writes, and without any, the runs that it has started. */
export function decisionTargets(run: Run): string[] {
  return [...(run.writebacks.size > 0 ? run.writebacks : run.subRuns).values()]
}

/** The answer to `getRun`: how far every step is. Outputs are in the history. */
export function viewOf(run: Run): unknown {
  const steps = Object.entries(stepsByPath(run.state)).map(([path, step]) => {
    const error = step.status === 'failed' ? { error: step.error } : {}
    const writeback = 'writeback' in step && step.writeback ? { writeback: step.writeback } : {}
    const attempt = 'tries' in step && step.tries ? { attempt: step.tries.attempt } : {}
    return [path, { status: step.status, ...attempt, ...error, ...writeback }] as const
  })
  return { ...aboutRun(run.input), steps: Object.fromEntries(steps) }
}
