/**
 * A short cut of the matrix (`npm run test:chaos`): each component once, where its death hurts most, and each other blow
 * where it does, on a stack of its own. Moments are left to chance; the name of a failed test gives the seed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { cellName, type Blow, type Component, type Position } from './matrix/cells.ts'
import { runIncident } from './matrix/incident.ts'
import { startLane, type Lane } from './matrix/lane.ts'

const SEED = String(Date.now())
const CUT: readonly [Blow, Component, Position, number][] = [
  ['kill', 'api', 'resume', 0],
  ['kill', 'worker', 'record', 0],
  ['kill', 'temporal', 'resume', 1],
  ['kill', 'postgres', 'record', 0],
  ['kill', 'target', 'answer', 0],
  ['kill', 'tools', 'answer', 1],
  ['pause', 'worker', 'intent', 0],
  ['failover', 'postgres', 'call', 0],
  ['restore', 'postgres', 'over', 0],
]

/** More than all the patience of an incident, on a machine with other things to do. */
const TIMEOUT_MS = 900_000

let lane: Lane

beforeAll(async () => {
  lane = await startLane()
}, 240_000)

afterAll(() => lane?.close())

for (const [blow, component, position, round] of CUT) {
  const cell = { blow, component, position }
  test(
    `${cellName(cell)} leaves at most one effect, and only receipts that are true (seed ${SEED})`,
    { timeout: TIMEOUT_MS },
    async () => {
      const { violations, log } = await runIncident(lane, cell, { round, seed: SEED })
      expect(violations, log.join('\n')).toEqual([])
    },
  )
}
