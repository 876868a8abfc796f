/** What judges the histories is judged: an end that is so is let through, one that is not is found. Needs no deployment. */
import { expect, test } from 'vitest'
import { makeHistory, textOf, type Gate } from './model/actions.ts'
import { untruths } from './model/forgotten.ts'
import { differences, type Observed, type Step } from './model/model.ts'
import { chanceOf } from './random.ts'

test('the generator gives the same histories for the same seed', () => {
  for (const restores of [false, true]) {
    const texts = () =>
      Array.from({ length: 50 }, (_, index) => textOf(makeHistory(chanceOf(`s/${index}`), { restores })))
    expect(texts()).toEqual(texts())
    expect(texts().join().includes('"restore"')).toBe(restores)
    expect(texts().join()).toContain('"pause_worker"')
  }
})

const APPROVED: Step = {
  action: { kind: 'decide', verdict: 'approve', by: 'lena', through: 'api' },
  answer: { kind: 'counted', state: 'approved' },
  endedBefore: null,
}
const STOPPED: Step = {
  action: { kind: 'cancel', what: 'run' },
  answer: { kind: 'done' },
  endedBefore: null,
}
const REJECTED: Step = {
  action: { kind: 'decide', verdict: 'reject', by: 'max', through: 'api' },
  answer: { kind: 'counted', state: 'rejected' },
  endedBefore: null,
}
const FIRST_OF_TWO: Step = { ...APPROVED, answer: { kind: 'counted', state: 'waiting' } }
const TERMINATED: Step = { ...STOPPED, action: { kind: 'terminate', what: 'writeback' } }
const RESET: Step = { ...STOPPED, action: { kind: 'reset', share: 0 } }
const RECORDED: Step['answer'] = { kind: 'recorded' }
const NOBODY = { run: false, writeback: false, approval: false }
const APPLIED: Observed = {
  run: 'completed',
  rows: ['applied'],
  inbox: ['approved'],
  receipts: ['approve by lena', 'outcome applied'],
  receiptsInResult: 2,
  problems: [],
  effects: 1,
  alive: NOBODY,
}
const WITHDRAWN: Observed = {
  ...APPLIED,
  run: 'cancelled',
  rows: ['withdrawn'],
  inbox: ['withdrawn'],
  receipts: ['outcome withdrawn'],
  receiptsInResult: null,
  effects: 0,
}
const REFUSED: Observed = {
  ...WITHDRAWN,
  run: 'failed',
  rows: ['rejected'],
  inbox: ['rejected'],
  receipts: ['reject by max', 'outcome rejected'],
}
const WAITING: Observed = {
  ...WITHDRAWN,
  run: 'waiting_for_approval',
  rows: ['planned'],
  inbox: ['waiting'],
  receipts: [],
  alive: { run: true, writeback: true, approval: true },
}

