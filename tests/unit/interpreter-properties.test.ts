/**
 * What holds for every plan, on plans and orders of events made by chance: a path is used once, a step begins after
 * those before it and with their outputs, bounds hold, what stands beside a failure is ended, nothing is under way when
 * a run ends, and the same events give the same commands.
 */
import { isDeepStrictEqual } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { MAX_UNDER_WAY } from '../../lib/limits.ts'
import type { Plan, PlanStep } from '../../schemas/planned.ts'
import { advance } from '../../workflows/interpreter/advance.ts'
import {
  lanePrefix,
  stepsByPath,
  type BlockState,
  type StepState,
} from '../../workflows/interpreter/state.ts'
import type { ReadyStep } from '../../workflows/interpreter/turn.ts'
import { seededRandom } from '../support/fixtures.ts'
import { randomPlan } from '../support/random-plans.ts'
import { runAgain, runByChance, type RandomRun, type RunTurn } from '../support/random-runs.ts'

const PLANS = 2_000
/** Another one makes other plans: `PLANS_SEED=7 npx vitest run tests/unit/interpreter-properties.test.ts`. */
const FIRST_SEED = Number(process.env['PLANS_SEED'] ?? 1)

type Rule = 'once' | 'order' | 'values' | 'bounds' | 'cancel' | 'end' | 'again'
const broken: Record<Rule, string[]> = {
  once: [],
  order: [],
  values: [],
  bounds: [],
  cancel: [],
  end: [],
  again: [],
}
const seen = { turns: 0, starts: 0, cancels: 0, ends: new Set<string>(), started: new Set<string>() }

beforeAll(() => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + PLANS; seed++) {
    const plan = randomPlan(seededRandom(seed))
    const breaks = (rule: Rule, what: string): void => void broken[rule].push(`seed ${seed}: ${what}`)
    const run = runByChance(plan, seededRandom(seed + 1_000_000), watcher(plan, breaks))
    checkEnd(plan, run, breaks)
    const again = runAgain(plan, run.settlings)
    const differs = run.said.findIndex((line, index) => line !== again[index])
    if (differs >= 0 || again.length !== run.said.length) breaks('again', `differs in turn ${differs}`)
  }
})

type Breaks = (rule: Rule, what: string) => void

function watcher(plan: Plan, breaks: Breaks): (turn: RunTurn) => void {
  const rounds = new Map<string, number>()
  return ({ state, next, underWay }) => {
    seen.turns++
    if (underWay.size !== state.underWay) breaks('bounds', `${state.underWay} counted, ${underWay.size} are`)
    if (underWay.size > MAX_UNDER_WAY) breaks('bounds', `${underWay.size} under way`)
    checkLanes(state.block, { prefix: '', steps: plan.steps, underWay, breaks })
    if (next.kind !== 'perform') return
    seen.cancels += next.cancel.length
    const steps = stepsByPath(state)
    for (const ready of next.start) {
      seen.starts++
      seen.started.add(ready.type)
      checkOnce(plan, ready, rounds, breaks)
      checkOrder(plan, ready.path, steps, breaks)
      checkValue(ready, steps, breaks)
      if (ready.type === 'code') checkScope(ready, steps, breaks)
    }
  }
}

/**
 * Only a call is begun again, and then in a round of its own, which is what makes it another write; and code, which
 * writes nothing, as often as its plan says.
 */
function checkOnce(plan: Plan, ready: ReadyStep, rounds: Map<string, number>, breaks: Breaks): void {
  const before = rounds.get(ready.path) ?? 0
  const round = 'round' in ready ? ready.round : ready.type === 'code' ? before + 1 : 1
  if (round <= before) breaks('once', `${ready.path} in round ${round}`)
  rounds.set(ready.path, round)
  if (ready.type !== 'code') return
  const { block, name } = blocksAround(plan, ready.path).at(-1) ?? {}
  const planned = block?.find((step) => step.name === name)
  const most = (planned?.type === 'code' && planned.retry?.maxAttempts) || 1
  if (round > most) breaks('once', `${ready.path} for the ${round}th time of ${most}`)
}

