/** One run as it is going on: its state, what is under way, and what of it people can see from outside. */
import { upsertSearchAttributes, type CancellationScope } from '@temporalio/workflow'
import { jsonBytes } from '../lib/limits.ts'
import { NOT_WAITING, WAITING_FOR_APPROVAL, writebackIdOf } from '../schemas/names.ts'
import type { Origin, ReadOutcome, ReceiptsHead, RunInput, WriteOutcome } from '../schemas/run.ts'
import { keyword } from './children.ts'
import { runDetails, type WaitedFor } from './details.ts'
import { createRunState, stepsByPath, type RunState, type StepState } from './interpreter/state.ts'
import { createPage, type Page } from './page.ts'
import { laterHead } from './receipts-head.ts'

export interface Run {
  input: RunInput
  page: Page
  state: RunState
  /** Steps under way, by path, each in a scope of its own. */
  underWay: Map<string, CancellationScope>
  /** Writebacks that are under way, by path, and whom they wait for as far as the run knows. */
  writebacks: Map<string, WaitedFor & { state: string }>
  subRuns: Map<string, string>
  /** A step was cut off because the run is being cancelled. */
  wasCut: boolean
  /** The value of `CountersignState` that the run has shown last. */
  shownState: string
  /** What the run's outcomes say about the chain of its receipts; null before the first. */
  receipts: ReceiptsHead | null
  wake: () => void
}

export function createRun(input: RunInput): Run {
  return {
    input,
    page: createPage(),
    state: createRunState(input.input, aboutRun(input)),
    underWay: new Map(),
    writebacks: new Map(),
    subRuns: new Map(),
    wasCut: false,
    shownState: NOT_WAITING,
    receipts: null,
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
  const { automation, revision } = plan
  const writebackId = writebackIdOf({ runId, path, round })
  return { deliveryId, runId, automation, revision, path, writebackId }
}

/** One event each time it changes whom a run waits for, however many writes wait, so that waiting runs can be listed. */
export function showWaiting(run: Run): void {
  const states = [...run.writebacks.values()].map(({ state }) => state)
  const [first = NOT_WAITING] = states
  const state = states.includes(WAITING_FOR_APPROVAL) ? WAITING_FOR_APPROVAL : first
  if (!run.input.searchAttributes || state === run.shownState) return
  run.shownState = state
  upsertSearchAttributes([keyword('state', state)])
}

export function showDetails(run: Run): void {
  const runs = [...run.subRuns.values()].map((workflowId) => ({ workflowId }))
  const waitsFor = [...run.writebacks.values(), ...runs]
  run.page.show(runDetails(run.input.plan, run.state, waitsFor, run.receipts))
}

export function noteReceipt(run: Run, outcome: ReadOutcome | WriteOutcome): void {
  run.receipts = laterHead(run.receipts, outcome)
}

/** Where a message for this run may go: its writes, and without any, the runs that it has started. */
export function messageTargets(run: Run): string[] {
  return run.writebacks.size > 0 ? writebackIds(run) : [...run.subRuns.values()]
}

function writebackIds(run: Run): string[] {
  return [...run.writebacks.values()].map(({ workflowId }) => workflowId)
}

/** Of one output, and of all together, in the answer to `getRun`; larger ones are in the history. */
const MAX_SHOWN_BYTES = { output: 8 * 1024, outputs: 256 * 1024 }

/** The answer to `getRun`: how far every step is, and what it has given. */
export function viewOf(run: Run): unknown {
  let shownBytes = 0
  const outputOf = (step: StepState): object => {
    if (step.status !== 'completed') return {}
    const bytes = jsonBytes(step.output)
    if (bytes > MAX_SHOWN_BYTES.output || shownBytes + bytes > MAX_SHOWN_BYTES.outputs)
      return { outputOmitted: true }
    shownBytes += bytes
    return { output: step.output }
  }
  const steps = Object.entries(stepsByPath(run.state)).map(([path, step]) => {
    const error = step.status === 'failed' ? { error: step.error } : {}
    const writeback = 'writeback' in step && step.writeback ? { writeback: step.writeback } : {}
    const attempt = 'tries' in step && step.tries ? { attempt: step.tries.attempt } : {}
    const logs = 'logs' in step && step.logs ? { logs: step.logs } : {}
    return [
      path,
      { status: step.status, ...attempt, ...error, ...writeback, ...logs, ...outputOf(step) },
    ] as const
  })
  return { ...aboutRun(run.input), steps: Object.fromEntries(steps), receipts: run.receipts }
}
