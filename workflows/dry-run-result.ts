/** What a dry run tells, from its last state: bounded, and without the marks of what is not known. Pure. */
import type { JsonValue } from '../lib/json.ts'
import { DRY_RUN_VALUE_BYTES, DRY_RUN_VALUES_BYTES, jsonBytes, MAX_DRY_RUN_STEPS } from '../lib/limits.ts'
import type { DryRunResult, DryStep, WouldWrite } from '../schemas/dry-run.ts'
import { stepsByPath, type RunState, type StepError, type StepState } from './interpreter/state.ts'
import type { Stuck } from './interpreter/turn.ts'
import { unknownsIn, withoutUnknowns } from './interpreter/unknown.ts'

export type DryNote = Partial<Pick<DryStep, 'wouldWrite' | 'wouldAsk' | 'wouldStart' | 'wouldSleepMs'>>

export type End =
  { kind: 'completed'; output: JsonValue } | { kind: 'failed'; error: StepError } | { kind: 'stopped' }

interface About {
  state: RunState
  stuck: readonly Stuck[]
  notes: ReadonlyMap<string, DryNote>
  isOutOfTime: boolean
}

export function ending(end: End, { state, stuck, notes, isOutOfTime }: About): DryRunResult {
  const fits = createBudget()
  const known = Object.entries(stepsByPath(state))
  const reached = new Set(known.map(([path]) => path))
  // What stands before a second try is in the state already.
  const waiting = stuck.filter(({ path }) => !reached.has(path))
  const steps = [
    ...known.slice(0, MAX_DRY_RUN_STEPS).map(([path, step]) => stepOf(path, step, notes.get(path), fits)),
    ...waiting.slice(0, MAX_DRY_RUN_STEPS).map(({ path, needs }) => ({ ...blank(path), needs: [needs] })),
  ]
  const output = end.kind === 'completed' ? end.output : null
  return {
    state: end.kind,
    output: withoutUnknowns(output),
    unknown: unknownsIn(output).slice(0, MAX_DRY_RUN_STEPS),
    error: end.kind === 'failed' ? end.error : null,
    steps,
    omittedSteps: known.length + waiting.length - steps.length,
    isOutOfTime,
  }
}

function blank(path: string): DryStep {
  return {
    path,
    status: 'stopped',
    output: null,
    isOutputOmitted: false,
    logs: [],
    error: null,
    needs: [],
    wouldWrite: null,
    wouldAsk: null,
    wouldStart: null,
    wouldSleepMs: null,
  }
}

type Fits = (value: JsonValue) => boolean

function createBudget(): Fits {
  let spentBytes = 0
  return (value) => {
    const bytes = jsonBytes(value)
    if (bytes > DRY_RUN_VALUE_BYTES || spentBytes + bytes > DRY_RUN_VALUES_BYTES) return false
    spentBytes += bytes
    return true
  }
}

function stepOf(path: string, step: StepState, note: DryNote | undefined, fits: Fits): DryStep {
  const told = { ...blank(path), ...note }
  if (told.wouldWrite) told.wouldWrite = shortened(told.wouldWrite, fits)
  if (told.wouldStart && !fits(told.wouldStart.input)) told.wouldStart = { ...told.wouldStart, input: null }
  if (told.wouldAsk && !fits(told.wouldAsk.markdown)) told.wouldAsk = { ...told.wouldAsk, markdown: '' }
  if (step.status === 'running') return told
  told.status = step.status
  if (step.status === 'skipped') return told
  told.logs = step.logs ?? []
  if (step.status === 'failed') return { ...told, error: step.error }
  const output = withoutUnknowns(step.output)
  return fits(output) ? { ...told, output } : { ...told, isOutputOmitted: true }
}

/** A change that is too large keeps its name. */
function shortened(write: WouldWrite, fits: Fits): WouldWrite {
  const changes = write.preview.changes.map((change) =>
    fits([change.before, change.after])
      ? change
      : { ...change, before: null, after: '… (too large to be shown)' },
  )
  return { ...write, preview: { ...write.preview, changes } }
}
