/** A dry run is dry by what its activity can reach: nothing that stores or sends is among its imports. */
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const VALUE_IMPORT = /^(?:import|export) (?!type\b)(?:[^'"]*? from )?'(\.[^']+)'/gms
const CHANGES_ROWS = /\b(?:insert\s+into|update\s+[a-z_]+\s+set|delete\s+from|truncate)\b/i

function reachOf(file: string, known = new Set<string>()): Set<string> {
  if (known.has(file)) return known
  known.add(file)
  const text = readFileSync(join(ROOT, file), 'utf8')
  for (const [, from = ''] of text.matchAll(VALUE_IMPORT))
    reachOf(relative(ROOT, join(ROOT, dirname(file), from)), known)
  return known
}

test('the door reaches what stores, so the look at imports sees it', () => {
  expect([...reachOf('activities/perform.ts')]).toContain('db/queries/writebacks.ts')
})

test('the activity of a dry run reaches no ledger, no sending, no statement that changes a row', () => {
  const reached = [...reachOf('activities/preview.ts')]
  expect(reached.filter((file) => file.startsWith('db/')).sort()).toEqual([
    'db/queries/call-facts.ts',
    'db/queries/candidates.ts',
  ])
  expect(reached.filter((file) => file.startsWith('activities/')).sort()).toEqual([
    'activities/candidates.ts',
    'activities/origin.ts',
    'activities/preview.ts',
    'activities/reading.ts',
  ])
  for (const file of reached) expect(readFileSync(join(ROOT, file), 'utf8'), file).not.toMatch(CHANGES_ROWS)
})
