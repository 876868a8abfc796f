/**
 * One turn of the interpreter: what it reads, and what it collects to be done. A turn is undone in part where a lane
 * fails: what its neighbours would have begun in the same turn is then not begun at all.
 */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { PlannedCall, PlanStep } from '../../schemas/planned.ts'
import type { BlockState, StepError } from './state.ts'

/** A step whose expressions are resolved: ready to be performed. */
export type ReadyStep = { path: string } & (
  | { type: 'call' | 'writeback'; call: PlannedCall; timeoutMs: number; round: number; delayMs: number }
  | { type: 'code'; source: string; context: JsonObject; timeoutMs: number; delayMs: number }
  | { type: 'ask'; title: string; markdown: string; whom?: string; expiresAfterMs: number }
  | { type: 'run_automation'; automation: string; input: JsonObject }
  | { type: 'sleep'; sleep: { forMs: number } | { untilMs: number } }
)

/** Where a block stands: what its steps can name, and how their paths begin. */
export interface Frame {
  prefix: string
  /** The settled steps outside of the block that can be named in it. Made when an expression asks for them. */
  outer: () => JsonObject
  /** `item` and `index` in a loop. */
  variables: JsonObject
  isInLoop: boolean
  /** In a dry run: what expressions are given of a step, so that they cannot read what is not known. */
  guard?: (step: JsonObject) => JsonObject
}

export type Progress =
  | { kind: 'going'; block: BlockState }
  /** `ends`: with it the run ends. */
  | { kind: 'done'; block: BlockState; output: JsonValue; ends: boolean }
  | { kind: 'failed'; block: BlockState; error: StepError }

export interface Turn {
  readonly input: JsonValue
  readonly run: JsonObject
  /** Blocks stand in steps and steps in blocks: handed on here, so that the files do not import each other in a circle. */
  readonly advanceBlock: (turn: Turn, frame: Frame, steps: readonly PlanStep[], block: BlockState) => Progress
  start: ReadyStep[]
  cancel: string[]
  /** How many more steps may be under way. */
  room: number
  begun: number
  items: number
  /** Whose unknown output the expressions of the step at hand have read. */
  needed: string | null
  stuck: Stuck[]
}

/** A step of a dry run that cannot be reached, for it would take the output of `needs`. */
export interface Stuck {
  path: string
  needs: string
}

export type Mark = Pick<Turn, 'start' | 'cancel' | 'room' | 'begun' | 'items'>

export function markOf({ start, cancel, room, begun, items }: Turn): Mark {
  return { start: [...start], cancel: [...cancel], room, begun, items }
}

export function rewind(turn: Turn, mark: Mark): void {
  Object.assign(turn, mark)
}