test('the model bites', () => {
  const judge = (gate: Gate, steps: Step[], observed: Observed) =>
    differences({ gate, write: 'sql', actions: [] }, steps, observed, {
      workersDied: false,
      reconciles: true,
      recordsInOrder: true,
    })
  expect(judge('one', [APPROVED], APPLIED)).toEqual([])
  expect(judge('one', [STOPPED], WITHDRAWN)).toEqual([])
  expect(judge('one', [], WAITING)).toEqual([])
  expect(judge('free', [], { ...APPLIED, inbox: [], receipts: ['outcome applied'] })).toEqual([])
  expect(judge('one', [REJECTED], REFUSED)).toEqual([])
  expect(judge('two', [FIRST_OF_TWO], { ...WAITING, receipts: ['approve by lena'] })).toEqual([])
  // Its second word does not count, whatever the door says of it.
  const again: Step = {
    ...REJECTED,
    action: { kind: 'decide', verdict: 'reject', by: 'lena', through: 'approval' },
    answer: RECORDED,
  }
  expect(judge('two', [FIRST_OF_TWO, again], { ...WAITING, receipts: ['approve by lena'] })).toEqual([])
  expect(judge('one', [APPROVED, TERMINATED], APPLIED)).toEqual([])
  expect(judge('one', [TERMINATED, APPROVED, RESET], APPLIED)).toEqual([])
  const broken: [Gate, Step[], Observed][] = [
    ['one', [APPROVED], { ...APPLIED, effects: 2 }],
    ['one', [APPROVED], { ...APPLIED, effects: 0 }],
    ['one', [APPROVED], { ...APPLIED, receipts: ['outcome applied'] }],
    ['one', [APPROVED], { ...APPLIED, receipts: ['outcome applied', 'approve by lena'] }],
    ['one', [APPROVED], { ...APPLIED, receipts: ['approve by wanda', 'outcome applied'] }],
    ['one', [APPROVED], { ...APPLIED, inbox: ['waiting'] }],
    ['one', [APPROVED], { ...APPLIED, run: 'failed' }],
    ['one', [APPROVED], { ...APPLIED, alive: { ...NOBODY, approval: true } }],
    ['one', [APPROVED], WITHDRAWN],
    ['one', [APPROVED], WAITING],
    ['one', [{ ...APPROVED, answer: { kind: 'refused', code: 'NOT_ELIGIBLE' } }], APPLIED],
    ['one', [], APPLIED],
    ['two', [APPROVED], APPLIED],
    ['deny', [APPROVED], APPLIED],
    ['one', [STOPPED], WAITING],
    ['one', [STOPPED], { ...WITHDRAWN, effects: 1 }],
    ['one', [STOPPED], { ...WITHDRAWN, rows: ['planned'], receipts: [] }],
    ['one', [REJECTED, APPROVED], APPLIED],
    [
      'one',
      [REJECTED, { ...APPROVED, answer: RECORDED }],
      { ...APPLIED, receipts: [...REFUSED.receipts.slice(0, 1), ...APPLIED.receipts] },
    ],
    ['one', [{ ...REJECTED, answer: RECORDED }, APPROVED], APPLIED],
    ['one', [REJECTED], { ...REFUSED, receipts: ['outcome rejected'] }],
    ['one', [{ ...REJECTED, answer: { kind: 'sent' } }], { ...REFUSED, receipts: ['outcome rejected'] }],
    ['one', [APPROVED, REJECTED], REFUSED],
    ['two', [FIRST_OF_TWO], WAITING],
    ['two', [{ ...FIRST_OF_TWO, answer: RECORDED }], WAITING],
    ['two', [FIRST_OF_TWO, STOPPED], WITHDRAWN],
    ['one', [TERMINATED, APPROVED], APPLIED],
    ['one', [APPROVED], { ...APPLIED, receiptsInResult: null }],
    ['one', [STOPPED, { ...APPROVED, endedBefore: 'withdrawn' }], APPLIED],
  ]
  for (const [gate, steps, observed] of broken) expect(judge(gate, steps, observed)).not.toEqual([])
})

test('the model bites where a store has gone back, too', () => {
  const judge = (gate: Gate, steps: Step[], observed: Observed) =>
    untruths({ gate, write: 'never', actions: [] }, steps, observed)
  const shorter = ['receipt 1 the run’s result says that receipt 2 is 0123…: it is missing or differs']
  const forgotten = { run: 'forgotten', rows: [], inbox: [], receipts: [], receiptsInResult: null }
  const unheard: Step = { ...APPROVED, answer: { kind: 'wrong', message: 'the API does not answer' } }
  const fine: [Gate, Step[], Observed][] = [
    ['one', [APPROVED], APPLIED],
    ['one', [APPROVED], { ...APPLIED, ...forgotten }],
    ['one', [unheard], APPLIED],
    ['one', [APPROVED], { ...WAITING, effects: 1 }],
    ['one', [APPROVED], { ...APPLIED, rows: ['unknown'], receipts: ['outcome unknown'], problems: shorter }],
    ['one', [], WITHDRAWN],
  ]
  for (const [gate, steps, observed] of fine) expect(judge(gate, steps, observed)).toEqual([])
  const broken: [Gate, Step[], Observed][] = [
    ['one', [APPROVED], { ...APPLIED, effects: 2 }],
    ['one', [APPROVED], { ...APPLIED, effects: 0 }],
    ['one', [], APPLIED],
    ['two', [APPROVED], APPLIED],
    ['deny', [APPROVED], APPLIED],
    ['one', [APPROVED], { ...WITHDRAWN, effects: 1 }],
    ['one', [APPROVED], { ...APPLIED, rows: ['unknown'] }],
    ['one', [APPROVED], { ...APPLIED, receipts: ['outcome unknown', 'outcome applied'] }],
    ['one', [APPROVED], { ...APPLIED, problems: ['receipt 1 is of run a, not of b'] }],
  ]
  for (const [gate, steps, observed] of broken) expect(judge(gate, steps, observed)).not.toEqual([])
})
