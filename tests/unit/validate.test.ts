/** `countersign validate`, as people run it: no server, and everything that is wrong with its place in the file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pathParts, pathText } from '../../lib/path-text.ts'
import { documentPlaces, knownOf } from '../../manifests/check.ts'
import { parseDocuments } from '../../manifests/document.ts'
import { PLACE_RULES } from '../../schemas/problem.ts'
import { runCli } from '../support/cli.ts'
import { seededRandom } from '../support/fixtures.ts'
import { everything, MUTATIONS } from '../support/mutations.ts'

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url))

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-validate-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Report {
  valid: boolean
  errors: { place: string; path: string; rule: string; message: string; hint?: string }[]
  not_checked: string[]
}

async function validate(...files: string[]): Promise<Report & { code: number | null }> {
  const { code, stdout, stderr } = await runCli(['validate', '-f', ...files, '--json'], { cwd: folder })
  expect(stderr).toBe('')
  return { code, ...(JSON.parse(stdout) as Report) }
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return name
}

it('finds nothing wrong with the examples, and says what it cannot see', async () => {
  const report = await validate(`${EXAMPLES}/late-fee/manifests`, `${EXAMPLES}/disputes`)
  expect(report).toMatchObject({ code: 0, valid: true, errors: [] })
  expect(report.not_checked).toEqual([
    'that `billing` has get_invoice, get_ticket, list_open_disputes, and that the arguments fit',
    'that `notes` has write_file, and that the arguments fit',
    'that somebody has the roles billing-lead',
    'that the workers have the secrets BILLING_MCP_TOKEN, BILLING_DATABASE_URL',
    'that the workers have the commands notes',
  ])
})

it('tells all that is wrong at once, in all files, each with line, path, rule and hint', async () => {
  const broken = file('broken.yaml', 'kind: [\n')
  const wrong = file(
    'wrong.yaml',
    [
      'kind: Automation',
      'name: waive',
      'spec:',
      '  input: { type: objekt }',
      '  steps:',
      '    - name: invoice',
      '      if: input.x >',
      '      tool_call: { connection: biling, tool: get, arguments: { id: "${{ inptu.id }}" } }',
      '    - name: waive',
      '      writeback:',
      '        connection: db',
      '        update: { table: invoice, key: { id: 1 }, set: { fee: "${{ steps.invocie.output }}" } }',
      '---',
      'kind: Connection',
      'name: db',
      'spec: { type: postgres, url: "${secret:DB}", tables: { invoices: { primary_key: [id], writable: [fee] } } }',
      '---',
      'kind: Policy',
      'name: p',
      'spec:',
      '  rules: [{ name: a, allow: true, deny: true }]',
    ].join('\n'),
  )
  const report = await validate(broken, wrong)
  expect(report).toMatchObject({ code: 1, valid: false })
  expect(report.errors.map(({ place, path }) => `${place} ${path}`)).toEqual([
    'broken.yaml:2:1 ',
    'wrong.yaml:21:11 spec.rules[0]',
    'wrong.yaml:4:10 spec.input',
    'wrong.yaml:7:11 spec.steps[0].if',
    'wrong.yaml:8:68 spec.steps[0].tool_call.arguments.id',
    'wrong.yaml:12:26 spec.steps[1].writeback.update.table',
    'wrong.yaml:12:63 spec.steps[1].writeback.update.set.fee',
  ])
  expect(report.errors.map(({ rule }) => rule)).toEqual([
    'yaml',
    'schema',
    'json-schema',
    'expression',
    'expression',
    'unknown-reference',
    'unknown-reference',
  ])
  expect(report.errors[3]?.message).toMatch(/^It ends where a value is missing \(character \d+ of it\)$/)
  expect(report.errors[4]?.message).toContain('did you mean `input`?')
  expect(report.errors[5]?.hint).toBe('Did you mean `invoices`?')
  expect(report.errors[6]?.hint).toBe('Did you mean `invoice`?')
  expect(report.not_checked[0]).toBe('that there is a connection `biling`, which none of these files has')
})

it('ends with 1 where something is wrong, and with 2 where a file is not there', async () => {
  const twice = 'kind: Policy\nname: p\nspec: { rules: [{ name: a, deny: true }] }\n'
  const result = await runCli(['validate', '-f', '-'], { cwd: folder, input: `${twice}---\n${twice}` })
  expect(result).toMatchObject({ code: 1 })
  expect(result.stdout).toContain('standard input:6:7  name\n  Policy p is in this request twice')
  expect(await runCli(['validate', '-f', 'nothing.yaml'], { cwd: folder })).toMatchObject({ code: 2 })
})

it('tells beside a number that is not exact what else is wrong with its file, and so does apply, which sends nothing', async () => {
  const steps =
    'steps: [{ name: a, return: 12345678901234567890 }, { name: b, return: "${{ steps.aa.output }}" }]'
  const inexact = file('inexact.yaml', `kind: Automation\nname: a\nspec:\n  ${steps}\n`)
  const other = file('other.yaml', 'kind: Policy\nname: p\nspec: { rules: [{ name: a }] }\n')
  const report = await validate(inexact, other)
  expect(report.errors.map(({ place, path }) => `${place} ${path}`)).toEqual([
    'inexact.yaml:4:30 ',
    'other.yaml:3:17 spec.rules[0]',
    'inexact.yaml:4:73 spec.steps[1].return',
  ])
  const nowhere = ['--url', 'http://127.0.0.1:1', '--key', 'x']
  const { code, stderr } = await runCli(['apply', '-f', inexact, other, ...nowhere], { cwd: folder })
  expect(code).toBe(2)
  for (const { message } of report.errors) expect(stderr).toContain(message)
})

it('reads the places that it is told', () => {
  for (const parts of [['spec', 'steps', 1, 'if'], ['a b', 0, 'c"]d', 'e'], []])
    expect(pathParts(pathText('', parts))).toEqual(parts)
})

/** Places whose own sentence says what to write. */
const SAYS_ALL = /^must |^is (under|over) |^has more than |^needs a |^names /

