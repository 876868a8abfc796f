/** What a test expects against what came of it: every difference, with its place. */
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts'
import { matchesGlob } from '../lib/policy.ts'
import { pathText } from '../lib/path-text.ts'
import type { Expected, StepStatus } from '../schemas/automation-tests.ts'
import { isSame } from './fixtures.ts'
import type { End } from './simulate.ts'
import type { AskRecord, WriteRecord } from './world.ts'

export interface Difference {
  /** Such as `output.waived` or `writebacks[0].status`. */
  at: string
  /** As JSON; undefined for what is not to be there, or is not there. */
  expected: JsonValue | undefined
  actual: JsonValue | undefined
}

export interface Course {
  end: End
  /** Of every step that was reached, those of sub-runs too. */
  steps: ReadonlyMap<string, StepStatus>
  writes: readonly WriteRecord[]
  /** The questions that were put. */
  asked: readonly AskRecord[]
  /** What the code of steps said. */
  logs: ReadonlyMap<string, readonly string[]>
}

export function differencesOf(expected: Expected, { end, steps, writes, asked, logs }: Course): Difference[] {
  return [
    ...endDifferences(expected, end),
    ...(expected.writebacks ? writeDifferences(expected.writebacks, writes) : []),
    ...(expected.asks ? askDifferences(expected.asks, asked) : []),
    ...Object.entries(expected.logs ?? {}).flatMap(([path, lines]) => logDifferences(logs, path, lines)),
    ...(expected.skipped ?? []).flatMap((path) => statusDifferences('skipped', steps, path, 'skipped')),
    ...Object.entries(expected.steps ?? {}).flatMap(([path, status]) =>
      statusDifferences('steps', steps, path, status),
    ),
  ]
}

function endDifferences(expected: Expected, end: End): Difference[] {
  const state = expected.state ?? (expected.error ? 'failed' : 'completed')
  if (end.kind !== state) return [{ at: 'state', expected: state, actual: endText(end) }]
  const { output, error } = expected
  const ofOutput =
    output === undefined || end.kind !== 'completed'
      ? []
      : valueDifferences('output', output as JsonValue, end.output)
  const ofError =
    error === undefined || end.kind !== 'failed' ? [] : partDifferences('error', error, { ...end.error })
  return [...ofOutput, ...ofError]
}

/** A failure that nobody expects is told with its words. */
function endText(end: End): JsonValue {
  return end.kind === 'failed' ? `failed: ${end.error.code}: ${end.error.message}` : end.kind
}

/** All writes, in their order; of each only what the test names is compared. */
function writeDifferences(
  expected: NonNullable<Expected['writebacks']>,
  writes: readonly WriteRecord[],
): Difference[] {
  const length = Math.max(expected.length, writes.length)
  return Array.from({ length }, (_, index) => {
    const at = `writebacks[${index}]`
    const [wanted, found] = [expected[index], writes[index]]
    if (!wanted || !found)
      return [{ at, expected: wanted && { ...(wanted as JsonObject) }, actual: found && shortOf(found) }]
    return partDifferences(at, wanted, found as unknown as JsonObject)
  }).flat()
}

/** All questions, in their order; of each only what the test names is compared, and of its text a part. */
function askDifferences(expected: NonNullable<Expected['asks']>, asked: readonly AskRecord[]): Difference[] {
  const length = Math.max(expected.length, asked.length)
  return Array.from({ length }, (_, index) => {
    const at = `asks[${index}]`
    const [wanted, found] = [expected[index], asked[index]]
    if (!wanted || !found)
      return [
        { at, expected: wanted && { ...(wanted as JsonObject) }, actual: found && { path: found.path } },
      ]
    const { markdown, ...whole } = wanted
    const ofText =
      markdown === undefined || found.markdown.includes(markdown)
        ? []
        : [{ at: `${at}.markdown`, expected: markdown, actual: found.markdown }]
    return [...partDifferences(at, whole, found as unknown as JsonObject), ...ofText]
  }).flat()
}

function logDifferences(logs: Course['logs'], path: string, expected: readonly string[]): Difference[] {
  const reached = [...logs].filter(([known]) => matchesGlob(path, known))
  const found = reached.length > 0 ? reached : [[path, undefined] as const]
  return found.flatMap(([at, lines]) =>
    valueDifferences(pathText('logs', [at]), [...expected], lines && [...lines]),
  )
}

function shortOf({ path, connection, operation, status }: WriteRecord): JsonObject {
  return { path, connection, operation, status }
}

function statusDifferences(
  where: 'skipped' | 'steps',
  steps: Course['steps'],
  path: string,
  expected: StepStatus,
): Difference[] {
  const reached = [...steps].filter(([known]) => matchesGlob(path, known))
  const found: (readonly [string, StepStatus])[] = reached.length > 0 ? reached : [[path, 'not_reached']]
  return found.flatMap(([at, actual]) =>
    actual === expected ? [] : [{ at: pathText(where, [at]), expected, actual }],
  )
}

function partDifferences(at: string, expected: object, actual: JsonObject): Difference[] {
  return Object.entries(expected as JsonObject).flatMap(([name, value]) =>
    valueDifferences(pathText(at, [name]), value, actual[name]),
  )
}

/** The innermost places that differ. */
function valueDifferences(at: string, expected: JsonValue, actual: JsonValue | undefined): Difference[] {
  if (isSame(actual, expected)) return []
  if (isJsonObject(expected) && isJsonObject(actual)) {
    const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])]
    return names.flatMap((name) => entryDifferences(pathText(at, [name]), expected[name], actual[name]))
  }
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length)
    return expected.flatMap((item, index) => valueDifferences(`${at}[${index}]`, item, actual[index]))
  return [{ at, expected, actual }]
}

function entryDifferences(
  at: string,
  expected: JsonValue | undefined,
  actual: JsonValue | undefined,
): Difference[] {
  return expected === undefined ? [{ at, expected, actual }] : valueDifferences(at, expected, actual)
}
