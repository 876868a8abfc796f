/**
 * Random histories of what people and operators do to runs, many at once in one deployment, against a model that shares
 * no code with the product. `MODEL_HISTORIES` says how many (`npm run test:model`: 500), `MODEL_SEED` which.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeHistory } from './model/actions.ts'
import { live, liveOn, RECONCILED, reportOf, settle, shrink, type Lived } from './model/compare.ts'
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