it('gives every place of a damaged manifest its rule, and a hint unless the sentence says what to write', async () => {
  const without = new Set<string>()
  for (const [kind, mutation] of MUTATIONS.entries()) {
    for (let time = 0; time < 8; time++) {
      const random = seededRandom(kind * 1_000 + time)
      const document = everything('a', 'echo')
      mutation.apply(document, random)
      const { documents, places } = parseDocuments([document])
      const known = knownOf(
        documents.map(({ manifest }) => manifest),
        true,
      )
      for (const { rule, message, hint } of [...places, ...(await documentPlaces(documents, known))]) {
        expect(PLACE_RULES).toContain(rule)
        if (hint === undefined && !SAYS_ALL.test(message)) without.add(`${rule}: ${message}`)
      }
    }
  }
  expect([...without]).toEqual([])
})

it('hints at the key, the word and the kind that belong there', () => {
  const hints = (document: object) =>
    parseDocuments([document]).places.map(({ message, hint }) => `${message} ${hint}`)
  const spec = { steps: [{ name: 'a', sleep: { for: '1s' } }] }
  expect(hints({ kind: 'Automation', name: 'a', spec: { ...spec, descripton: 'x' } })).toEqual([
    'has no field `descripton` Did you mean `description`?',
  ])
  expect(hints({ kind: 'Automaton', name: 'a', spec })[0]).toContain('Did you mean `Automation`?')
  expect(hints({ kind: 'Automation', spec })).toEqual(['is missing It takes a text.'])
  const call = { name: 'a', on_eror: 'fail', tool_call: { connection: 'c', tool: 't' } }
  expect(hints({ kind: 'Automation', name: 'a', spec: { steps: [call] } })).toEqual([
    'has no field `on_eror` Did you mean `on_error`?',
  ])
})
