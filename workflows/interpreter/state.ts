/**
 * Where a run stands: a plain value, changed by making a new one.
 *
 * It has the shape of the plan: a block of steps by name; a step with blocks inside has lanes (the items of a loop, the
 * branches of a fork, the one branch of a choice), of which only those under way are looked at again and again.
 */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { MAX_RUN_WORK, sizeOf, sumOf, type Size } from '../../lib/limits.ts'
import type { LogLine, WriteStatus } from '../../schemas/run.ts'

export interface StepError {
  code: string
  message: string
}

/** What became of the write behind a step. */
export interface StepWriteback {
  id: string
  status: WriteStatus
  receipt: string
  /** Failed, and yet something may have been done. */
  mayHaveChanged?: true
}

/** How often a call was tried. `round`, the last one, is part of the identity of a write, and rises with each try. */
export interface Tries {
  attempt: number
  round: number
}

/** `logs`: what the code of the step said. */
type EndedStep =
  | { status: 'completed'; output: JsonValue; writeback?: StepWriteback; logs?: LogLine[] }
  | { status: 'failed'; output: null; error: StepError; writeback?: StepWriteback; logs?: LogLine[] }

/** What the outside makes of a step. `lastRound`: of the rounds that its write went through by itself, if it did. */
export type SettledStep = EndedStep & { lastRound?: number }

export type StepState =
  | { status: 'running'; tries: Tries }
  | { status: 'running'; lanes: Lanes }
  | { status: 'skipped'; output: null }
  /** `ends`: it is a `return`, or a choice that reached one. */
  | (Extract<EndedStep, { status: 'completed' }> & { tries?: Tries; ends?: true; lanes?: Lanes })
  | (Extract<EndedStep, { status: 'failed' }> & { tries?: Tries; lanes?: Lanes })

/** Steps by name; one that was not reached is absent. */
export type BlockState = Readonly<Record<string, StepState>>

export interface Lanes {
  /** Of branches, in their order. A loop goes by the position of its items instead. */
  keys: readonly string[] | null
  items: readonly JsonValue[] | null
  /** How many have begun. */
  begun: number
  active: Readonly<Record<string, BlockState>>
  closed: ClosedLane | null
  closedCount: number
  /** Of the lane that failed first: since then nothing begins, and what is under way is cancelled and waited for. */
  failure: StepError | null
}

/** A list, newest first: adding to it costs the same however long it is. */
export interface ClosedLane {
  key: string
  block: BlockState
  output: JsonValue
  before: ClosedLane | null
}

export interface RunState {
  input: JsonValue
  run: JsonObject
  block: BlockState
  /** Steps begun outside of loops. */
  begun: number
  /** Items of all loops so far. */
  items: number
  /** Of all its expressions. */
  workLeft: number
  /** Calls, sleeps and sub-runs that have been started and not settled. */
  underWay: number
  /** Of the input, of what all steps have given that the outside performed, and of their logs; outputs of blocks are made of the same values. */
  kept: Size
  /** Some outputs may be unknown. */
  isDry?: true
}

export function createRunState(input: JsonValue, run: JsonObject): RunState {
  return {
    input,
    run,
    block: {},
    begun: 0,
    items: 0,
    workLeft: MAX_RUN_WORK,
    underWay: 0,
    kept: sizeOf(input),
  }
}

export function stepIn(block: BlockState, name: string): StepState | undefined {
  return Object.hasOwn(block, name) ? block[name] : undefined
}

/** What the paths inside a lane begin with: `fan.billing.`, `each[3].`. */
export function lanePrefix(path: string, key: string): string {
  return /^\d/.test(key) ? `${path}[${key}].` : `${path}.${key}.`
}

/** The outside has something to say about a step that was started. */
export function settle(state: RunState, path: string, settled: SettledStep): RunState {
  const block = settleIn(state.block, path.split(/[.[\]]+/), settled)
  return { ...state, block, underWay: state.underWay - 1, kept: sumOf(state.kept, sizeOfStep(settled)) }
}

/** Of what the run keeps of the step. */
export function sizeOfStep({ status, output, logs = [] }: SettledStep): Size {
  const ofOutput = status === 'completed' ? sizeOf(output) : { bytes: 0, parts: 0 }
  return logs.reduce((sum, { text }) => sumOf(sum, sizeOf(text)), ofOutput)
}

/** Names of steps and keys of lanes take turns in a path. */
function settleIn(block: BlockState, [name = '', key, ...rest]: string[], settled: SettledStep): BlockState {
  const step = stepIn(block, name)
  if (step?.status !== 'running') throw new Error(`step ${name} is not under way`)
  if ('tries' in step) {
    const { lastRound = step.tries.round, ...ended } = settled
    return { ...block, [name]: { ...ended, tries: { ...step.tries, round: lastRound } } }
  }
  const { lanes } = step
  const inner = key === undefined ? undefined : lanes.active[key]
  if (key === undefined || !inner) throw new Error(`step ${name} has nothing under way at ${String(key)}`)
  const active = { ...lanes.active, [key]: settleIn(inner, rest, settled) }
  return { ...block, [name]: { ...step, lanes: { ...lanes, active } } }
}

/** Every step that was reached, by path, for people who look. */
export function stepsByPath(state: RunState): Record<string, StepState> {
  const found: Record<string, StepState> = {}
  visit(state.block, '', (path, step) => (found[path] = step))
  return found
}

/** Paths of the steps that the outside is at work on. */
export function pathsUnderWay(block: BlockState, prefix: string): string[] {
  const found: string[] = []
  visitActive(block, prefix, (path) => found.push(path))
  return found
}

function visitActive(block: BlockState, prefix: string, report: (path: string) => void): void {
  for (const [name, step] of Object.entries(block)) {
    if (step.status !== 'running') continue
    if ('tries' in step) report(prefix + name)
    else
      for (const [key, inner] of Object.entries(step.lanes.active))
        visitActive(inner, lanePrefix(prefix + name, key), report)
  }
}

function visit(block: BlockState, prefix: string, report: (path: string, step: StepState) => void): void {
  for (const [name, step] of Object.entries(block)) {
    const path = prefix + name
    report(path, step)
    if (!('lanes' in step) || !step.lanes) continue
    const { lanes } = step
    for (const [key, inner] of Object.entries(lanes.active)) visit(inner, lanePrefix(path, key), report)
    for (let lane = lanes.closed; lane; lane = lane.before)
      visit(lane.block, lanePrefix(path, lane.key), report)
  }
}
