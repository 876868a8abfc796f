/** `countersign test`: plays the tests of automations, without a server, and says what differs. */
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import { placesOf } from '../../lib/zod-places.ts'
import { sentenceOf } from '../../lib/zod-sentences.ts'
import { TestFileSchema, type TestFile } from '../../schemas/automation-tests.ts'
import type { Manifest } from '../../schemas/manifests.ts'
import type { Difference } from '../../testing/compare.ts'
import type { TestResult } from '../../testing/run-tests.ts'
import { checkHere } from '../check-here.ts'
import { describedCommand } from '../context.ts'
import { EXIT_CODES, UsageError } from '../errors.ts'
import { MalformedFile } from '../file-text.ts'
import { lookAtYamlFile, readManifests, testFiles } from '../files.ts'
import { printJson, printLine, styled, visible } from '../output.ts'

interface FileResult {
  file: string
  automation: string | null
  tests: TestResult[]
  /** What keeps its tests from being played. */
  problems: string[]
}

export function registerTest(program: Command): void {
  describedCommand(program, {
    usage: 'test [files...]',
    summary: 'play the tests of automations (*.test.yaml), without a server',
    examples: ['test', 'test examples/ --json', 'test late-fee.test.yaml'],
  })
    .option('--json', 'print JSON')
    .action(test)
}

async function test(paths: string[], options: { json?: boolean }): Promise<void> {
  const startedMs = performance.now()
  const files = testFiles(paths.length > 0 ? paths : ['.'])
  if (files.length === 0)
    throw new UsageError('There is no file *.test.yaml here.', 'Look at `countersign schema test`.')
  const results: FileResult[] = []
  for (const file of files) results.push(await testFile(file))
  const tests = results.flatMap((result) => result.tests)
  const passed = tests.filter(({ ok }) => ok).length
  const failed = tests.length - passed
  const broken = results.filter(({ problems }) => problems.length > 0).length
  if (options.json) printJson({ passed, failed, broken, files: results })
  else show(results, { passed, failed, broken, durationMs: performance.now() - startedMs })
  if (failed + broken > 0) process.exitCode = EXIT_CODES.failed
}

async function testFile(file: string): Promise<FileResult> {
  try {
    const { value, placeOf, flaws } = lookAtYamlFile(file)
    const parsed = TestFileSchema.safeParse(value, { error: sentenceOf })
    if (parsed.success && flaws.length === 0) return await play(file, parsed.data)
    const places = parsed.success ? [] : placesOf('', parsed.error.issues)
    const problems = [
      ...flaws.map(({ place, message }) => `${place}: ${message}`),
      ...places.map(({ path, message }) => `${placeOf(path)} ${path}: ${message}`),
    ]
    return { file, automation: null, tests: [], problems }
  } catch (error) {
    if (!(error instanceof MalformedFile)) throw error
    return { file, automation: null, tests: [], problems: [error.message] }
  }
}

async function play(file: string, tests: TestFile): Promise<FileResult> {
  const { automation } = tests
  const { manifests, problems } = await readValid(tests.manifests.map((path) => resolve(dirname(file), path)))
  if (problems.length > 0) return { file, automation, tests: [], problems }
  const { runTests } = await import('../../testing/run-tests.ts')
  return { file, automation, tests: await runTests(tests, manifests, () => performance.now()), problems }
}

/** What could not be saved is not played either. */
async function readValid(paths: readonly string[]): Promise<{ manifests: Manifest[]; problems: string[] }> {
  const { sources, flaws } = readManifests(paths)
  const { parsed, wrong } = await checkHere(sources)
  const manifests = parsed.documents.map(({ manifest }) => manifest)
  const problems = wrong.map(({ place, path, message }) => `${place} ${path}: ${message}`)
  return { manifests, problems: [...flaws.map(({ place, message }) => `${place}: ${message}`), ...problems] }
}

interface Totals {
  passed: number
  failed: number
  broken: number
  durationMs: number
}

function show(results: readonly FileResult[], { passed, failed, broken, durationMs }: Totals): void {
  for (const { file, automation, tests, problems } of results) {
    printLine(styled('bold', visible(automation === null ? file : `${file} (${automation})`)))
    for (const problem of problems) printLine(`  ${styled('red', '✗')} ${visible(problem)}`)
    for (const result of tests) showTest(result)
  }
  printLine()
  const counts = [
    styled('green', `${passed} passed`),
    ...(failed > 0 ? [styled('red', `${failed} failed`)] : []),
    ...(broken > 0 ? [styled('red', `${broken} of ${results.length} files not played`)] : []),
  ]
  printLine(`${counts.join(', ')} (${Math.round(durationMs)} ms)`)
}

function showTest({ name, ok, durationMs, differences, problems, notes }: TestResult): void {
  const mark = ok ? styled('green', '✓') : styled('red', '✗')
  printLine(`  ${mark} ${visible(name)} ${styled('dim', `(${durationMs.toFixed(1)} ms)`)}`)
  for (const problem of problems) printLine(`      ${visible(problem)}`)
  for (const difference of differences) showDifference(difference)
  for (const text of notes) printLine(`      ${styled('dim', visible(text))}`)
}

function showDifference({ at, expected, actual }: Difference): void {
  printLine(`      ${visible(at)}`)
  printLine(`        ${styled('green', `expected ${textOf(expected)}`)}`)
  printLine(`        ${styled('red', `     got ${textOf(actual)}`)}`)
}

function textOf(value: Difference['actual']): string {
  return value === undefined ? 'nothing' : visible(JSON.stringify(value))
}
