/**
 * A short cut of the kill matrix (`npm run test:chaos`): each component once, where its death hurts most, on a stack of
 * its own. Moments are left to chance; the name of a failed test gives the seed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cellName, type Component, type Position } from './matrix/cells.ts'
import { runIncident } from './matrix/incident.ts'
import { startLane, type Lane } from './matrix/lane.ts'

const SEED = String(Date.now())
const CUT: readonly [Component, Position, number][] = [
  ['api', 'resume', 0],
  ['worker', 'record', 0],
  ['temporal', 'resume', 1],
  ['postgres', 'record', 0],
  ['target', 'answer', 0],
  ['tools', 'answer', 1],
]

/** More than all the patience of an incident, on a machine with other things to do. */
const TIMEOUT_MS = 900_000

let lane: Lane

beforeAll(async () => {
  lane = await startLane()
}, 240_000)

afterAll(() => lane?.close())

for (const [component, position, round] of CUT) {
  const cell = { component, position }
  test(
    `a kill of ${cellName(cell)} leaves one effect, or none and a word that nobody knows (seed ${SEED})`,
    { timeout: TIMEOUT_MS },
    async () => {
      const { violations, log } = await runIncident(lane, cell, { round, seed: SEED })
      expect(violations, log.join('\n')).toEqual([])
    },
  )
}
