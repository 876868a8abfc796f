/**
 * What a run does next. Pure: a plan and a state in; the state after everything that needs nobody, and what is to be
 * done now, out. The workflow does it, settles the steps as they end, and asks again.
 */
import { withAllowance } from '../../lib/cel-work.ts'
import type { JsonValue } from '../../lib/json.ts'
import { MAX_UNDER_WAY } from '../../lib/limits.ts'
import type { Plan } from '../../schemas/planned.ts'
import { advanceBlock } from './block.ts'
import { valueProblem } from './limits.ts'
import type { RunState, StepError } from './state.ts'
import type { Frame, ReadyStep, Stuck, Turn } from './turn.ts'
import { guardUnknowns } from './unknown.ts'

export type Next =
  /** Begin these steps; cancel those under these paths, which then settle like any other. */
  | { kind: 'perform'; start: ReadyStep[]; cancel: string[] }
  | { kind: 'wait' }
  | { kind: 'completed'; output: JsonValue }
  | { kind: 'failed'; error: StepError }

export interface Advanced {
  state: RunState
  next: Next
  /** Only in a dry run. */
  stuck?: readonly Stuck[]
}

const TOP: Frame = { prefix: '', outer: () => ({}), variables: {}, isInLoop: false }

export function advance(plan: Plan, before: RunState): Advanced {
  const { input, run, begun, items, underWay } = before
  const problem = Object.keys(before.block).length === 0 ? valueProblem('the input', input) : null
  if (problem)
    return { state: before, next: { kind: 'failed', error: { code: 'VALUE_TOO_LARGE', message: problem } } }
  const room = MAX_UNDER_WAY - underWay
  const todo = { start: [], cancel: [], needed: null, stuck: [] }
  const turn: Turn = { input, run, begun, items, room, advanceBlock, ...todo }
  const work = { left: before.workLeft }
  const progress = withAllowance(work, () =>
    advanceBlock(turn, before.isDry ? dryFrame(turn) : TOP, plan.steps, before.block),
  )
  const { block } = progress
  const stuck = before.isDry ? { stuck: turn.stuck } : {}
  const state = {
    ...before,
    block,
    begun: turn.begun,
    items: turn.items,
    workLeft: work.left,
    underWay: MAX_UNDER_WAY - turn.room,
  }
  switch (progress.kind) {
    case 'done':
      return { state, next: { kind: 'completed', output: progress.output }, ...stuck }
    case 'failed':
      return { state, next: { kind: 'failed', error: progress.error }, ...stuck }
    case 'going': {
      const { start, cancel } = turn
      const isIdle = start.length + cancel.length === 0
      return { state, next: isIdle ? { kind: 'wait' } : { kind: 'perform', start, cancel }, ...stuck }
    }
    default:
      return progress satisfies never
  }
}

function dryFrame(turn: Turn): Frame {
  const noteNeed = (path: string): void => {
    turn.needed = path
  }
  return { ...TOP, guard: (step) => guardUnknowns(step, noteNeed) }
}
