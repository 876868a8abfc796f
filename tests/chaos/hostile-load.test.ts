/** A small one of `npm run test:load`: that all of the ordinary tenant's runs complete, not how fast. */
import { expect, test } from 'vitest'
import { runHostileLoad } from './hostile-load.ts'

test('a tenant beside a hostile one gets all of its runs done, and the hostile one is told why not', async () => {
  const { alone, beside, hostile } = await runHostileLoad({ runs: 10, lanes: 5, hostile: 10 })
  expect([alone.runMs.length, beside.runMs.length]).toEqual([10, 10])
  expect([...alone.states, ...beside.states]).toEqual(['completed', 'completed'])
  const ends = [...hostile.keys()]
  expect(ends).toEqual(expect.arrayContaining(['pattern: SCHEMA_TOO_COSTLY', 'spin: CODE_TIMEOUT']))
  expect(ends).toEqual(expect.arrayContaining(['listing: LISTING_TOO_LARGE']))
}, 240_000)
