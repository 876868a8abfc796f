/**
 * Records the histories that replay tests play: `npm run record-histories`. It brings up the stack of the test run (or
 * uses DATABASE_URL and TEMPORAL_ADDRESS), lets runs go through everything a run can meet, and writes
 * tests/replay/histories anew. Histories that releases have left behind belong beside them, and stay.
 */
import { startVitest } from 'vitest/node'

const RECORDER = 'tests/replay/recorder.ts'

const vitest = await startVitest('test', [RECORDER], {
  include: [RECORDER],
  watch: false,
  testTimeout: 300_000,
})
await vitest.close()