type Steps = ReturnType<typeof stepsByPath>

/** In every block around the step all that stands before it has ended. */
function checkOrder(plan: Plan, path: string, steps: Steps, breaks: Breaks): void {
  for (const { prefix, name, block } of blocksAround(plan, path)) {
    const before = block.slice(
      0,
      block.findIndex((step) => step.name === name),
    )
    for (const earlier of before) {
      const status = steps[prefix + earlier.name]?.status ?? 'not reached'
      const mayGoOn = ['completed', 'skipped', ...(earlier.onError === 'continue' ? ['failed'] : [])]
      if (!mayGoOn.includes(status)) breaks('order', `${path} while ${prefix}${earlier.name} is ${status}`)
    }
  }
}

/** What is named is the step of that name in the nearest block around, as it ended. */
function checkValue(ready: ReadyStep, steps: Steps, breaks: Breaks): void {
  const { of, value } = givenTo(ready)
  if (typeof of !== 'string') return
  const named = nearestStep(ready.path, of, steps)
  if (!named || !('output' in named) || !isDeepStrictEqual(named.output, value))
    breaks('values', `${ready.path} was given ${JSON.stringify(value)} as the output of ${of}`)
}

/** What a call, a sub-run or a question was given, of which a part is named. */
function givenTo(ready: ReadyStep): JsonObject {
  if ('call' in ready) return ready.call.arguments
  if (ready.type === 'ask') return JSON.parse(ready.title) as JsonObject
  return ready.type === 'run_automation' ? ready.input : {}
}

function nearestStep(path: string, name: string, steps: Steps): StepState | undefined {
  const prefixes = levelsOf(path).map(({ prefix }) => prefix)
  const nearest = prefixes.toReversed().find((prefix) => steps[prefix + name] !== undefined)
  return nearest === undefined ? undefined : steps[nearest + name]
}

/** Code sees all that has ended in the blocks around it, as it ended, and nothing of the lanes beside it. */
function checkScope(ready: Extract<ReadyStep, { type: 'code' }>, steps: Steps, breaks: Breaks): void {
  const itself = levelsOf(ready.path).at(-1)?.name ?? ''
  // Tried again, it sees itself too, as it failed.
  const { [itself]: _before, ...others } = ready.context['steps'] as JsonObject
  const visible = levelsOf(ready.path).flatMap(({ prefix }) =>
    Object.entries(steps).flatMap(([path, { status }]) => {
      const name = path.startsWith(prefix) ? path.slice(prefix.length) : ''
      return status !== 'running' && /^\w+$/.test(name) ? name : []
    }),
  )
  const names = Object.keys(others).sort()
  if (!isDeepStrictEqual(names, [...new Set(visible)].sort()))
    breaks('values', `${ready.path} sees ${names.join()}, not ${visible.join()}`)
  for (const [name, entry] of Object.entries(others)) {
    const named = nearestStep(ready.path, name, steps)
    const output = named && 'output' in named ? named.output : undefined
    if (!isDeepStrictEqual((entry as JsonObject)['output'], output))
      breaks('values', `${ready.path} sees another output of ${name}`)
  }
}

interface LanesContext {
  prefix: string
  steps: readonly PlanStep[]
  underWay: RunTurn['underWay']
  breaks: Breaks
}

function checkLanes(block: BlockState, context: LanesContext): void {
  const { prefix, underWay, breaks } = context
  for (const [name, state] of Object.entries(block)) {
    if (state.status !== 'running' || !('lanes' in state)) continue
    const { lanes } = state
    const path = prefix + name
    const step = context.steps.find((candidate) => candidate.name === name)
    const bound = step && 'concurrency' in step ? step.concurrency : 1
    const active = Object.entries(lanes.active)
    if (active.length > bound) breaks('bounds', `${path}: ${active.length} lanes, at most ${bound}`)
    if (lanes.failure) {
      for (const [leaf, { isCancelled }] of underWay)
        if (isInside(leaf, path) && !isCancelled) breaks('cancel', `${leaf} goes on in ${path}`)
    }
    for (const [key, inner] of active)
      checkLanes(inner, { ...context, prefix: lanePrefix(path, key), steps: stepsIn(step, key) })
  }
}

