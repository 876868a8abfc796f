/**
 * Runs by chance: what is under way settles in any order, well or badly, several at once, and what was cancelled settles
 * when it likes, even well. Every turn of the interpreter is shown to who watches.
 */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { Plan } from '../../schemas/planned.ts'
import { advance, type Next } from '../../workflows/interpreter/advance.ts'
import { createRunState, settle, type RunState, type SettledStep } from '../../workflows/interpreter/state.ts'
import type { ReadyStep } from '../../workflows/interpreter/turn.ts'
import { completed, CUT, failed } from './plans.ts'
import { below, LISTS, pick, type Random } from './random-plans.ts'

const MAX_TURNS = 20_000
const INPUT: JsonObject = { lists: LISTS }
const ABOUT: JsonObject = { id: 'run_1' }

export interface Settling {
  path: string
  settled: SettledStep
}

interface Begun {
  ready: ReadyStep
  isCancelled: boolean
}

/** One look of the interpreter at the state. */
export interface RunTurn {
  state: RunState
  next: Next
  /** What is under way after it, by path: as it was started, and whether it was told to end. */
  underWay: ReadonlyMap<string, Begun>
}

export interface RandomRun {
  /** What settled, in groups between which the interpreter was asked. */
  settlings: Settling[][]
  /** What the interpreter said, as JSON. */
  said: string[]
  state: RunState
  next: Next
}

export function runByChance(plan: Plan, random: Random, watch: (turn: RunTurn) => void): RandomRun {
  const underWay = new Map<string, Begun>()
  const settlings: Settling[][] = []
  const said: string[] = []
  // Some go far, some end soon.
  const failures = random() * 0.2
  let state = createRunState(INPUT, ABOUT)
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    const { state: after, next } = advance(plan, deepFreeze(state))
    state = after
    said.push(JSON.stringify(next))
    if (next.kind === 'perform') {
      for (const path of next.cancel) known(underWay, path).isCancelled = true
      for (const ready of next.start) underWay.set(ready.path, { ready, isCancelled: false })
    }
    watch({ state, next, underWay })
    if (next.kind === 'completed' || next.kind === 'failed') return { settlings, said, state, next }
    if (next.kind === 'perform') continue
    const group = settleSome(random, underWay, failures)
    settlings.push(group)
    for (const { path, settled } of group) state = settle(state, path, settled)
  }
  throw new Error('the run does not end')
}

/** The same run again, from a state that was stored as JSON each time in between. */
export function runAgain(plan: Plan, settlings: readonly Settling[][]): string[] {
  const said: string[] = []
  const groups = settlings.values()
  let state = createRunState(INPUT, ABOUT)
  for (;;) {
    const advanced = advance(plan, state)
    said.push(JSON.stringify(advanced.next))
    state = JSON.parse(JSON.stringify(advanced.state)) as RunState
    if (advanced.next.kind === 'perform') continue
    const group = groups.next()
    if (group.done) return said
    for (const { path, settled } of group.value) state = settle(state, path, settled)
  }
}

function known(underWay: ReadonlyMap<string, Begun>, path: string): Begun {
  const begun = underWay.get(path)
  if (!begun) throw new Error(`${path} is not under way`)
  return begun
}

function settleSome(random: Random, underWay: Map<string, Begun>, failures: number): Settling[] {
  const group: Settling[] = []
  do {
    const path = pick(random, [...underWay.keys()])
    const { ready, isCancelled } = known(underWay, path)
    const settled = isCancelled && random() < 0.8 ? CUT : settledByChance(random, ready, failures)
    underWay.delete(path)
    group.push({ path, settled })
  } while (underWay.size > 0 && random() < 0.25)
  return group
}

function settledByChance(random: Random, ready: ReadyStep, failures: number): SettledStep {
  if (random() >= failures) return completed(outputFor(random, ready.path))
  if (ready.type === 'code') return failed(pick(random, ['CODE_FAILED', 'LIMIT_EXCEEDED']))
  if (!('round' in ready)) return failed()
  const { round } = ready
  // A write may have gone through rounds by itself.
  const lastRound = random() < 0.3 ? { lastRound: round + 2 } : {}
  if (random() < 0.5) return { ...failed(pick(random, ['TOOL_FAILED', 'TARGET_REFUSED'])), ...lastRound }
  const status = pick(random, ['conflict', 'failed', 'unknown', 'rejected'] as const)
  return { ...failed('WRITE_FAILED'), ...lastRound, writeback: { id: 'wb', status, receipt: 'rcp' } }
}

function outputFor(random: Random, path: string): JsonValue {
  return [path, null, { path }, [path, { n: below(random, 9) }]][below(random, 4)] ?? null
}

/** The interpreter makes new states; what it was given stays as it was. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}
