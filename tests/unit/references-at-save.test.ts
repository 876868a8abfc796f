/** References into values whose shape is known before a run: those that lead nowhere are refused, all others are not. */
import { describe, expect, it } from 'vitest'
import { automationPlaces } from '../../manifests/automations.ts'
import { knownOf } from '../../manifests/check.ts'
import { ofKind, parseDocuments } from '../../manifests/document.ts'
import { gapIn } from '../../manifests/shapes.ts'
import { everything } from '../support/mutations.ts'
import { misspellings } from '../support/reference-mutations.ts'

const INPUT = {
  type: 'object',
  additionalProperties: false,
  properties: {
    account: { type: 'string' },
    lines: { type: 'array', items: { type: 'object', additionalProperties: false, properties: { sku: {} } } },
    more: { type: 'object', properties: { note: {} } },
  },
}
const FORM = { type: 'object', additionalProperties: false, properties: { reason: { type: 'string' } } }
const nap = (name: string, more: object = {}) => ({ name, sleep: { for: '1s' }, ...more })

const STEPS = [
  nap('nap'),
  { name: 'look', tool_call: { connection: 'crm', tool: 'get' } },
  { name: 'each', for_each: { items: 'input.lines', steps: [nap('inner')] } },
  {
    name: 'fan',
    parallel: {
      branches: {
        left: [nap('a')],
        right: [{ name: 'b', code: { source: 'export default () => 1' } }, nap('c', { if: 'true' })],
      },
    },
  },
  { name: 'ask', ask: { title: 'Why?', form: FORM, of: { roles: ['boss'] } } },
]

/** `message hint` of the places of a last step with this template. */
function wrong(expression: string): string[] {
  const end = { name: 'end', return: `\${{ ${expression} }}` }
  const spec = { input: INPUT, steps: [...STEPS, end] }
  const { documents, places } = parseDocuments([{ kind: 'Automation', name: 'a', spec }])
  expect(places).toEqual([])
  return ofKind(documents, 'Automation')
    .flatMap((one) => automationPlaces(one, knownOf([], true)))
    .map(({ message, hint }) => `${message}. ${hint}`)
}

describe('a reference that leads nowhere in any run', () => {
  it.each([
    ['input.acount', '`input` has no `acount`. Did you mean `account`?'],
    ['input["acount"]', '`input` has no `acount`. Did you mean `account`?'],
    [
      'input.account.x',
      '`input.account` is of type string and has no `x`. End the reference at `input.account`.',
    ],
    ['input.lines[0].suk', '`input.lines[0]` has no `suk`. Did you mean `sku`?'],
    ['input.lines.sku', '`input.lines` is a list and has no `sku`. Name an element, such as `[0]`.'],
    ['input.lines.map(line, input.acount)', '`input` has no `acount`. Did you mean `account`?'],
    ['run.acount', '`run` has no `acount`. There are: id, organization, automation, revision.'],
    ['steps.look.outptu', '`steps.look` has no `outptu`. Did you mean `output`?'],
    ['steps.look.error.cod', '`steps.look.error` has no `cod`. Did you mean `code`?'],
    ['steps.look.writeback.recipt', '`steps.look.writeback` has no `recipt`. Did you mean `receipt`?'],
    [
      'steps.look.status.x',
      '`steps.look.status` is of type string and has no `x`. End the reference at `steps.look.status`.',
    ],
    [
      'steps.nap.output.x',
      '`steps.nap.output` is of type null and has no `x`. End the reference at `steps.nap.output`.',
    ],
    ['steps.each.output.x', '`steps.each.output` is a list and has no `x`. Name an element, such as `[0]`.'],
    [
      'steps.each.output[0].x',
      '`steps.each.output[0]` is of type null and has no `x`. End the reference at `steps.each.output[0]`.',
    ],
    ['steps.fan.output.lfet', '`steps.fan.output` has no `lfet`. Did you mean `left`?'],
    ['steps.ask.output.raeson', '`steps.ask.output` has no `raeson`. Did you mean `reason`?'],
    ['has(input.account) ? input.acount : ""', '`input` has no `acount`. Did you mean `account`?'],
    ['has(input.acount.x)', '`input` has no `acount`. Did you mean `account`?'],
  ])('%s', (expression, place) => {
    expect(wrong(expression)).toEqual([place])
  })
})

describe('a reference that may lead somewhere', () => {
  it.each([
    'input.account',
    'input.lines[0].sku',
    'input.lines[size(input.lines) - 1].sku',
    'input.more.anything.at.all',
    'input.?acount.orValue("")',
    'has(input.acount)',
    'has(input.acount) && input.acount.x == 1',
    'run.id',
    'steps.look.output.anything[3].at.all',
    'steps.look.error == null ? "" : steps.look.error.code',
    'steps.look.writeback.receipt',
    'steps.nap.output == null',
    'steps.each.output[0]',
    'steps.fan.output.right.anything',
    'steps.ask.output.reason',
  ])('%s', (expression) => {
    expect(wrong(expression)).toEqual([])
  })
})

it.each([
  [{ $ref: '#/$defs/x', properties: {}, additionalProperties: false }],
  [{ anyOf: [{ properties: {}, additionalProperties: false }] }],
  [{ properties: {} }],
  [{ properties: {}, additionalProperties: { type: 'string' } }],
  [{ properties: {}, additionalProperties: false, patternProperties: { '^a': {} } }],
  [{ type: ['string', 'object'] }],
  [{ type: 'object', properties: 5, additionalProperties: false }],
])('a schema that may let it through counts as open: %j', (shape) => {
  expect(gapIn(shape, ['input', 'a'], () => false)).toBeUndefined()
})

it('is refused with any of its segments misspelt, wherever it stands in a manifest with every kind of step', () => {
  const count = misspellings(everything('a', 'echo')).length
  expect(count).toBeGreaterThan(40)
  for (let which = 0; which < count; which++) {
    const document = everything('a', 'echo')
    const misspelling = misspellings(document)[which]
    misspelling?.apply()
    const { documents, places } = parseDocuments([document])
    expect(places).toEqual([])
    const found = ofKind(documents, 'Automation').flatMap((one) => automationPlaces(one, knownOf([], true)))
    expect(found, misspelling?.reference).toHaveLength(1)
  }
})

it('names the function that was meant, and the character of the text as it was written', () => {
  const [place] = wrong('input.account.startWith("x")')
  expect(place).toBe(
    "found no matching overload for 'dyn.startWith(string)' (character 5 of it). Did you mean `startsWith`?",
  )
  expect(wrong('siz(input)')[0]).toContain('Did you mean `size`?')
})
