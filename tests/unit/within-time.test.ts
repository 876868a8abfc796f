import { describe, expect, test } from 'vitest'
import { compileSchema } from '../../lib/json-schema.ts'
import { withinTime } from '../../lib/within-time.ts'
import { validateArguments } from '../../mcp/tool-schemas.ts'

const EXPENSIVE = { type: 'object' as const, properties: { text: { type: 'string', pattern: '^(a+)+$' } } }
const text = `${'a'.repeat(50)}!`

describe('work that may not end', () => {
  test('is stopped in the middle of a match', () => {
    expect(withinTime(() => /^(a+)+$/u.test(text), 50)).toEqual({ ended: false })
  })

  test('gives its value, or throws what it throws', () => {
    expect(withinTime(() => [1], 1_000)).toEqual({ ended: true, value: [1] })
    expect(() => withinTime(() => JSON.parse('{'), 1_000)).toThrow(SyntaxError)
  })

  test('may contain more of it', () => {
    const inner = () => withinTime(() => 2, 1_000)
    expect(withinTime(() => [inner(), inner()], 1_000)).toMatchObject({ value: [{ value: 2 }, { value: 2 }] })
  })
})

test('a pattern of a form that takes years refuses the value, and names itself as the reason', () => {
  const schema = compileSchema(EXPENSIVE)
  expect(schema.ok && schema.errorsOf({ text })).toMatchObject([
    { message: expect.stringContaining('a pattern of the schema is too expensive') },
  ])
  expect(schema.ok && schema.errorsOf({ text: 'aaa' })).toEqual([])
})

test('a pattern of a foreign tool does as well', () => {
  expect(validateArguments({ name: 'odd', inputSchema: EXPENSIVE }, { text })).toEqual([
    expect.stringContaining('too expensive'),
  ])
})
