/**
 * What judges the matrix is judged: an end that is so is let through, one that is not is found. Needs no deployment.
 */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { arrivalViolations, arrive, type Sender } from './matrix/arrival.ts'
import {
  BLOWS,
  cellName,
  CELLS,
  cellsMatching,
  COMPONENTS,
  POSITIONS,
  reasonAgainst,
  type Blow,
} from './matrix/cells.ts'
import type { Evidence } from './matrix/evidence.ts'
import { violationsOf } from './matrix/judge.ts'
import { tableOf } from './matrix/table.ts'

const HELD: Evidence = {
  blow: 'kill',
  variant: 'sql',
  state: 'completed',
  code: null,
  effects: 1,
  writebacks: ['applied'],
  receipts: ['decision approve', 'outcome applied'],
  receiptsInResult: 2,
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
    receiptsInResult: 3,
  }
  const found = {
    ...HELD,
    variant: 'never' as const,
    receipts: ['decision approve', 'outcome unknown', 'resolved applied'],
    receiptsInResult: 3,
  }
  for (const fine of [HELD, unknown, found]) expect(violationsOf(fine)).toEqual([])
  const broken: Partial<Evidence>[] = [
    { effects: 2 },
    { effects: 0 },
    { writebacks: ['applied', 'applied'] },
    { writebacks: ['withdrawn'], receipts: ['decision approve', 'outcome withdrawn'] },
    { receipts: ['outcome applied'] },
    { receiptsInResult: 1 },
    { receiptsInResult: null },
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
  for (const difference of broken) {
    const evidence = { ...HELD, ...difference }
    const receiptsInResult =
      'receiptsInResult' in difference ? difference.receiptsInResult : evidence.receipts.length
    expect(violationsOf({ ...evidence, receiptsInResult })).not.toEqual([])
  }
})

test('the judge of the matrix bites where something has gone back in time, too', () => {
  const back = { ...HELD, blow: 'failover' as const, variant: 'never' as const }
  const shorter = 'receipt 1 the run’s result says that receipt 2 is 0123…: it is missing or differs'
  const nobodyKnows = { writebacks: ['unknown'], receipts: ['outcome unknown'], problems: [shorter] }
  const fine: Partial<Evidence>[] = [
    {},
    { receipts: ['outcome applied'], problems: [shorter] },
    nobodyKnows,
    { ...nobodyKnows, effects: 0, state: 'failed', code: 'OUTCOME_UNKNOWN' },
    { writebacks: ['withdrawn'], receipts: ['outcome withdrawn'], effects: 0, state: 'terminated' },
    { writebacks: ['failed'], receipts: ['outcome failed, may have changed'], state: 'failed' },
  ]
  for (const difference of fine) expect(violationsOf({ ...back, ...difference })).toEqual([])
  const broken: Partial<Evidence>[] = [
    { effects: 2 },
    { effects: 0 },
    { writebacks: ['planned'], receipts: ['decision approve'] },
    { writebacks: ['withdrawn'], receipts: ['outcome withdrawn'] },
    { writebacks: ['failed'], receipts: ['outcome failed'], state: 'failed' },
    { ...nobodyKnows, effects: 0 },
    { ...nobodyKnows, writebacks: ['applied'] },
    { receipts: ['outcome unknown', 'outcome applied'] },
    { receipts: ['decision approve', 'decision approve', 'outcome applied'] },
    { problems: ['receipt 1 is not signed by a key that we trust, or was changed'] },
  ]
  for (const difference of broken) expect(violationsOf({ ...back, ...difference })).not.toEqual([])
})

test('a cell is left out for a reason, and found by its words', () => {
  const all = BLOWS.length * COMPONENTS.length * POSITIONS.length
  const leftOut = BLOWS.flatMap((blow) =>
    COMPONENTS.flatMap((component) =>
      POSITIONS.flatMap((position) => reasonAgainst({ blow, component, position }) ?? []),
    ),
  )
  expect(CELLS.length + leftOut.length).toBe(all)
  const countOf = (blow: Blow) => CELLS.filter((cell) => cell.blow === blow).length
  expect(Object.fromEntries(BLOWS.map((blow) => [blow, countOf(blow)]))).toEqual({
    kill: 36,
    pause: 36,
    failover: 7,
    restore: 14,
  })
  const names = (pattern: string) => cellsMatching(pattern).map(cellName)
  expect(names('worker:call')).toEqual(['kill:worker:call', 'pause:worker:call'])
  expect(names('failover:*:over,restore:temporal:over')).toEqual([
    'failover:postgres:over',
    'restore:temporal:over',
  ])
  expect(names('pause:worker:over')).toEqual([])
})

test('the table of the matrix has a place for every cell', () => {
  const incidents = CELLS.map((cell) => ({
    cell,
    variant: 'sql' as const,
    seed: '',
    recoveryMs: 2_000,
    isUnknown: true,
    violations: [],
    log: [],
  }))
  expect(tableOf(incidents).match(/1 \/ 0 \/ 1 \/ 2\.0/g)).toHaveLength(CELLS.length)
})

type Api = ReturnType<Sender['api']>

/** A deployment that forgets what it has accepted, until it is told once more. */
function forgetfulApi(startsAtPost: number): { api: Api; posts: () => number } {
  const runId = `run_${randomUUID()}`
  let posts = 0
  const api = {
    startRun: async () => {
      posts++
      return { run_id: runId, state: 'pending' }
    },
    getRun: async () => ({ run_id: runId, state: posts >= startsAtPost ? 'completed' : 'pending' }),
  } as unknown as Api
  return { api, posts: () => posts }
}

test('a start that is accepted and lost is found, though it would begin if it was sent again', async () => {
  const judge = async (startsAtPost: number): Promise<string[]> => {
    const { api } = forgetfulApi(startsAtPost)
    const sender = { api: () => api, note: () => undefined, patienceMs: 400 }
    return arrivalViolations(sender, await arrive(sender, 0))
  }
  expect(await judge(1)).toEqual([])
  await expect(judge(2)).rejects.toThrow('what was accepted has run: not within')
})

test('a start that nobody accepted is sent again, and then has to run', async () => {
  const { api, posts } = forgetfulApi(1)
  const sender = { api: () => api, note: () => undefined, patienceMs: 400 }
  expect(await arrivalViolations(sender, { key: 'k', acceptedRunId: null })).toEqual([])
  expect(posts()).toBe(2)
  expect(await arrivalViolations(sender, { key: 'k', acceptedRunId: 'run_another' })).toHaveLength(1)
})

test('the matrix says what it can be asked for, and refuses anything else before it begins', () => {
  const matrix = (...options: string[]) => {
    const script = 'tests/chaos/matrix/main.ts'
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script, ...options], {
      encoding: 'utf8',
    })
    return { status, text: `${stdout}${stderr}` }
  }
  const help = matrix('--help')
  expect(help.status).toBe(0)
  expect(help.text).toContain('--only <cells>')
  for (const [options, text] of [
    [['--minuts', '1'], '--minutes'],
    [['--times', 'many'], 'whole number'],
    [['--only', 'workers:call'], 'No cell is called that'],
  ] as const) {
    const refused = matrix(...options)
    expect(refused.status).toBe(1)
    expect(refused.text).toContain(text)
    expect(refused.text).not.toContain('    at ')
  }
})
