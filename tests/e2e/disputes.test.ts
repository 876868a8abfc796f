/** The examples with loops, sub-runs and second tries, on the billing system of the late fee. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadDisputeManifests } from '../../examples/disputes/manifests.ts'
import { makeBillingRows } from '../../examples/late-fee/billing-data.ts'
import type { Client } from '../../sdk/client/index.ts'
import { eventually, startLateFeeWorld, type LateFeeWorld } from '../support/late-fee-world.ts'

const SEED = 11

let late: LateFeeWorld
let clerk: Client
let lead: Client

beforeAll(async () => {
  late = await startLateFeeWorld(SEED)
  await late.world.admin.applyManifests({ manifests: await loadDisputeManifests() })
  clerk = await late.world.as('carl@acme.example', [])
  lead = await late.world.as('lena@acme.example', ['billing-lead'])
})

afterAll(() => late.close())

const tenant = (): string => late.facts.disputed.tenant

/** What the automations should find, from the rows themselves. */
function openDisputes() {
  const { tickets } = makeBillingRows(SEED)
  return tickets.filter(
    (ticket) => ticket.tenant === tenant() && ticket.status === 'open' && ticket.disputeId !== null,
  )
}

async function start(name: string, input: Record<string, string>): Promise<string> {
  return (await clerk.startRun({ name, input })).run_id
}

function ended(runId: string) {
  return eventually(async () => {
    const run = await clerk.getRun({ run_id: runId })
    return run.closed_at === null ? undefined : run
  })
}

test('fan-out: every open dispute is read, and one report is kept', async () => {
  const run = await ended(
    await start('review-disputes', { tenant: tenant(), notes_folder: late.notesFolder }),
  )
  const open = openDisputes()
  expect(open.length).toBeGreaterThan(1)
  expect(run.state).toBe('completed')
  expect(run.result).toMatchObject({ open: open.length })
  const { waivable } = run.result as { waivable: string[] }
  expect(waivable).toContain(late.facts.disputed.disputeId)
  expect(waivable).not.toContain(late.facts.notEligible.disputeId)
  const report = readFileSync(join(late.notesFolder, 'open-disputes.md'), 'utf8')
  for (const ticket of open) expect(report).toContain(ticket.invoiceId)
  expect(run.writebacks.map(({ state, path }) => [state, path])).toEqual([['applied', 'report']])
})

test('sub-runs: each dispute is settled by a run of its own, and a no ends only one', async () => {
  const review = await ended(
    await start('review-disputes', { tenant: tenant(), notes_folder: late.notesFolder }),
  )
  const { waivable } = review.result as { waivable: string[] }
  const runId = await start('settle-disputes', { tenant: tenant(), notes_folder: late.notesFolder })
  const approvals = await eventually(async () => {
    const { items } = await lead.listApprovals({})
    return items.length === waivable.length && items.length > 0 ? items : undefined
  })
  for (const { requester, automation } of approvals)
    expect([requester.principal, automation]).toEqual(['carl@acme.example', 'late-fee'])
  const [refused, ...others] = approvals
  if (!refused) throw new Error('nobody was asked')
  await lead.decideApproval({ approval_id: refused.approval_id, digest: refused.digest, verdict: 'reject' })
  for (const { approval_id, digest } of others)
    await lead.decideApproval({ approval_id, digest, verdict: 'approve' })
  const run = await ended(runId)
  expect(run.state).toBe('completed')
  const { disputes, waived, not_settled } = run.result as {
    disputes: number
    waived: string[]
    not_settled: number
  }
  expect({ disputes, waived: waived.length, not_settled }).toEqual({
    disputes: openDisputes().length,
    waived: others.length,
    not_settled: 1,
  })
  const { rows } = await late.billing.query<{ id: string }>(
    'select id from invoices where late_fee_cents = 0 and id = any($1)',
    [waived],
  )
  expect(rows.map(({ id }) => id).sort()).toEqual([...waived].sort())
})

