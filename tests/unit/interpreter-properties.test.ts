/**
 * What holds for every plan, on plans and orders of events made by chance: a path is used once, a step begins after
 * those before it, bounds hold, nothing is under way when a run ends, and the same events give the same commands.
 */
import { describe, expect, it } from 'vitest'
import type { Plan, PlanStep } from '../../schemas/planned.ts'
import { MAX_UNDER_WAY } from '../../lib/limits.ts'
import { advance } from '../../workflows/interpreter/advance.ts'
import { createRunState, settle, stepsByPath } from '../../workflows/interpreter/state.ts'
import { seededRandom } from '../support/fixtures.ts'
import { callStep, completed, failed, planOf, type Play } from '../support/plans.ts'

const PLANS = 400
const MAX_EVENTS = 5_000

type Random = () => number

function randomSteps(random: Random, depth: number, prefix: string): PlanStep[] {
  const count = 1 + Math.floor(random() * 4)
  return Array.from({ length: count }, (_, index) => randomStep(random, depth, `${prefix}${index}`))
}

function randomStep(random: Random, depth: number, name: string): PlanStep {
  const common = {
    ...(random() < 0.15 ? { if: random() < 0.5 ? 'false' : 'true' } : {}),
    ...(random() < 0.2 ? { onError: 'continue' as const } : {}),
  }
  const inside = (key: string) => randomSteps(random, depth - 1, `${name}_${key}`)
  const concurrency = 1 + Math.floor(random() * 5)
  const kind = depth === 0 ? 0 : Math.floor(random() * 6)
  switch (kind) {
    case 1:
      return {
        type: 'for_each',
        name,
        ...common,
        items: `input.lists[${Math.floor(random() * 4)}]`,
        concurrency,
        steps: inside('i'),
      }
    case 2: {
      const branches = Object.fromEntries(
        ['a', 'b', 'c'].slice(0, 1 + Math.floor(random() * 3)).map((key) => [key, inside(key)]),
      )
      return { type: 'parallel', name, ...common, concurrency, branches }
    }
    case 3:
      return {
        type: 'choose',
        name,
        ...common,
        branches: [{ when: random() < 0.5 ? 'true' : 'false', steps: inside('w') }],
        ...(random() < 0.5 ? { otherwise: inside('o') } : {}),
      }
    default: {
      const retry = random() < 0.2 ? { retry: { maxAttempts: 2, backoffMs: 1 } } : {}
      return callStep(name, random() < 0.05 ? '${{ input.nothing }}' : 1, { ...common, ...retry })
    }
  }
}

const INPUT = { lists: [[], [1], [1, 2, 3], Array.from({ length: 9 }, (_, index) => index)] }

interface Played extends Pick<Play, 'log' | 'next' | 'state'> {
  /** Most steps under way at once, by the block they stand in. */
  peaks: Map<string, number>
}

/** Settles what is under way in an order made by chance, and now and then as a failure. */
function playByChance(plan: Plan, random: Random): Played {
  const log: string[] = []
  const peaks = new Map<string, number>()
  const underWay: string[] = []
  let state = createRunState(INPUT, {})
  for (let event = 0; event < MAX_EVENTS; event++) {
    const advanced = advance(plan, state)
    const { next } = advanced
    state = advanced.state
    switch (next.kind) {
      case 'perform':
        for (const path of next.cancel) log.push(`cancel ${path}`)
        for (const { path } of next.start) {
          log.push(`start ${path}`)
          underWay.push(path)
        }
        notePeaks(underWay, peaks)
        break
      case 'wait': {
        // Several may settle before the interpreter is asked again.
        do {
          const [path = ''] = underWay.splice(Math.floor(random() * underWay.length), 1)
          const settled = random() < 0.08 ? failed() : completed(path)
          log.push(`${settled.status} ${path}`)
          state = settle(state, path, settled)
        } while (underWay.length > 0 && random() < 0.2)
        break
      }
      default:
        log.push(next.kind)
        expect(underWay).toEqual([])
        return { log, next, state, peaks }
    }
  }
  throw new Error('the run does not end')
}

