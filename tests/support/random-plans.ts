/** Plans made by chance, of all kinds of steps in each other, whose expressions name what they may name. */
import type { JsonObject } from '../../lib/json.ts'
import type {
  AskStep,
  BlockStep,
  CallStep,
  CodeStep,
  Plan,
  PlanStep,
  ReturnStep,
} from '../../schemas/planned.ts'
import { planOf } from './plans.ts'

export type Random = () => number

/** What `input.lists` of these plans has to be. */
export const LISTS: number[][] = [[], [1], [1, 2, 3], Array.from({ length: 9 }, (_, index) => index)]

/** Where a step stands. */
interface Spot {
  random: Random
  name: string
  /** Names that its expressions may name. */
  visible: readonly string[]
  /** How many more blocks may stand in it. */
  depth: number
  /** Nothing beside it that a `return` could race with. */
  isAlone: boolean
}

export function randomPlan(random: Random, depth = 3): Plan {
  return planOf(...randomSteps({ random, name: 's', visible: [], depth, isAlone: true }))
}

function randomSteps(spot: Spot): PlanStep[] {
  const count = 1 + below(spot.random, 4)
  const steps: PlanStep[] = []
  for (let index = 0; index < count; index++) {
    const visible = [...spot.visible, ...steps.map(({ name }) => name)]
    steps.push(randomStep({ ...spot, visible, name: `${spot.name}${index}` }))
  }
  return steps
}

function randomStep(spot: Spot): PlanStep {
  const { random, name, visible, depth } = spot
  const common = {
    name,
    ...(random() < 0.15 ? { if: pick(random, conditions(visible)) } : {}),
    ...(random() < 0.2 ? { onError: 'continue' as const } : {}),
  }
  if (depth > 0 && random() < 0.5) return { ...randomBlock(spot), ...common }
  const kind = random()
  if (kind < 0.45) return { ...randomCall(spot), ...common }
  if (kind < 0.55) return { ...randomCode(spot), ...common }
  if (kind < 0.65) return { ...randomAsk(spot), ...common }
  if (kind < 0.75) return { type: 'run_automation', ...common, automation: 'other', input: argument(spot) }
  if (kind < 0.9) return { type: 'sleep', ...common, sleep: randomSleep(random) }
  const { onError: _never, ...ending } = common
  if (spot.isAlone && random() < 0.5) return randomReturn(spot, ending)
  return random() < 0.3
    ? { type: 'fail', ...ending, code: 'NO_LUCK', message: 'because of ${{ run.id }}' }
    : { ...randomCall(spot), ...ending }
}

function randomBlock(spot: Spot): BlockStep {
  const { random, name } = spot
  const inside = (key: string, isAlone = false): PlanStep[] =>
    randomSteps({ ...spot, name: `${name}_${key}`, depth: spot.depth - 1, isAlone })
  const concurrency = 1 + below(random, 5)
  switch (below(random, 3)) {
    case 0:
      return { type: 'for_each', name, items: randomItems(spot), concurrency, steps: inside('i') }
    case 1: {
      const keys = ['a', 'b', 'c'].slice(0, 1 + below(random, 3))
      const branches = Object.fromEntries(keys.map((key) => [key, inside(key)]))
      return { type: 'parallel', name, concurrency, branches }
    }
    default: {
      const branches = ['w', 'v'].slice(0, 1 + below(random, 2)).map((key) => ({
        when: pick(random, conditions(spot.visible)),
        steps: inside(key, spot.isAlone),
      }))
      const otherwise = random() < 0.5 ? { otherwise: inside('o', spot.isAlone) } : {}
      return { type: 'choose', name, branches, ...otherwise }
    }
  }
}

function randomCall(spot: Spot): CallStep {
  const { random, name } = spot
  const type = random() < 0.3 ? 'writeback' : 'call'
  const call = { connection: 'c', operation: 'o', arguments: argument(spot), raisedToWrite: false }
  return { type, name, timeoutMs: 1_000, call, ...randomRetry(random) }
}

/** It is given all that it may name. */
function randomCode({ random, name }: Spot): CodeStep {
  return { type: 'code', name, source: 'export default () => 1', timeoutMs: 1_000, ...randomRetry(random) }
}

/** The title is, as JSON, what a call is given in its arguments. */
function randomAsk(spot: Spot): AskStep {
  const { of, value = null } = argument(spot)
  const title =
    typeof of === 'string'
      ? `\${{ {"of": "${of}", "value": steps.${of}.output} }}`
      : typeof value === 'string'
        ? value
        : JSON.stringify({ value })
  return { type: 'ask', name: spot.name, title, markdown: '', expiresAfterMs: 1_000 }
}

function randomRetry(random: Random): Pick<CallStep, 'retry'> {
  return random() < 0.25 ? { retry: { maxAttempts: 2 + below(random, 3), backoffMs: 1 } } : {}
}

/** `of`: the name of the step whose output is given as `value`. */
function argument({ random, visible }: Spot): JsonObject {
  if (random() < 0.04) return { value: '${{ input.nothing }}' }
  if (visible.length === 0 || random() < 0.3) return { value: 1 }
  const of = pick(random, visible)
  return { of, value: `\${{ steps.${of}.output }}` }
}

function randomReturn({ visible, random }: Spot, common: Pick<ReturnStep, 'name'>): ReturnStep {
  const value = visible.length === 0 ? 'done' : `\${{ steps.${pick(random, visible)}.output }}`
  return { type: 'return', ...common, value }
}

function randomSleep(random: Random): { forMs: number } | { until: string } {
  return random() < 0.5 ? { forMs: 5 } : { until: '"2026-10-01T12:00:00Z"' }
}

function randomItems({ random, visible }: Spot): string {
  if (visible.length > 0 && random() < 0.1) return `[steps.${pick(random, visible)}.output]`
  return random() < 0.03 ? 'input.nothing' : `input.lists[${below(random, LISTS.length)}]`
}

function conditions(visible: readonly string[]): string[] {
  return ['true', 'false', ...visible.map((name) => `steps.${name}.status == "completed"`)]
}

export function below(random: Random, bound: number): number {
  return Math.floor(random() * bound)
}

export function pick<T>(random: Random, list: readonly T[]): T {
  const picked = list[below(random, list.length)]
  if (picked === undefined) throw new Error('nothing to pick from')
  return picked
}
