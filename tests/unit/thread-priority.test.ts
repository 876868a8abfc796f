/** What others have written is worked on in threads that take from nobody: neither from our own work, nor from the store. */
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { expect, test } from 'vitest'
import { checkValue } from '../../lib/schema-check.ts'

/** How much each thread of this process lets others go first: 0 is usual. */
function niceness(): Map<string, number> {
  const ids = readdirSync('/proc/self/task')
  return new Map(
    ids.map((id) => [id, Number(readFileSync(`/proc/self/task/${id}/stat`, 'utf8').split(' ')[18])]),
  )
}

test('a thread for what others have written lets others go first', async () => {
  const before = niceness()
  await checkValue({ type: 'string' }, 'a', { organization: 'acme' })
  const begun = [...niceness()].filter(([id]) => !before.has(id)).map(([, nice]) => nice)
  expect(begun).toContain(Math.max(10, getPriority()))
  expect(before.get(String(process.pid))).toBe(getPriority())
})
