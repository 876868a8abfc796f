/**
 * A dry run: the interpreter of real runs, on the same plan. Readings are made; writes are looked at, people are not
 * asked, other runs are not started, and nobody sleeps. It calls two activities, `preview` and `runCode`, of which
 * neither can write. It takes for granted that everything people would be asked is granted.
 */
import { CancellationScope, isCancellation, sleep } from '@temporalio/workflow'
import type { JsonValue } from '../lib/json.ts'
import { MAX_DRY_RUN_MS } from '../lib/limits.ts'
import type { DryCall, DryRunInput, DryRunResult } from '../schemas/dry-run.ts'
import type { LogLine, Plan } from '../schemas/run.ts'
import { dry } from './activity-options.ts'
import { ending, isShort, type DryNote } from './dry-run-result.ts'
import { assertInput, detailOf, stepErrorOf } from './failures.ts'
import { advance } from './interpreter/advance.ts'
import { keepable } from './interpreter/limits.ts'
import { createRunState, settle, type RunState, type SettledStep } from './interpreter/state.ts'
import type { ReadyStep } from './interpreter/turn.ts'
import { unknownOutput } from './interpreter/unknown.ts'

interface DryRun {
  input: DryRunInput
  state: RunState
  notes: Map<string, DryNote>
  underWay: Map<string, CancellationScope>
  wake: () => void
}

export async function dryRunWorkflow(input: DryRunInput, plan: Plan): Promise<DryRunResult> {
  assertInput(isDryRun(input) && Array.isArray(plan?.steps), 'a dry run')
  const state: RunState = { ...createRunState(input.input, input.run), isDry: true }
  const run: DryRun = { input, state, notes: new Map(), underWay: new Map(), wake: () => undefined }
  let isOutOfTime = false
  const clock = new CancellationScope()
  const watching = clock
    .run(() => sleep(MAX_DRY_RUN_MS))
    .then(
      () => {
        isOutOfTime = true
        run.wake()
      },
      (error: unknown) => {
        if (!isCancellation(error)) throw error
      },
    )
  const result = await play(run, plan, () => isOutOfTime)
  clock.cancel()
  await watching
  return result
}

/** Anybody can start this workflow with anything; a plain error would loop its task for ever. */
function isDryRun(input: Partial<DryRunInput> | null | undefined): boolean {
  const { grant, run, answers } = input ?? {}
  return [grant, run, answers].every((part) => typeof part === 'object' && part !== null)
}

async function play(run: DryRun, plan: Plan, isOutOfTime: () => boolean): Promise<DryRunResult> {
  for (;;) {
    const { state, next, stuck = [] } = advance(plan, run.state)
    run.state = state
    const about = { state, stuck, notes: run.notes, isOutOfTime: isOutOfTime() }
    if (next.kind === 'completed' || next.kind === 'failed') return ending(next, about)
    if (next.kind === 'perform' && !isOutOfTime()) {
      for (const path of next.cancel) run.underWay.get(path)?.cancel()
      for (const step of next.start) void follow(run, step)
      continue
    }
    if (run.underWay.size === 0 || isOutOfTime()) {
      for (const scope of run.underWay.values()) scope.cancel()
      while (run.underWay.size > 0) await change(run)
      return ending({ kind: 'stopped' }, about)
    }
    await change(run)
  }
}

/** Nothing may be awaited between the look at the state and this. */
function change(run: DryRun): Promise<void> {
  return new Promise((resolve) => {
    run.wake = resolve
  })
}

async function follow(run: DryRun, step: ReadyStep): Promise<void> {
  const scope = new CancellationScope()
  run.underWay.set(step.path, scope)
  const settled = await scope.run(() => settledOf(run, step))
  run.underWay.delete(step.path)
  run.state = settle(run.state, step.path, keepable(run.state, settled))
  run.wake()
}

async function settledOf(run: DryRun, step: ReadyStep): Promise<SettledStep> {
  try {
    return await perform(run, step)
  } catch (error) {
    const logs = detailOf<{ logs: LogLine[] }>(error)?.logs
    return { status: 'failed', output: null, error: stepErrorOf(error), ...(logs && { logs }) }
  }
}

async function perform(run: DryRun, step: ReadyStep): Promise<SettledStep> {
  const { path } = step
  switch (step.type) {
    case 'call':
    case 'writeback':
      return look(run, { path, ...step.call })
    case 'code': {
      const { source, context, timeoutMs } = step
      const seed = `${String(run.input.run['id'])}/${path}`
      const { output, logs } = await dry(`code of step ${path}`).runCode(source, { context, timeoutMs, seed })
      return { status: 'completed', output, ...(logs.length > 0 && { logs }) }
    }
    case 'ask': {
      const { title } = step
      const markdown = isShort(step.markdown) ? step.markdown : ''
      run.notes.set(path, { wouldAsk: { title, markdown } })
      return assumed(run, path)
    }
    case 'run_automation': {
      const { automation } = step
      const input = isShort(step.input) ? step.input : null
      run.notes.set(path, { wouldStart: { automation, input } })
      return assumed(run, path)
    }
    case 'sleep': {
      const { sleep: nap } = step
      const ms = 'forMs' in nap ? nap.forMs : nap.untilMs - Date.now()
      run.notes.set(path, { wouldSleepMs: Math.max(0, ms) })
      return { status: 'completed', output: null }
    }
    default:
      return step satisfies never
  }
}

async function look(run: DryRun, call: DryCall): Promise<SettledStep> {
  const { path, connection, operation } = call
  const seen = await dry(`${connection}.${operation}, dry, for step ${path}`).preview(run.input.grant, call)
  if (seen.kind === 'read') return { status: 'completed', output: seen.output }
  const { kind: _kind, ...wouldWrite } = seen
  run.notes.set(path, { wouldWrite })
  const { refusal } = wouldWrite
  if (!refusal) return assumed(run, path)
  const writeback = { id: '', status: 'refused' as const, receipt: '' }
  return { status: 'failed', output: null, error: refusal, writeback }
}

/** What the caller says it gives; else it is not known. */
function assumed({ input }: DryRun, path: string): SettledStep {
  const { answers } = input
  const output: JsonValue = Object.hasOwn(answers, path) ? (answers[path] ?? null) : unknownOutput(path)
  return { status: 'completed', output }
}
