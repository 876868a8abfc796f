/**
 * Runs that were started by earlier code go on under today's: every recorded history replays. If one does not, the
 * change needs `patched`; only for code that no release has run may it be recorded anew.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from '@temporalio/worker'
import { DeterminismViolationError } from '@temporalio/workflow'
import { beforeAll, describe, expect, test } from 'vitest'
import { WORKFLOW_TYPES } from '../../schemas/names.ts'
import { bundleWorkflows } from '../../workers/bundle.ts'
import { coursesOf, demandedCourses } from './course.ts'
import { HISTORIES_FOLDER, readHistories, workflowTypeOf, WRONG_PREFIX } from './histories.ts'

const histories = readHistories()
const isWrong = ({ name }: { name: string }): boolean => name.startsWith(WRONG_PREFIX)

let errors: Map<string, Error | undefined>

beforeAll(async () => {
  const workflowBundle = await bundleWorkflows()
  errors = new Map()
  // One worker for all of them; what it is given are names, so that a failure says which one it was.
  async function* named() {
    for (const { name, history } of histories) yield { workflowId: name, history }
  }
  for await (const result of Worker.runReplayHistories({ workflowBundle }, named())) {
    errors.set(result.workflowId, result.error)
  }
})

describe('replays', () => {
  test.each(histories.filter((history) => !isWrong(history)))('$name', ({ name }) => {
    expect(errors.has(name)).toBe(true)
    expect(errors.get(name)).toBeUndefined()
  })
})

describe('does not replay', () => {
  test.each(histories.filter(isWrong))('$name', ({ name }) => {
    expect(errors.get(name)).toBeInstanceOf(DeterminismViolationError)
  })
})

test('the histories are of every workflow, waiting and over, and one is wrong', () => {
  const good = histories.filter((history) => !isWrong(history))
  const types = new Set(good.map(({ history }) => workflowTypeOf(history)))
  expect([...types].sort()).toEqual(Object.values(WORKFLOW_TYPES).sort())
  expect(histories.filter(isWrong)).not.toEqual([])
  for (const part of [
    'one-given',
    'by-update',
    'by-signal',
    'rejected',
    'expired',
    'withdrawn',
    'failed',
    'retry-before-the-next-try',
    'rounds-in-loop-waiting',
    'on-error-waiting',
    'dry-run-stopped',
    'dry-run-completed',
  ]) {
    expect(good.filter(({ name }) => name.includes(part)).map(({ name }) => name)).not.toEqual([])
  }
})

test('the histories are of every type of step, under way and over, in real runs and in dry ones', () => {
  const courses = new Set(histories.filter((history) => !isWrong(history)).flatMap(coursesOf))
  expect(demandedCourses().filter((course) => !courses.has(course))).toEqual([])
})

test('the histories say nothing of the machine that recorded them', () => {
  for (const file of readdirSync(HISTORIES_FOLDER)) {
    const text = readFileSync(join(HISTORIES_FOLDER, file), 'utf8')
    const decoded = text.replace(/"data": "([A-Za-z0-9+/=]+)"/g, (_, data: string) =>
      Buffer.from(data, 'base64').toString(),
    )
    expect(decoded, file).not.toMatch(
      /\/(?:home|root|work|tmp|Users|usr|var)\/|node_modules|postgres(?:ql)?:\/\/|127\.0\.0\.1|localhost/,
    )
  }
})
