/**
 * Steps with blocks inside: the one branch of a choice, the branches of a fork, the items of a loop. Each runs in a lane
 * of its own, a bounded number at a time.
 *
 * A lane that fails ends the others: from then on nothing begins, what is under way is cancelled, and only when all of
 * it has settled does the step fail. So nothing of a failed block is still going on, or waits for anybody, afterwards.
 */
import type { Scope } from '../../lib/cel.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { MAX_ITEMS_OF_RUN } from '../../lib/limits.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { BlockStep, PlanStep } from '../../schemas/planned.ts'
import { assertValueSize, valueProblem } from './limits.ts'
import { innerFrame, isTrue, itemsOf } from './scope.ts'
import {
  lanePrefix,
  pathsUnderWay,
  type BlockState,
  type ClosedLane,
  type Lanes,
  type StepError,
  type StepState,
} from './state.ts'
import { markOf, rewind, type Frame, type Turn } from './turn.ts'

const OTHERWISE = 'otherwise'

/** Null if there is nothing to choose. */
export function openLanes(turn: Turn, step: BlockStep, scope: () => Scope): Lanes | null {
  const lanes: Lanes = {
    keys: null,
    items: null,
    begun: 0,
    active: {},
    closed: null,
    closedCount: 0,
    failure: null,
  }
  if (step.type === 'parallel') return { ...lanes, keys: Object.keys(step.branches) }
  if (step.type === 'choose') {
    const chosen = step.branches.findIndex(({ when }) => isTrue('when', when, scope))
    if (chosen < 0 && !step.otherwise) return null
    return { ...lanes, keys: [chosen < 0 ? OTHERWISE : String(chosen)] }
  }
  const items = itemsOf(step.items, scope)
  assertValueSize('the items', items)
  turn.items += items.length
  if (turn.items > MAX_ITEMS_OF_RUN)
    throw new CodedError('LIMIT_EXCEEDED', `all loops of a run together take ${MAX_ITEMS_OF_RUN} items`)
  return { ...lanes, items }
}

interface At {
  step: BlockStep
  /** Of the steps beside the one with the lanes. */
  block: BlockState
  lanes: Lanes
}

export function advanceLanes(turn: Turn, frame: Frame, at: At): StepState {
  if (at.lanes.failure) return drain(at.lanes, at.lanes.failure)
  const { step } = at
  const path = frame.prefix + step.name
  const mark = markOf(turn)
  const now = { ...at.lanes, active: { ...at.lanes.active } }
  const total = (now.keys ?? now.items ?? []).length
  const inside = innerFrame(frame, at.block, { prefix: path })
  const waiting = Object.keys(now.active)
  for (;;) {
    const key = waiting.shift() ?? nextKey(turn, now, { step, total })
    if (key === undefined) break
    const lane = laneFrame(inside, path, { key, items: now.items })
    const progress = turn.advanceBlock(turn, lane, stepsOf(step, key), now.active[key] ?? {})
    if (progress.kind === 'failed') {
      rewind(turn, mark)
      return failLanes(turn, path, at.lanes, { key, ...progress })
    }
    if (progress.kind === 'going') {
      now.active[key] = progress.block
      continue
    }
    delete now.active[key]
    close(now, key, progress)
    if (progress.ends && step.type === 'choose')
      return { status: 'completed', output: progress.output, ends: true, lanes: now }
  }
  if (now.closedCount < total) return { status: 'running', lanes: now }
  return completed(path, step, now)
}

/** The values inside may each be kept, and all of them together be too large for one. */
function completed(path: string, step: BlockStep, lanes: Lanes): StepState {
  const output = outputOf(step, lanes)
  const problem = valueProblem('the output', output)
  if (problem === null) return { status: 'completed', output, lanes }
  const error = { code: 'VALUE_TOO_LARGE', message: `step ${path}: ${problem}` }
  return { status: 'failed', output: null, error, lanes }
}

/** Of the next lane to begin, if one may. */
function nextKey(
  turn: Turn,
  now: { -readonly [Key in keyof Lanes]: Lanes[Key] },
  { step, total }: { step: BlockStep; total: number },
): string | undefined {
  const concurrency = step.type === 'choose' ? 1 : step.concurrency
  if (now.begun >= total || now.begun - now.closedCount >= concurrency || turn.room <= 0) return undefined
  const position = now.begun++
  return now.keys ? now.keys[position] : String(position)
}

function laneFrame(
  inside: Frame,
  path: string,
  { key, items }: { key: string; items: readonly JsonValue[] | null },
): Frame {
  const prefix = lanePrefix(path, key)
  if (!items) return { ...inside, prefix }
  const index = Number(key)
  return { ...inside, prefix, variables: { item: items[index] ?? null, index }, isInLoop: true }
}

function stepsOf(step: BlockStep, key: string): readonly PlanStep[] {
  if (step.type === 'for_each') return step.steps
  if (step.type === 'parallel') return step.branches[key] ?? []
  return (key === OTHERWISE ? step.otherwise : step.branches[Number(key)]?.steps) ?? []
}

function close(
  now: { -readonly [Key in keyof Lanes]: Lanes[Key] },
  key: string,
  { block, output }: { block: BlockState; output: JsonValue },
): void {
  now.closed = { key, block, output, before: now.closed }
  now.closedCount += 1
}

function outputOf(step: BlockStep, { closed, items, keys }: Lanes): JsonValue {
  if (step.type === 'choose') return closed?.output ?? null
  const outputs = new Map<string, JsonValue>()
  for (let lane: ClosedLane | null = closed; lane; lane = lane.before) outputs.set(lane.key, lane.output)
  if (items) return items.map((_item, index) => outputs.get(String(index)) ?? null)
  const named: JsonObject = {}
  for (const key of keys ?? []) named[key] = outputs.get(key) ?? null
  return named
}

/** What the other lanes did in this turn is undone; what was under way before it is to be cancelled. */
function failLanes(
  turn: Turn,
  path: string,
  before: Lanes,
  failed: { key: string; block: BlockState; error: StepError },
): StepState {
  const { [failed.key]: _failed, ...others } = before.active
  const now = { ...before, active: others, failure: failed.error }
  close(now, failed.key, { block: failed.block, output: null })
  for (const [key, block] of Object.entries(others))
    for (const leaf of pathsUnderWay(block, lanePrefix(path, key))) turn.cancel.push(leaf)
  return drain(now, failed.error)
}

function drain(lanes: Lanes, error: StepError): StepState {
  const now = { ...lanes, active: { ...lanes.active } }
  for (const [key, block] of Object.entries(now.active)) {
    if (pathsUnderWay(block, '').length > 0) continue
    delete now.active[key]
    close(now, key, { block: cutOff(block), output: null })
  }
  if (Object.keys(now.active).length > 0) return { status: 'running', lanes: now }
  return { status: 'failed', output: null, error, lanes: now }
}

/** Blocks that were open when their neighbour failed do not stay open for whoever looks. */
function cutOff(block: BlockState): BlockState {
  const ended = Object.entries(block).map(([name, step]): [string, StepState] => {
    if (step.status !== 'running' || !('lanes' in step)) return [name, step]
    const { lanes } = step
    const active = Object.fromEntries(
      Object.entries(lanes.active).map(([key, inner]) => [key, cutOff(inner)] as const),
    )
    const error = { code: 'CANCELLED', message: 'a step beside it has failed' }
    return [name, { status: 'failed', output: null, error, lanes: { ...lanes, active } }]
  })
  return Object.fromEntries(ended)
}
