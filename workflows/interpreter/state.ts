/** Where a run stands: a plain value, changed by making a new one. */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { jsonBytes } from '../../lib/limits.ts'
import type { WriteStatus } from '../../schemas/run.ts'

export interface StepError {
  code: string
  message: string
}

/** What became of the write behind a step. */
export interface StepWriteback {
  id: string
  status: WriteStatus
  receipt: string
}

export type StepState =
  | { status: 'running' }
  | { status: 'skipped'; output: null }
  | { status: 'completed'; output: JsonValue; writeback?: StepWriteback }
  | { status: 'failed'; output: null; error: StepError; writeback?: StepWriteback }

export type SettledStep = Exclude<StepState, { status: 'running' }>

/** `steps` is keyed by path: `waive`, later `each[3].notify`. */
export interface RunState {
  input: JsonValue
  run: JsonObject
  steps: Readonly<Record<string, StepState>>
  /** Of the input and all outputs. */
  valueBytes: number
}

export function createRunState(input: JsonValue, run: JsonObject): RunState {
  return { input, run, steps: {}, valueBytes: jsonBytes(input) }
}

export function withStep(state: RunState, path: string, step: StepState): RunState {
  const outputBytes = step.status === 'completed' ? jsonBytes(step.output) : 0
  return {
    ...state,
    steps: { ...state.steps, [path]: step },
    valueBytes: state.valueBytes + outputBytes,
  }
}
