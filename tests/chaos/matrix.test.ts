/**
 * A short cut of the kill matrix (`npm run test:chaos`): each component once, where its death hurts most, on a stack of
 * its own. Moments are left to chance; the name of a failed test gives the seed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CELLS, cellName, POSITIONS, type Component, type Position } from './matrix/cells.ts'
import { runIncident } from './matrix/incident.ts'
import { violationsOf, type Evidence } from './matrix/judge.ts'
import { startLane, type Lane } from './matrix/lane.ts'
import { tableOf } from './matrix/table.ts'

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

const HELD: Evidence = {
  variant: 'sql',
  state: 'completed',
  code: null,
  effects: 1,
  writebacks: ['applied'],
  receipts: ['decision approve', 'outcome applied'],
  problems: [],
}

test('the judge of the matrix bites', () => {
  const unknown = {
    ...HELD,
    variant: 'never' as const,
    state: 'failed',
    code: 'NOT_APPLIED',
    effects: 0,
    writebacks: ['failed'],
    receipts: ['decision approve', 'outcome unknown', 'resolved failed'],
  }
  const found = {
    ...HELD,
    variant: 'never' as const,
    receipts: ['decision approve', 'outcome unknown', 'resolved applied'],
  }
  for (const fine of [HELD, unknown, found]) expect(violationsOf(fine)).toEqual([])
  const broken: Partial<Evidence>[] = [
    { effects: 2 },
    { effects: 0 },
    { writebacks: ['applied', 'applied'] },
    { writebacks: ['withdrawn'], receipts: ['decision approve', 'outcome withdrawn'] },
    { receipts: ['outcome applied'] },
    { receipts: ['decision approve', 'outcome applied', 'outcome applied'] },
    { receipts: ['decision approve', 'outcome conflict'] },
    { problems: ['receipt 2 does not follow from the one before it'] },
    { state: 'failed' },
    { ...unknown, variant: 'safe' },
    { ...unknown, effects: 1 },
    { ...unknown, receipts: ['decision approve', 'outcome unknown'] },
    { ...found, variant: 'sql' },
    { ...found, effects: 0 },
    { ...found, effects: 2 },
  ]
  for (const difference of broken) expect(violationsOf({ ...HELD, ...difference })).not.toEqual([])
})

test('the table of the matrix has a place for every cell', () => {
  const incidents = CELLS.map((cell) => ({
    cell,
    variant: 'sql' as const,
    seed: '',
    recoveryMs: 2_000,
    violations: [],
    log: [],
  }))
  expect(tableOf(incidents).match(/1 \/ 0 \/ 2\.0/g)).toHaveLength(6 * POSITIONS.length)
})