/** Lanes with something under way, by the step they stand in. */
function notePeaks(underWay: readonly string[], peaks: Map<string, number>): void {
  const lanes = new Map<string, Set<string>>()
  for (const path of underWay) {
    for (const [, block = '', lane = ''] of path.matchAll(/(?<=^|\.)([a-z0-9_]+)(\[\d+\]|\.[a-z]+)(?=\.)/g)) {
      const at = path.slice(0, path.indexOf(`${block}${lane}`)) + block
      lanes.set(at, (lanes.get(at) ?? new Set()).add(lane))
    }
  }
  for (const [block, keys] of lanes) peaks.set(block, Math.max(peaks.get(block) ?? 0, keys.size))
}

function concurrencyOf(steps: readonly PlanStep[], bounds = new Map<string, number>()): Map<string, number> {
  for (const step of steps) {
    if (step.type === 'for_each' || step.type === 'parallel') bounds.set(step.name, step.concurrency)
    if (step.type === 'choose') bounds.set(step.name, 1)
    if (step.type === 'for_each') concurrencyOf(step.steps, bounds)
    if (step.type === 'parallel')
      Object.values(step.branches).forEach((inner) => concurrencyOf(inner, bounds))
    if (step.type === 'choose')
      [...step.branches.map((branch) => branch.steps), step.otherwise ?? []].forEach((inner) =>
        concurrencyOf(inner, bounds),
      )
  }
  return bounds
}

const seeds = Array.from({ length: PLANS }, (_, index) => index + 1)
const planFor = (seed: number): Plan => planOf(...randomSteps(seededRandom(seed), 3, 's'))

describe(`${PLANS} plans made by chance`, () => {
  const played = seeds.map((seed) => ({
    seed,
    plan: planFor(seed),
    ...playByChance(planFor(seed), seededRandom(seed + 10_000)),
  }))

  it('end, some well and some not, with all kinds of steps', () => {
    const kinds = new Set(played.map(({ next }) => next.kind))
    expect([...kinds].sort()).toEqual(['completed', 'failed'])
    expect(played.some(({ log }) => log.some((line) => line.startsWith('cancel')))).toBe(true)
    expect(Math.max(...played.map(({ log }) => log.length))).toBeGreaterThan(100)
  })

  it('begin no path twice, unless it is tried again', () => {
    for (const { seed, log } of played) {
      const open = new Map<string, string>()
      for (const line of log) {
        const [what = '', path = ''] = line.split(' ')
        if (what === 'start') expect(['', 'failed'], `seed ${seed}: ${path}`).toContain(open.get(path) ?? '')
        if (path) open.set(path, what)
      }
    }
  })

  it('begin a step only when the one before it has ended', () => {
    for (const { seed, log } of played) {
      const running = new Set<string>()
      for (const line of log) {
        const [what = '', path = ''] = line.split(' ')
        const block = path.slice(0, path.lastIndexOf('.') + 1)
        if (what === 'start') {
          const beside = [...running].filter(
            (other) => other.startsWith(block) && !/[.[]/.test(other.slice(block.length)),
          )
          expect(beside, `seed ${seed}: ${path}`).toEqual([])
          running.add(path)
        }
        if (what === 'completed' || what === 'failed') running.delete(path)
      }
    }
  })

  it('keep the bounds', () => {
    for (const { seed, plan, peaks, log } of played) {
      const bounds = concurrencyOf(plan.steps)
      for (const [block, peak] of peaks) {
        const name = /[a-z0-9_]+$/.exec(block)?.[0] ?? ''
        expect(peak, `seed ${seed}: ${block}`).toBeLessThanOrEqual(bounds.get(name) ?? 0)
      }
      let underWay = 0
      for (const line of log) {
        if (line.startsWith('start')) underWay++
        if (/^(completed|failed) /.test(line)) underWay--
        expect(underWay).toBeLessThanOrEqual(MAX_UNDER_WAY)
      }
    }
  })

  it('leave nothing open', () => {
    for (const { seed, state } of played) {
      expect(state.underWay, `seed ${seed}`).toBe(0)
      const open = Object.entries(stepsByPath(state)).filter(([, step]) => step.status === 'running')
      expect(open, `seed ${seed}`).toEqual([])
    }
  })

  it('say the same when the same happens again', () => {
    for (const { seed, log } of played)
      expect(playByChance(planFor(seed), seededRandom(seed + 10_000)).log, `seed ${seed}`).toEqual(log)
  })
})
