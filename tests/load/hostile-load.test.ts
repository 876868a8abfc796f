/**
 * The promise that one tenant never slows another: 40 hostile runs beside 100 ordinary ones. What fails is a ratio of two
 * times of the same run, and an answer of /healthz that takes a second.
 */
import { expect, test } from 'vitest'
import { percentile, runHostileLoad, type Phase } from '../chaos/hostile-load.ts'

const MAX_RATIO = 3
const MAX_HEALTH_MS = 1_000

test('one tenant never slows another', async () => {
  const { alone, beside, hostile } = await runHostileLoad({ runs: 100, lanes: 5, hostile: 40 })
  console.table({ alone: row(alone), 'beside 40 hostile runs': row(beside) })
  console.table([...hostile].map(([end, count]) => ({ end, count })))
  const ratio = percentile(beside.runMs, 0.99) / percentile(alone.runMs, 0.99)
  console.log(`p99 beside / alone: ${ratio.toFixed(2)} (at most ${MAX_RATIO})`)
  expect([...alone.states, ...beside.states]).toEqual(['completed', 'completed'])
  expect(ratio).toBeLessThan(MAX_RATIO)
  expect(Math.max(alone.healthMs, beside.healthMs)).toBeLessThan(MAX_HEALTH_MS)
})

function row({ runMs, healthMs }: Phase): Record<string, number> {
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => Math.round(percentile(runMs, share)))
  return {
    runs: runMs.length,
    'p50 ms': p50 ?? 0,
    'p90 ms': p90 ?? 0,
    'p99 ms': p99 ?? 0,
    'healthz ms': Math.round(healthMs),
  }
}
