/**
 * The lint rules that keep the house in order do flag what they are there for, and allow what is meant to be. Each case
 * is one small file in a tree of its own, checked with the configuration of this repository.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

interface Case {
  file: string
  content: string
  /** Name of the rule, or null if the file is in order. */
  rule: string | null
}

const IMPORTS = 'no-restricted-imports'
const use = (from: string) => `import { thing } from '${from}'\nexport const used = thing\n`
const useType = (from: string) => `import type { Thing } from '${from}'\nexport type Used = Thing\n`

const CASES: Case[] = [
  // workflows: replayed
  { file: 'workflows/activity.ts', content: use('../activities/index.ts'), rule: IMPORTS },
  { file: 'workflows/activity-type.ts', content: useType('../activities/index.ts'), rule: null },
  {
    file: 'workflows/activity-again.ts',
    content: `export { thing } from '../activities/index.ts'\n`,
    rule: IMPORTS,
  },
  { file: 'workflows/interpreter/deep.ts', content: use('../../activities/index.ts'), rule: IMPORTS },
  { file: 'workflows/zod.ts', content: use('zod'), rule: IMPORTS },
  { file: 'workflows/zod-inside.ts', content: use('../schemas/manifests.ts'), rule: IMPORTS },
  { file: 'workflows/zod-types.ts', content: useType('../schemas/manifests.ts'), rule: null },
  { file: 'workflows/built-in.ts', content: use('node:crypto'), rule: IMPORTS },
  { file: 'workflows/client.ts', content: use('@temporalio/client'), rule: IMPORTS },
  { file: 'workflows/hashes.ts', content: use('../lib/canonical-json.ts'), rule: IMPORTS },
  { file: 'workflows/database.ts', content: use('../db/database.ts'), rule: IMPORTS },
  { file: 'workflows/config.ts', content: use('../config.ts'), rule: IMPORTS },
  { file: 'workflows/temporal.ts', content: use('@temporalio/workflow'), rule: null },
  { file: 'workflows/names.ts', content: use('../schemas/names.ts'), rule: null },
  { file: 'workflows/errors.ts', content: use('../../schemas/errors.ts'), rule: null },
  { file: 'workflows/expressions.ts', content: use('../lib/cel.ts'), rule: null },
  { file: 'workflows/sibling.ts', content: use('./interpreter/state.ts'), rule: null },
  {
    file: 'workflows/process.ts',
    content: 'export const pid = process.pid\n',
    rule: 'no-restricted-globals',
  },
  {
    file: 'workflows/fetch.ts',
    content: `export const call = () => fetch('x')\n`,
    rule: 'no-restricted-globals',
  },
  {
    file: 'workflows/buffer.ts',
    content: `export const bytes = Buffer.from('x')\n`,
    rule: 'no-restricted-globals',
  },
  // leaves
  { file: 'schemas/names.ts', content: use('./common.ts'), rule: IMPORTS },
  { file: 'schemas/errors.ts', content: useType('./run.ts'), rule: IMPORTS },
  {
    file: 'schemas/operations/runs.ts',
    content: use('../common.ts') + use('zod').replaceAll(/thing|used/g, 'z'),
    rule: null,
  },
  { file: 'schemas/plan.ts', content: use('../lib/json.ts'), rule: null },
  { file: 'schemas/database.ts', content: use('../db/database.ts'), rule: IMPORTS },
  { file: 'schemas/operations/handler.ts', content: use('../../api/app.ts'), rule: IMPORTS },
  { file: 'schemas/io.ts', content: use('node:fs'), rule: IMPORTS },
  { file: 'lib/database.ts', content: use('../db/database.ts'), rule: IMPORTS },
  { file: 'lib/schema.ts', content: use('../schemas/receipt.ts'), rule: null },
  // one direction
  { file: 'activities/workflow.ts', content: use('../workflows/decide.ts'), rule: IMPORTS },
  { file: 'activities/executors/workflow.ts', content: use('../../workflows/decide.ts'), rule: IMPORTS },
  { file: 'activities/api.ts', content: use('../api/app.ts'), rule: IMPORTS },
  { file: 'activities/database.ts', content: use('../db/queries/receipts.ts'), rule: null },
  { file: 'activities/mcp.ts', content: use('../mcp/client.ts'), rule: null },
  { file: 'mcp/database.ts', content: use('../db/database.ts'), rule: IMPORTS },
  { file: 'mcp/activity.ts', content: use('../activities/index.ts'), rule: IMPORTS },
  { file: 'db/mcp.ts', content: use('../mcp/client.ts'), rule: IMPORTS },
  { file: 'db/queries/activity.ts', content: use('../../activities/index.ts'), rule: IMPORTS },
  { file: 'codec/activity.ts', content: use('../activities/index.ts'), rule: IMPORTS },
  { file: 'codec/database.ts', content: use('../db/database.ts'), rule: null },
  { file: 'activities/codec.ts', content: use('../codec/payloads.ts'), rule: IMPORTS },
  { file: 'workflows/codec.ts', content: use('../codec/payloads.ts'), rule: IMPORTS },
  { file: 'lib/codec.ts', content: use('../codec/payloads.ts'), rule: IMPORTS },
  { file: 'api/codec.ts', content: use('../codec/payloads.ts'), rule: null },
  { file: 'api/workflow.ts', content: use('../workflows/index.ts'), rule: IMPORTS },
  { file: 'api/operations/activity.ts', content: use('../../activities/index.ts'), rule: IMPORTS },
  { file: 'api/activity-type.ts', content: useType('../activities/index.ts'), rule: null },
  { file: 'api/database.ts', content: use('../db/database.ts'), rule: null },
  { file: 'sdk/client/database.ts', content: use('../../db/database.ts'), rule: IMPORTS },
  { file: 'sdk/client/library.ts', content: use('../../lib/json.ts'), rule: IMPORTS },
  { file: 'sdk/client/operations.ts', content: use('../../schemas/operations.ts'), rule: null },
  { file: 'cli/workflow.ts', content: use('../workflows/index.ts'), rule: IMPORTS },
  { file: 'cli/checks.ts', content: use('../manifests/check.ts'), rule: null },
  { file: 'manifests/database.ts', content: use('../db/database.ts'), rule: IMPORTS },
  { file: 'manifests/interpreter.ts', content: use('../workflows/interpreter/advance.ts'), rule: IMPORTS },
  { file: 'manifests/schema.ts', content: use('../schemas/manifests.ts'), rule: null },
  { file: 'testing/interpreter.ts', content: use('../workflows/interpreter/advance.ts'), rule: null },
  { file: 'testing/decide.ts', content: use('../workflows/decide.ts'), rule: null },
  { file: 'testing/workflow.ts', content: use('../workflows/steps.ts'), rule: IMPORTS },
  { file: 'testing/details.ts', content: use('../workflows/details.ts'), rule: IMPORTS },
  { file: 'testing/activity.ts', content: use('../activities/perform.ts'), rule: IMPORTS },
  { file: 'workflows/checks.ts', content: use('../manifests/check.ts'), rule: IMPORTS },
  { file: 'workflows/testing.ts', content: use('../testing/run.ts'), rule: IMPORTS },
  // the environment
  {
    file: 'api/environment.ts',
    content: `export const home = process.env['HOME']\n`,
    rule: 'no-process-env',
  },
  {
    file: 'cli/environment.ts',
    content: `export const home = process.env['HOME']\n`,
    rule: 'no-process-env',
  },
  { file: 'config.ts', content: `export const home = process.env['HOME']\n`, rule: null },
  { file: 'scripts/child.ts', content: `export const home = process.env['HOME']\n`, rule: null },
  { file: 'tests/child.ts', content: `export const home = process.env['HOME']\n`, rule: null },
  // size and noise
  { file: 'lib/console.ts', content: `console.log('x')\n`, rule: 'no-console' },
  { file: 'cli/console.ts', content: `console.log('x')\n`, rule: null },
  {
    file: 'lib/long.ts',
    content: `export function long() {\n${'  used()\n'.repeat(61)}}\nfunction used() {}\n`,
    rule: 'max-lines-per-function',
  },
  { file: 'lib/large.ts', content: `export const x = [\n${'  1,\n'.repeat(300)}]\n`, rule: 'max-lines' },
  {
    file: 'lib/wide.ts',
    content: 'export const wide = (a: 1, b: 1, c: 1, d: 1, e: 1) => [a, b, c, d, e]\n',
    rule: 'max-params',
  },
  {
    file: 'lib/round.ts',
    content: `import { there } from './trip.ts'\nexport const round = () => there\n`,
    rule: 'no-cycle',
  },
  {
    file: 'lib/trip.ts',
    content: `import { round } from './round.ts'\nexport const there = () => round\n`,
    rule: 'no-cycle',
  },
  {
    file: 'lib/signals.ts',
    content: 'export const either = (a: AbortSignal, b: AbortSignal) => AbortSignal.any([a, b])\n',
    rule: 'no-restricted-properties',
  },
  { file: 'lib/any.ts', content: 'export const x = (value: any) => value\n', rule: 'no-explicit-any' },
]

