import { expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { misfit } from '../../lib/answer-form.ts'
import { checkValue } from '../../lib/schema-check.ts'

const EXPENSIVE = { type: 'object', properties: { text: { type: 'string', pattern: '^(a+)+$' } } }
const text = `${'a'.repeat(50)}!`

function check(schema: JsonObject, value: JsonValue, organization = 'acme') {
  return checkValue(schema, value, { organization })
}

/** How often this thread came round meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  const beats = setInterval(() => turns++, 5)
  await work()
  clearInterval(beats)
  return turns
}

test('a pattern that takes years refuses the value by its code, and this thread goes on', async () => {
  expect(await check(EXPENSIVE, { text: 'aaa' })).toEqual({ ok: true, misfits: [] })
  const turns = await turnsDuring(() =>
    expect(check(EXPENSIVE, { text })).rejects.toMatchObject({ code: 'SCHEMA_TOO_COSTLY' }),
  )
  // It takes a second; if that were of this thread, there would be one or two.
  expect(turns).toBeGreaterThan(10)
  expect(await check(EXPENSIVE, { text: 'aaa' })).toEqual({ ok: true, misfits: [] })
})

test('what one organization has waiting does not keep another waiting', async () => {
  let ended = 0
  const slow = Array.from({ length: 8 }, () =>
    check(EXPENSIVE, { text }, 'hostile')
      .catch(() => undefined)
      .finally(() => ended++),
  )
  const schema = { type: 'string', pattern: '^INV-[0-9]+$' }
  expect(await check(schema, 'INV-7', 'other')).toEqual({ ok: true, misfits: [] })
  // In turn it would come after all eight.
  expect(ended).toBeLessThanOrEqual(4)
  await Promise.all(slow)
})

test('an answer to a form that takes years is refused, and the question goes on', async () => {
  expect(await misfit(EXPENSIVE, { text }, 'acme')).toMatch(/^its form cannot be used: it takes more than/)
})

test('a schema that names itself again and again ends as well', async () => {
  const schema = {
    $defs: { node: { anyOf: [{ items: { $ref: '#/$defs/node' } }, { items: { $ref: '#/$defs/node' } }] } },
    $ref: '#/$defs/node',
    not: { $ref: '#/$defs/node' },
  }
  let deep: JsonValue = 1
  for (let i = 0; i < 40; i++) deep = [deep]
  await expect(check(schema, deep)).rejects.toMatchObject({ code: 'SCHEMA_TOO_COSTLY' })
})

test('a large schema and a large value are checked to the end, away from this thread', async () => {
  const properties = Object.fromEntries(
    Array.from({ length: 500 }, (_, i) => [`field${i}`, { type: 'string', maxLength: 5 }]),
  )
  const value = Object.fromEntries(
    Array.from({ length: 500 }, (_, i) => [`field${i}`, i === 499 ? 'too long' : 'ok']),
  )
  expect(await check({ type: 'object', properties }, value)).toMatchObject({
    ok: true,
    misfits: [{ instancePath: '/field499', keyword: 'maxLength' }],
  })
})

test('a schema that cannot be used says so, wherever it is read', async () => {
  expect(await check({ type: 'nonsense' }, 1)).toMatchObject({ ok: false })
  expect(await check({ type: 'nonsense', pattern: 'x' }, 1)).toMatchObject({ ok: false })
})
