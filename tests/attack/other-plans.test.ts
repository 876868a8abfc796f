/**
 * The ledger goes back to before a write was planned, and its target does not: it still has the receipt. The row is
 * another one by now, so people approve another plan of the same write, under the same key.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  approve,
  startAttackWorld,
  startWriteback,
  type AttackWorld,
  type OldRun,
} from '../support/attack-world.ts'
import { eventually } from '../support/world.ts'

let attack: AttackWorld

beforeAll(async () => {
  attack = await startAttackWorld()
})

afterAll(() => attack.close())

async function rowOf({ call }: OldRun): Promise<{ state: string; message: string } | undefined> {
  const { rows } = await attack.world.database.query<{ state: string; message: string }>(
    `select state, outcome ->> 'message' as message from writebacks where writeback_id = $1`,
    [call.origin.writebackId],
  )
  return rows[0]
}

const ended = (run: OldRun) =>
  eventually(async () => {
    const row = await rowOf(run)
    return row && !['planned', 'sending'].includes(row.state) && row
  })

/** As a backup does, past the triggers that keep what is recorded. */
async function forget({ call, runId }: OldRun): Promise<void> {
  const client = await attack.world.database.connect()
  try {
    await client.query(`begin; set local session_replication_role = replica`)
    await client.query('delete from receipts where run_id = $1', [runId])
    for (const table of ['decisions', 'approvals', 'writebacks'])
      await client.query(`delete from ${table} where writeback_id = $1`, [call.origin.writebackId])
    await client.query('commit')
  } finally {
    client.release()
  }
}

test('the receipt of another plan proves nothing of this one: nobody knows, and both are told', async () => {
  const run = await attack.parkLate(7)
  await approve(attack.lead, run.approval)
  expect(await ended(run)).toMatchObject({ state: 'applied' })
  await forget(run)
  await attack.books.query('update accounts set amount = 50 where id = $1', [run.account])
  // Its workflow ends a moment after its row.
  await eventually(() => startWriteback(attack.world, run.call))
  const { writebackId } = run.call.origin
  const again = await eventually(async () =>
    (await attack.lead.listApprovals({})).items.find((item) => item.writeback_id === writebackId),
  )
  expect(again.preview?.changes).toEqual([{ field: 'amount', before: 50, after: 7 }])
  await approve(attack.lead, again)
  const { state, message } = await ended(run)
  expect([state, await attack.amountOf(run)]).toEqual(['unknown', 50])
  expect(message).toContain(`digest ${run.approval.digest}: {"amount":"7"}`)
  expect(message).toContain(`digest ${again.digest}`)
})
