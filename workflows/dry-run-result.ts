/** What a dry run tells, from its last state: no value too large, and no marks of what is not known. Pure. */
import type { JsonValue } from '../lib/json.ts'
import { DRY_RUN_VALUE_BYTES, jsonBytes, MAX_DRY_RUN_STEPS } from '../lib/limits.ts'
import type { DryRunResult, DryStep } from '../schemas/dry-run.ts'
import { stepsByPath, type RunState, type StepError, type StepState } from './interpreter/state.ts'
import type { Stuck } from './interpreter/turn.ts'
import { unknownsIn, withoutUnknowns } from './interpreter/unknown.ts'

export type DryNote = Pick<DryStep, 'wouldWrite' | 'wouldAsk' | 'wouldStart' | 'wouldSleepMs'>

export type End =
  { kind: 'completed'; output: JsonValue } | { kind: 'failed'; error: StepError } | { kind: 'stopped' }

interface About {
  state: RunState
  stuck: readonly Stuck[]
  notes: ReadonlyMap<string, DryNote>
  isOutOfTime: boolean
}

export function ending(end: End, { state, stuck, notes, isOutOfTime }: About): DryRunResult {
  const reached = Object.entries(stepsByPath(state)).map(([path, step]): DryStep => ({
    path,
    ...notes.get(path),
    ...endOf(step),
  }))
  const all = [...reached, ...stuck.map(({ path, needs }): DryStep => ({ path, status: 'stopped', needs }))]
  const output = end.kind === 'completed' ? end.output : null
  return {
    state: end.kind,
    output: withoutUnknowns(output),
    unknown: unknownsIn(output).slice(0, MAX_DRY_RUN_STEPS),
    error: end.kind === 'failed' ? end.error : null,
    steps: all.slice(0, MAX_DRY_RUN_STEPS),
    omittedSteps: Math.max(0, all.length - MAX_DRY_RUN_STEPS),
    isOutOfTime,
  }
}

export function isShort(value: JsonValue): boolean {
  return jsonBytes(value) <= DRY_RUN_VALUE_BYTES
}

function endOf(step: StepState): Omit<DryStep, 'path'> {
  const { status } = step
  if (status === 'running') return { status: 'stopped' }
  if (status === 'skipped') return { status }
  const { logs = [] } = step
  if (status === 'failed') return { status, logs, error: step.error }
  const output = withoutUnknowns(step.output)
  return { status, logs, ...(isShort(output) ? { output } : { isOutputOmitted: true }) }
}