test('second tries: what failed is tried again, and then elsewhere, each with a receipt', async () => {
  const note = { name: 'a-note', text: 'hello', other_folder: late.notesFolder }
  const run = await ended(await start('keep-note', { ...note, folder: '/nowhere' }))
  expect([run.state, run.result]).toEqual(['completed', { folder: late.notesFolder }])
  expect(readFileSync(join(late.notesFolder, 'a-note.md'), 'utf8')).toBe('hello')
  const tries = run.writebacks.map(({ path, state }) => `${path} ${state}`)
  expect(tries.sort()).toEqual(['note failed', 'note failed', 'way_out[0].other applied'])
  expect(run.receipts).toHaveLength(3)
})

test('second tries: where nothing helps, the run fails with a code of its own', async () => {
  const note = { name: 'lost', text: 'hello', folder: '/nowhere', other_folder: '/nowhere/else' }
  const run = await ended(await start('keep-note', note))
  expect(run.state).toBe('failed')
  expect(run.failure).toEqual({
    code: 'NOTE_NOT_KEPT',
    message: 'step way_out[0].give_up: neither folder took lost',
  })
  expect(existsSync('/nowhere')).toBe(false)
})

describe('dry runs of the examples', () => {
  const input = () => {
    const { disputeId, invoiceId, ticketId } = late.facts.notEligible
    return {
      tenant: tenant(),
      notes_folder: late.notesFolder,
      dispute_id: disputeId,
      invoice_id: invoiceId,
      ticket_id: ticketId,
    }
  }

  test('late-fee: tells the diff and who would be asked, and writes nothing', async () => {
    const { rows } = await late.billing.query<{ id: string; ticket: string; dispute: string }>(
      `select i.id, t.id as ticket, t.dispute_id as dispute from invoices i join tickets t on t.invoice_id = i.id
       where i.tenant_id = $1 and i.late_fee_cents > 0 and t.status = 'open' and t.reason = 'payment_delayed_by_bank'
         and t.dispute_id is not null limit 1`,
      [tenant()],
    )
    const [found] = rows
    if (!found) throw new Error('a dispute that may be waived is expected')
    const asked = { ...input(), dispute_id: found.dispute, invoice_id: found.id, ticket_id: found.ticket }
    const notes = readdirSync(late.notesFolder)
    const told = await clerk.dryRun({ name: 'late-fee', input: asked })
    expect(told.steps.map(({ path, state }) => `${path} ${state}`)).toEqual([
      'invoice completed',
      'ticket completed',
      'waive would_write',
      'note stopped',
    ])
    expect(told.steps[2]?.would_write).toMatchObject({
      preview: { changes: [{ field: 'late_fee_cents', after: 0 }] },
      asks: [{ roles: ['billing-lead'] }],
    })
    const further = await clerk.dryRun({ name: 'late-fee', input: asked, answers: { waive: {} } })
    expect(further).toMatchObject({ state: 'completed', output: { invoice_id: found.id, waived: true } })
    expect(further.steps[3]?.would_write).toMatchObject({ rule: 'billing/note-files-are-free', asks: [] })
    const after = await late.billing.query(
      'select late_fee_cents > 0 as unpaid from invoices where id = $1',
      [found.id],
    )
    expect(after.rows).toEqual([{ unpaid: true }])
    expect(readdirSync(late.notesFolder)).toEqual(notes)
    expect((await lead.listApprovals({ state: 'waiting' })).items).toEqual([])
  })

  test('disputes: the report that would be kept, and the runs that would be started', async () => {
    const { tenant: of, notes_folder } = input()
    const report = await clerk.dryRun({ name: 'review-disputes', input: { tenant: of, notes_folder } })
    expect(report).toMatchObject({
      state: 'completed',
      output: { open: openDisputes().length },
      problems: [],
    })
    expect(report.steps.find(({ path }) => path === 'report')?.state).toBe('would_write')
    const settle = await clerk.dryRun({ name: 'settle-disputes', input: { tenant: of, notes_folder } })
    expect(settle.state).toBe('stopped')
    const starts = settle.steps.flatMap(({ would_start: run }) => (run ? [run.automation] : []))
    expect(starts).toEqual(openDisputes().map(() => 'late-fee'))
  })
})
