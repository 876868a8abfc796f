/**
 * Random histories of what people and operators do to runs, many at once in one deployment, against a model that shares
 * no code with the product. `MODEL_HISTORIES` says how many (`npm run test:model`: 500), `MODEL_SEED` which.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeHistory, textOf, type Gate } from './model/actions.ts'
import { live, liveOn, RECONCILED, reportOf, settle, shrink, type Lived } from './model/compare.ts'
import { differences, type Observed, type Step } from './model/model.ts'
import { startScene, type Scene } from './model/scene.ts'
import { chanceOf } from './random.ts'

const COUNT = Number(process.env['MODEL_HISTORIES'] ?? 20)
const SEED = process.env['MODEL_SEED'] ?? String(Date.now())
const AT_ONCE = 25
/** Longer than any attempt that may still be under way: its deadline, with the ledger's margin. */
const AFTERWARDS_MS = 6_000
const MOST_SHRUNK = 3

let scene: Scene

beforeAll(async () => {
  scene = await startScene()
}, 240_000)

afterAll(() => scene?.close())

async function forEach<Item, Result>(
  items: Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  const queue = items.entries()
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return results
}

const differs = (life: Lived): boolean => life.differences.length > 0

test(
  `what ${COUNT} random histories leave behind is what the model allows (seed ${SEED})`,
  { timeout: 600_000 + COUNT * 10_000 },
  async () => {
    const histories = Array.from({ length: COUNT }, (_, index) => makeHistory(chanceOf(`${SEED}/${index}`)))
    const lived = await forEach(histories, async (history) => {
      const life = await live(scene, history)
      // At once, because a difference is looked at while the others go on.
      if (differs(life)) process.stderr.write(`${reportOf(life)}\n\n`)
      return life
    })
    await sleep(AFTERWARDS_MS)
    await scene.reconcile()
    const settled = lived.filter((life) => !differs(life))
    const later = await forEach(settled, async (life) => {
      const reconciled = await settle(scene, life, RECONCILED)
      return differs(reconciled) ? reconciled : liveOn(scene, reconciled)
    })
    const found = [...lived, ...later].filter(differs)
    const small: Lived[] = []
    for (const life of lived.filter(differs).slice(0, MOST_SHRUNK)) small.push(await shrink(scene, life))
    const report = [...found.map(reportOf), ...small.map((life) => `made small: ${reportOf(life)}`)].join(
      '\n\n',
    )
    expect(scene.deadWorker()).toBeNull()
    expect(report, `seed ${SEED}`).toBe('')
  },
)

test('the generator gives the same histories for the same seed', () => {
  const texts = () => Array.from({ length: 5 }, (_, index) => textOf(makeHistory(chanceOf(`s/${index}`))))
  expect(texts()).toEqual(texts())
})

const APPROVED: Step = {
  action: { kind: 'decide', verdict: 'approve', by: 'lena', through: 'api' },
  answer: { kind: 'counted', state: 'approved' },
  endedBefore: null,
}
const STOPPED: Step = {
  action: { kind: 'cancel', what: 'run' },
  answer: { kind: 'done' },
  endedBefore: null,
}
const NOBODY = { run: false, writeback: false, approval: false }
const APPLIED: Observed = {
  run: 'completed',
  rows: ['applied'],
  inbox: ['approved'],
  receipts: ['approve by lena', 'outcome applied'],
  problems: [],
  effects: 1,
  alive: NOBODY,
}
const WITHDRAWN: Observed = {
  ...APPLIED,
  run: 'cancelled',
  rows: ['withdrawn'],
  inbox: ['withdrawn'],
  receipts: ['outcome withdrawn'],
  effects: 0,
}
const WAITING: Observed = {
  ...WITHDRAWN,
  run: 'waiting_for_approval',
  rows: ['planned'],
  inbox: ['waiting'],
  receipts: [],
  alive: { run: true, writeback: true, approval: true },
}

test('the model bites', () => {
  const judge = (gate: Gate, steps: Step[], observed: Observed) =>
    differences({ gate, write: 'sql', actions: [] }, steps, observed, {
      workersDied: false,
      reconciles: true,
      recordsInOrder: true,
    })
  expect(judge('one', [APPROVED], APPLIED)).toEqual([])
  expect(judge('one', [STOPPED], WITHDRAWN)).toEqual([])
  expect(judge('one', [], WAITING)).toEqual([])
  expect(judge('free', [], { ...APPLIED, inbox: [], receipts: ['outcome applied'] })).toEqual([])
  const broken: [Gate, Step[], Observed][] = [
    ['one', [APPROVED], { ...APPLIED, effects: 2 }],
    ['one', [APPROVED], { ...APPLIED, effects: 0 }],
    ['one', [APPROVED], { ...APPLIED, receipts: ['outcome applied'] }],
    ['one', [APPROVED], { ...APPLIED, receipts: ['outcome applied', 'approve by lena'] }],
    ['one', [APPROVED], { ...APPLIED, receipts: ['approve by wanda', 'outcome applied'] }],
    ['one', [APPROVED], { ...APPLIED, inbox: ['waiting'] }],
    ['one', [APPROVED], { ...APPLIED, run: 'failed' }],
    ['one', [APPROVED], { ...APPLIED, alive: { ...NOBODY, approval: true } }],
    ['one', [APPROVED], WITHDRAWN],
    ['one', [APPROVED], WAITING],
    ['one', [{ ...APPROVED, answer: { kind: 'refused', code: 'NOT_ELIGIBLE' } }], APPLIED],
    ['one', [], APPLIED],
    ['two', [APPROVED], APPLIED],
    ['deny', [APPROVED], APPLIED],
    ['one', [STOPPED], WAITING],
    ['one', [STOPPED], { ...WITHDRAWN, effects: 1 }],
    ['one', [STOPPED], { ...WITHDRAWN, rows: ['planned'], receipts: [] }],
    ['one', [STOPPED, { ...APPROVED, endedBefore: 'withdrawn' }], APPLIED],
  ]
  for (const [gate, steps, observed] of broken) expect(judge(gate, steps, observed)).not.toEqual([])
})
