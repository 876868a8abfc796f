/**
 * Manifests damaged by chance, against the real API with a real server behind it. Each is refused with the places that
 * are wrong, or saved; and what was saved is run, on the real stack, and does not fail for what could have been seen.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { inLanes } from '../../lib/lanes.ts'
import { ApiError } from '../../sdk/client/index.ts'
import { LOOK } from '../support/automations.ts'
import { seededRandom } from '../support/fixtures.ts'
import { everything, MUTATIONS } from '../support/mutations.ts'
import { startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'

const WRONG_PER_KIND = 6
const OTHERS_PER_KIND = 12
const SUB_RUN = 'echo'
/** Another one makes other manifests. */
const FIRST_SEED = Number(process.env['MUTATIONS_SEED'] ?? 1)
const LANES = 8
const PATIENCE_MS = 60_000
/** Of the automation's own `fail`, and of what a target alone can know: that there is no such row, or what it refuses. */
const NOT_FOR_SAVE = ['ODD', 'WRITE_CONFLICT', 'WRITE_FAILED']
/** Of a target, about a value and the type of its column. */
const UNFIT_FOR_COLUMN = /invalid input syntax for type|out of range/

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
  const input = { type: 'object', required: ['account'], properties: { account: { type: 'string' } } }
  await s.apply({ kind: 'Automation', name: SUB_RUN, spec: { input, steps: [LOOK] } })
  await s.apply({
    kind: 'Policy',
    name: 'all-free',
    spec: { rules: [{ name: 'writes', match: { automation: 'mutant-*' }, allow: true }] },
  })
})

afterAll(() => s.close())

interface Mutant {
  what: string
  isWrong: boolean
  document: JsonObject
}

function makeMutants(): Mutant[] {
  return MUTATIONS.flatMap((mutation, kind) =>
    Array.from({ length: mutation.isWrong ? WRONG_PER_KIND : OTHERS_PER_KIND }, (_, time) => {
      const seed = FIRST_SEED + kind * 1_000 + time
      const random = seededRandom(seed)
      const name = `mutant-${kind}-${time}`
      let document = everything(name, SUB_RUN)
      while (!mutation.apply(document, random)) document = everything(name, SUB_RUN)
      return { what: `${mutation.name} (seed ${seed})`, isWrong: mutation.isWrong === true, document }
    }),
  )
}

/** Null: it was saved. */
async function problemOf({ document }: Mutant): Promise<string | null> {
  try {
    await s.apply(document)
    return null
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.status !== 422) return `${error.status} ${error.code} ${error.message}`
    const places = error.errors ?? []
    if (places.length === 0) return 'refused without a place'
    const strange = places.find(({ path }) => !path.startsWith('manifests[0]'))
    return strange ? `a place that is none: ${JSON.stringify(strange)}` : ''
  }
}

test('the manifest that is damaged is whole, and runs', async () => {
  await s.apply(everything('mutant-none', SUB_RUN))
  await s.expectEnding(await s.start('mutant-none'), { state: 'completed', balance: 7 })
})

test(`damaged manifests, from seed ${FIRST_SEED}`, async () => {
  const mutants = makeMutants()
  expect(mutants.length).toBeGreaterThanOrEqual(200)
  const saved: Mutant[] = []
  const wrong: string[] = []
  await inLanes(mutants, LANES, async (mutant) => {
    const problem = await problemOf(mutant)
    if (problem === null) saved.push(mutant)
    if (problem) wrong.push(`${mutant.what}: ${problem}`)
    if (problem === null && mutant.isWrong) wrong.push(`${mutant.what}: saved`)
  })
  const runs: [Mutant, StartedRun][] = []
  await inLanes(saved, LANES, async (mutant) => {
    const run = await startOf(mutant)
    if (run) runs.push([mutant, run])
  })
  for (const [mutant, run] of runs) {
    const failure = await failureOf(run)
    if (failure) wrong.push(`${mutant.what}: ${failure}`)
  }
  expect(wrong.sort()).toEqual([])
  console.info(`[numbers] ${mutants.length} damaged, ${saved.length} saved, ${runs.length} run`)
}, 180_000)

/** Null: it wants another input now. */
async function startOf({ document }: Mutant): Promise<StartedRun | null> {
  try {
    return await s.start(String(document['name']))
  } catch (error) {
    if (error instanceof ApiError && error.code === 'INVALID_INPUT') return null
    throw error
  }
}

async function failureOf(run: StartedRun): Promise<string | null> {
  const deadlineMs = Date.now() + PATIENCE_MS
  for (;;) {
    const { state, code, message } = await s.look(run)
    if (state === 'completed' || state.startsWith('waiting')) return null
    if (state === 'failed' && NOT_FOR_SAVE.includes(String(code))) return null
    if (code === 'INVALID_ARGUMENTS' && UNFIT_FOR_COLUMN.test(message)) return null
    if (state === 'failed') return `${code}: ${message}`
    if (Date.now() > deadlineMs) return `it is ${state}`
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
