/**
 * Random histories of what people and operators do to runs, many at once in one deployment, against a model that shares
 * no code with the product. `MODEL_HISTORIES` says how many (`npm run test:model`: 500), `MODEL_SEED` which. From a
 * hundred, a tenth as many live where a store goes back to an earlier state now and then: the ledger, and then Temporal.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, inject, test } from 'vitest'
import { makeHistory } from './model/actions.ts'
import { approve, live, liveOn, RECONCILED, reportOf, settle, shrink, type Lived } from './model/compare.ts'
import { startScene, type Scene, type Store } from './model/scene.ts'
import { chanceOf } from './random.ts'

const COUNT = Number(process.env['MODEL_HISTORIES'] ?? 20)
const SEED = process.env['MODEL_SEED'] ?? String(Date.now())
const AT_ONCE = 25
/** Longer than any attempt that may still be under way: its deadline, with the ledger's margin. */
const AFTERWARDS_MS = 6_000
/** What was forgotten may be tried again, ever more rarely. */
const AFTER_RESTORES_MS = 20_000
const MOST_SHRUNK = 3

const scenes: Scene[] = []

async function sceneThat(options: Parameters<typeof startScene>[0] = {}): Promise<Scene> {
  const scene = await startScene(options)
  scenes.push(scene)
  return scene
}

afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.close()
})

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
  { timeout: 840_000 + COUNT * 10_000 },
  async () => {
    const scene = await sceneThat()
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

/** Two deployments more are too much for every change; and somebody else’s Temporal is not put back. */
const stores: Store[] = inject('temporalBinary') === '' ? ['ledger'] : ['ledger', 'temporal']
const LEAST_COUNT = 100

for (const store of stores) {
  const count = Math.ceil(COUNT / 10)
  test.runIf(COUNT >= LEAST_COUNT)(
    `what ${count} random histories leave behind is true where the ${store} goes back (seed ${SEED})`,
    { timeout: 840_000 + count * 10_000 },
    async () => {
      const scene = await sceneThat({ goesBack: store })
      const histories = Array.from({ length: count }, (_, index) =>
        makeHistory(chanceOf(`${SEED}/${store}/${index}`), { restores: true }),
      )
      const lived = await forEach(histories, (history) => live(scene, history))
      // Once more, so that what is brought to its end now is forgotten.
      await scene.backUp()
      const approved = await forEach(lived, (life) => approve(scene, life))
      await sleep(AFTERWARDS_MS)
      await scene.restore()
      await sleep(AFTER_RESTORES_MS)
      await scene.reconcile()
      const settled = await forEach(approved, (life) => settle(scene, life, RECONCILED))
      const report = settled.filter(differs).map(reportOf).join('\n\n')
      expect(scene.deadWorker()).toBeNull()
      expect(report, `seed ${SEED}`).toBe('')
    },
  )
}