let folder: string
let flagged: Map<string, string[]>

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-house-'))
  const config = '.oxlintrc.json'
  const { options: _typeAware, ...rules } = JSON.parse(readFileSync(join(ROOT, config), 'utf8')) as Record<
    string,
    unknown
  >
  writeFileSync(join(folder, config), JSON.stringify(rules))
  for (const { file, content } of CASES) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), content)
  }
  flagged = lint()
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Rules by file. Types are not needed for these rules, and the tree has no packages to take them from. */
function lint(): Map<string, string[]> {
  const require = createRequire(import.meta.url)
  const program = join(dirname(require.resolve('oxlint/package.json')), 'bin/oxlint')
  const { stdout, stderr } = spawnSync(process.execPath, [program, '--format', 'json'], {
    cwd: folder,
    encoding: 'utf8',
  })
  const found = new Map<string, string[]>()
  const parsed = parseReport(stdout, stderr)
  for (const { filename, code } of parsed.diagnostics)
    found.set(filename, [...(found.get(filename) ?? []), code])
  return found
}

function parseReport(stdout: string, stderr: string): { diagnostics: { filename: string; code: string }[] } {
  try {
    return JSON.parse(stdout) as ReturnType<typeof parseReport>
  } catch {
    throw new Error(`oxlint gave no report: ${stdout}${stderr}`)
  }
}

describe('the lint rules flag', () => {
  test.each(CASES.filter(({ rule }) => rule !== null))('$file', ({ file, rule }) => {
    expect(
      (flagged.get(file) ?? []).some((code) => code.includes(`(${rule})`)),
      String(flagged.get(file)),
    ).toBe(true)
  })
})

describe('the lint rules allow', () => {
  test.each(CASES.filter(({ rule }) => rule === null))('$file', ({ file }) => {
    expect(flagged.get(file) ?? []).toEqual([])
  })
})