function checkEnd(plan: Plan, { state, next, settlings, said }: RandomRun, breaks: Breaks): void {
  seen.ends.add(next.kind)
  if (state.underWay !== 0) breaks('end', `${state.underWay} are counted as under way`)
  for (const [path, step] of Object.entries(stepsByPath(state))) {
    if (step.status === 'running') breaks('end', `${path} is open`)
    else checkNames(path, step, breaks)
  }
  const starts = said.flatMap((line) => {
    const turn = JSON.parse(line) as { start?: { path: string }[] }
    return turn.start?.map(({ path }) => path) ?? []
  })
  const ended = settlings.flat().map(({ path }) => path)
  if (!isDeepStrictEqual(starts.toSorted(), ended.toSorted())) breaks('end', 'not all that began has settled')
  if (!isDeepStrictEqual(advance(plan, state).next, next))
    breaks('end', 'asked again, it says something else')
}

/** All that is named exists by then, but for what the generator means to be missing. */
function checkNames(path: string, step: StepState, breaks: Breaks): void {
  if (step.status !== 'failed' || !/EXPRESSION|REFERENCE/.test(step.error.code)) return
  if (!step.error.message.includes('`input` has no `nothing`'))
    breaks('values', `${path}: ${step.error.message}`)
}

interface Level {
  prefix: string
  name: string
  key: string
}

/** `a.left.b[3].c`: `a` at the top, `b` in `a.left.`, `c` in `a.left.b[3].`. */
function levelsOf(path: string): Level[] {
  const levels: Level[] = []
  let prefix = ''
  for (const [whole, name = '', index, branch] of path.matchAll(/([a-z0-9_]+)(?:\[(\d+)\]|\.([a-z]+))\./g)) {
    levels.push({ prefix, name, key: index ?? branch ?? '' })
    prefix += whole
  }
  return [...levels, { prefix, name: path.slice(prefix.length), key: '' }]
}

function blocksAround(plan: Plan, path: string): (Level & { block: readonly PlanStep[] })[] {
  let block: readonly PlanStep[] = plan.steps
  return levelsOf(path).map((level) => {
    const around = { ...level, block }
    block = stepsIn(
      block.find((step) => step.name === level.name),
      level.key,
    )
    return around
  })
}

function stepsIn(step: PlanStep | undefined, key: string): readonly PlanStep[] {
  switch (step?.type) {
    case 'for_each':
      return step.steps
    case 'parallel':
      return step.branches[key] ?? []
    case 'choose':
      return (key === 'otherwise' ? step.otherwise : step.branches[Number(key)]?.steps) ?? []
    default:
      return []
  }
}

function isInside(path: string, block: string): boolean {
  return path.startsWith(`${block}.`) || path.startsWith(`${block}[`)
}

describe(`${PLANS} plans made by chance, from seed ${FIRST_SEED}`, () => {
  it('end, some well and some not, with all kinds of steps', () => {
    expect([...seen.ends].sort()).toEqual(['completed', 'failed'])
    expect([...seen.started].sort()).toEqual(['ask', 'call', 'code', 'run_automation', 'sleep', 'writeback'])
    expect(seen.starts).toBeGreaterThan(PLANS * 5)
    expect(seen.cancels).toBeGreaterThan(PLANS / 10)
  })

  const rules: [Rule, string][] = [
    ['once', 'begin no path twice, unless it is tried again, in a later round'],
    ['order', 'begin a step only when all before it have ended, in every block around it'],
    ['values', 'give a step the outputs of those that it names'],
    ['bounds', 'keep the bounds of lanes and of the run'],
    ['cancel', 'end what stands beside a failure, and begin nothing there'],
    ['end', 'leave nothing open, and stay ended'],
    ['again', 'say the same when the same happens again, from states stored as JSON'],
  ]
  it.each(rules)('%s: they %s', (rule) => {
    expect(broken[rule].slice(0, 5)).toEqual([])
  })
})
