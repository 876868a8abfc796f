/** The tests of one file, each played from its beginning. Nothing outside of this process is asked. */
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { inputPlaces } from '../lib/run-input.ts'
import { knownOf } from '../manifests/check.ts'
import type { AutomationTest, StepStatus, TestFile } from '../schemas/automation-tests.ts'
import type { AutomationSpec, Manifest } from '../schemas/manifests.ts'
import { compilePlan } from '../schemas/plan.ts'
import { stepsByPath, type RunState } from '../workflows/interpreter/state.ts'
import { differencesOf, type Difference } from './compare.ts'
import { createFixtures } from './fixtures.ts'
import { outsideOf } from './outside.ts'
import { simulate } from './simulate.ts'
import { TestGap, type World } from './world.ts'

export interface TestResult {
  name: string
  ok: boolean
  durationMs: number
  differences: Difference[]
  /** What is wrong with the test itself. */
  problems: string[]
  /** Of one that is not ok: what helps to understand it. */
  notes: string[]
}

export async function runTests(
  file: TestFile,
  manifests: readonly Manifest[],
  nowMs: () => number,
): Promise<TestResult[]> {
  const results: TestResult[] = []
  for (const test of file.tests) {
    const startedMs = nowMs()
    const found = await differencesIn(file, test, manifests)
    const ok = found.differences.length + found.problems.length === 0
    const notes = ok ? [] : found.notes
    results.push({ name: test.name, ok, durationMs: nowMs() - startedMs, ...found, notes })
  }
  return results
}

type Found = Pick<TestResult, 'differences' | 'problems' | 'notes'>

async function differencesIn(
  file: TestFile,
  test: AutomationTest,
  manifests: readonly Manifest[],
): Promise<Found> {
  const world = worldOf(file, test, manifests)
  const spec = world.known.automations.get(file.automation)
  if (!spec)
    return {
      differences: [],
      notes: [],
      problems: [`there is no automation ${file.automation} in the manifests`],
    }
  const input = test.input as JsonValue
  const misfits = await inputPlaces(spec.input as JsonObject | undefined, input, null)
  if (misfits.length > 0)
    return { differences: [], notes: [], problems: misfits.map(({ path, message }) => `${path}: ${message}`) }
  try {
    return await play(file.automation, spec, test, world)
  } catch (error) {
    if (!(error instanceof TestGap)) throw error
    return { differences: [], notes: [...world.notes], problems: [error.message] }
  }
}

async function play(
  automation: string,
  spec: AutomationSpec,
  test: AutomationTest,
  world: World,
): Promise<Found> {
  const run = { id: 'run_test', organization: 'test', automation, revision: 1 }
  const start = { input: test.input as JsonValue, run, startMs: Date.parse(test.at) }
  const outside = outsideOf(world, { automation, prefix: '', depth: 1 })
  const { state, end } = await simulate(compilePlan(automation, 1, spec), start, outside)
  const { writes, asked, logs } = world
  const course = { end, steps: statusesOf(state), writes, asked, logs }
  const unused = world.fixtures.unused().map((place) => `${place} was never asked for`)
  return { differences: differencesOf(test.expect, course), problems: unused, notes: [...world.notes] }
}

function worldOf(file: TestFile, test: AutomationTest, manifests: readonly Manifest[]): World {
  const { principal, kind, on_behalf_of: onBehalfOf } = test.requester
  return {
    fixtures: createFixtures(file, test),
    known: knownOf(manifests, false),
    policies: manifests.flatMap((manifest) =>
      manifest.kind === 'Policy' ? [{ name: manifest.name, spec: manifest.spec }] : [],
    ),
    requester: { principal, kind, onBehalfOf },
    writes: [],
    asked: [],
    logs: new Map(),
    notes: new Set(),
  }
}

function statusesOf(state: RunState): Map<string, StepStatus> {
  return new Map(
    Object.entries(stepsByPath(state)).map(([path, { status }]) => [
      path,
      status === 'running' ? 'waiting' : status,
    ]),
  )
}
