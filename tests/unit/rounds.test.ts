/** When a step plans its write anew, and when it does not. */
import { ApplicationFailure } from '@temporalio/common'
import { describe, expect, it } from 'vitest'
import type { ReadOutcome, WriteOutcome, WriteStatus } from '../../schemas/run.ts'
import { inRounds } from '../../workflows/interpreter/rounds.ts'
import { stepErrorOf } from '../../workflows/failures.ts'
import { laterHead } from '../../workflows/receipts-head.ts'
import { outcome } from '../support/fixtures.ts'

const ended = (status: WriteStatus): WriteOutcome => outcome('wb_1', { status })
const read: ReadOutcome = { kind: 'read', output: 1 }
const coded = (type: string) => ApplicationFailure.create({ type, nonRetryable: true })

async function play(script: (WriteOutcome | ReadOutcome | Error)[], first = 1) {
  const rounds: number[] = []
  const attempt = async (round: number) => {
    rounds.push(round)
    const next = script[round - first]
    if (next instanceof Error || next === undefined) throw next ?? new Error('no further round is expected')
    return next
  }
  const result = await inRounds(first, attempt, (error) => stepErrorOf(error).code)
  return { rounds, status: result.kind === 'write' ? result.status : 'read' }
}

describe('a write', () => {
  it.each<WriteStatus>([
    'applied',
    'already_applied',
    'failed',
    'unknown',
    'refused',
    'rejected',
    'expired',
    'withdrawn',
  ])('that ends as %s has one round', async (status) => {
    expect(await play([ended(status)])).toEqual({ rounds: [1], status })
  })

  it('in conflict is planned anew, at most twice', async () => {
    const conflict = ended('conflict')
    expect(await play([conflict, ended('applied')])).toEqual({ rounds: [1, 2], status: 'applied' })
    expect(await play([conflict, conflict, ended('rejected')])).toEqual({
      rounds: [1, 2, 3],
      status: 'rejected',
    })
    expect(await play([conflict, conflict, conflict])).toEqual({ rounds: [1, 2, 3], status: 'conflict' })
  })

  it('that is tried again has as many rounds, behind the earlier ones', async () => {
    const conflict = ended('conflict')
    expect(await play([conflict, conflict, conflict], 4)).toEqual({ rounds: [4, 5, 6], status: 'conflict' })
  })

  it('that cannot be planned again stays in conflict', async () => {
    expect(await play([ended('conflict'), coded('WRITE_CONFLICT')])).toEqual({
      rounds: [1, 2],
      status: 'conflict',
    })
  })

  it('fails as its first plan, or as anything else that stands in the way', async () => {
    await expect(play([coded('WRITE_CONFLICT')])).rejects.toMatchObject({ type: 'WRITE_CONFLICT' })
    await expect(play([ended('conflict'), coded('TOOL_CHANGED')])).rejects.toMatchObject({
      type: 'TOOL_CHANGED',
    })
  })
})

it('a reading has one round', async () => {
  expect(await play([read])).toEqual({ rounds: [1], status: 'read' })
})

it('the head of the receipts is the highest that was seen', () => {
  const at = (seq: number) => outcome('wb_1', { receipt: { id: `rcp_${seq}`, seq, sha256: String(seq) } })
  const seen = [read, at(2), at(5), at(4), read].reduce(laterHead, null as ReturnType<typeof laterHead>)
  expect(seen).toEqual({ count: 5, sha256: '5' })
  expect(laterHead(null, read)).toBeNull()
})
