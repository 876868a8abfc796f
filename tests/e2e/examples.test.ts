/** Examples beside the story and the disputes, each to its end on one stack: real servers, and what is in them after. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadOtherManifests } from '../../examples/manifests.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { Client } from '../../sdk/client/index.ts'
import { eventually, startLateFeeWorld, type LateFeeWorld } from '../support/late-fee-world.ts'

const SEED = 11

let late: LateFeeWorld
let clerk: Client
let lead: Client
let support: Client

beforeAll(async () => {
  late = await startLateFeeWorld(SEED)
  await late.world.admin.applyManifests({ manifests: await loadOtherManifests() })
  clerk = await late.world.as('carl@acme.example', [])
  lead = await late.world.as('lena@acme.example', ['billing-lead'])
  support = await late.world.as('sue@acme.example', ['support'])
})

afterAll(() => late.close())

const tenant = (): string => late.facts.disputed.tenant

async function start(name: string, input: JsonObject): Promise<string> {
  return (await clerk.startRun({ name, input: { tenant: tenant(), ...input } })).run_id
}

function ended(runId: string) {
  return eventually(async () => {
    const run = await clerk.getRun({ run_id: runId })
    return run.closed_at === null ? undefined : run
  })
}

const run = async (name: string, input: JsonObject) => ended(await start(name, input))
const writesOf = (of: Awaited<ReturnType<typeof ended>>) =>
  of.writebacks.map(({ path, state }) => `${path} ${state}`).sort()
const note = (name: string): string => readFileSync(join(late.notesFolder, name), 'utf8')

/** What waits for somebody in this run, once there are `count`. */
function waiting(runId: string, count: number) {
  return eventually(async () => {
    const { items } = await lead.listApprovals({ state: 'waiting' })
    const own = items.filter((item) => item.run_id === runId)
    return own.length >= count ? own : undefined
  })
}

async function decide(approval: { approval_id: string; digest: string }, verdict: 'approve' | 'reject') {
  const { approval_id, digest } = approval
  await lead.decideApproval({ approval_id, digest, verdict })
}

async function answer(runId: string, value: JsonObject) {
  const [question] = await waiting(runId, 1)
  if (!question) throw new Error('nobody was asked')
  const { approval_id, digest } = question
  expect(question.question?.title).toContain(late.facts.disputed.customerName)
  await support.answerAsk({ approval_id, digest, answer: value })
}

interface Row {
  id: string
  customer: string
  amount: number
  fee: number
  status: string
}

async function invoices(): Promise<Row[]> {
  const { rows } = await late.billing.query<Row>(
    `select i.id, c.name as customer, i.amount_cents as amount, i.late_fee_cents as fee, i.status
       from invoices i join customers c on c.id = i.customer_id where i.tenant_id = $1 order by i.id`,
    [tenant()],
  )
  return rows
}

test('overdue-report: code puts together what was read side by side', async () => {
  const all = await invoices()
  const overdue = all.filter(({ status }) => status === 'overdue')
  const disputed = [late.facts.disputed.invoiceId, late.facts.notEligible.invoiceId]
  const report = await run('overdue-report', { invoice_ids: all.map(({ id }) => id) })
  expect(report.result).toEqual({
    overdue: overdue.length,
    disputed: 2,
    owed_cents: overdue.reduce((sum, { amount, fee }) => sum + amount + fee, 0),
  })
  const lines = overdue.map(({ id, customer, amount, fee }) =>
    [id, customer, amount + fee, disputed.includes(id) ? 'yes' : 'no'].join(','),
  )
  const [head, ...rows] = note('overdue.csv').trimEnd().split('\n')
  expect(head).toBe('invoice,customer,owed_cents,disputed')
  expect(rows.sort()).toEqual(lines.sort())
  expect(writesOf(report)).toEqual(['report applied'])
})

test('clear-up-dispute: support says it was the customer, and the fee stays', async () => {
  const { ticketId, invoiceId, lateFeeCents } = late.facts.disputed
  const runId = await start('clear-up-dispute', { ticket_id: ticketId })
  await answer(runId, { cause: 'customer', words: 'They paid from the wrong account.' })
  const cleared = await ended(runId)
  expect(cleared.result).toEqual({ invoice_id: invoiceId, waived: false })
  expect(note(`fee-stays-${ticketId}.md`)).toBe(
    `The late fee of ${invoiceId} stays.\nThey paid from the wrong account.\n`,
  )
  expect((await invoices()).find(({ id }) => id === invoiceId)?.fee).toBe(lateFeeCents)
  // The answer and the note.
  expect(cleared.receipts).toHaveLength(2)
})

test('clear-up-dispute: support says it was the bank, and a lead still has to agree', async () => {
  const { ticketId, invoiceId } = late.facts.disputed
  const runId = await start('clear-up-dispute', { ticket_id: ticketId })
  await answer(runId, { cause: 'bank' })
  const [approval] = await eventually(async () => {
    const open = await waiting(runId, 1)
    return open.every(({ question }) => question === null) && open
  })
  if (!approval) throw new Error('no lead was asked')
  await expect(
    support.decideApproval({
      approval_id: approval.approval_id,
      digest: approval.digest,
      verdict: 'approve',
    }),
  ).rejects.toMatchObject({ code: 'NOT_ELIGIBLE' })
  await decide(approval, 'approve')
  expect((await ended(runId)).result).toEqual({ invoice_id: invoiceId, waived: true })
  expect((await invoices()).find(({ id }) => id === invoiceId)?.fee).toBe(0)
})

test('clear-up-dispute: a ticket about nothing asks nobody', async () => {
  const { rows } = await late.billing.query<{ id: string }>(
    'select id from tickets where tenant_id = $1 and invoice_id is null',
    [tenant()],
  )
  const ticketId = rows[0]?.id ?? ''
  const failed = await run('clear-up-dispute', { ticket_id: ticketId })
  expect(failed.failure).toMatchObject({ code: 'NO_INVOICE' })
})

test('waive-fees: three wait for a lead at a time, and a no to one is not a no to the others', async () => {
  const before = await invoices()
  const withFee = before.filter(({ fee }) => fee > 0).map(({ id }) => id)
  const without = before.find(({ fee }) => fee === 0)?.id ?? ''
  expect(withFee.length).toBeGreaterThan(4)
  const runId = await start('waive-fees', { invoice_ids: [without, ...withFee] })
  const [refused, ...others] = await waiting(runId, 3)
  expect(others).toHaveLength(2)
  if (!refused) throw new Error('no lead was asked')
  await decide(refused, 'reject')
  for (let decided = 1; decided < withFee.length; decided++) {
    const open = await waiting(runId, 1)
    expect(open.length).toBeLessThanOrEqual(3)
    if (open[0]) await decide(open[0], 'approve')
    await eventually(async () => {
      const { items } = await lead.listApprovals({ state: 'waiting' })
      return !items.some(({ approval_id }) => approval_id === open[0]?.approval_id)
    })
  }
  const waived = await ended(runId)
  const after = await invoices()
  const kept = after.filter(({ fee }) => fee > 0).map(({ id }) => id)
  expect(kept).toHaveLength(1)
  expect(waived.result).toEqual({
    waived: withFee.filter((id) => !kept.includes(id)),
    left: [without, ...kept],
  })
  expect(waived.writebacks.filter(({ state }) => state === 'applied')).toHaveLength(withFee.length - 1)
  expect(waived.writebacks.filter(({ state }) => state === 'rejected')).toHaveLength(1)
})

test('remind-later: looks only after the wait, and reminds of what is still overdue', async () => {
  const [still, paid] = (await invoices()).filter(({ status }) => status === 'overdue')
  if (!still || !paid) throw new Error('two invoices have to be overdue')
  const wakeMs = Date.now() + 4_000
  const remind_at = new Date(wakeMs).toISOString()
  const runIds = [
    await start('remind-later', { invoice_id: still.id, remind_at }),
    await start('remind-later', { invoice_id: paid.id, remind_at }),
  ]
  await late.billing.query(`update invoices set status = 'paid' where id = $1`, [paid.id])
  expect(Date.now()).toBeLessThan(wakeMs)
  expect(existsSync(join(late.notesFolder, `reminder-${still.id}.md`))).toBe(false)
  const results = await Promise.all(runIds.map(async (runId) => (await ended(runId)).result))
  expect(Date.now()).toBeGreaterThanOrEqual(wakeMs)
  expect(results).toEqual([{ reminded: true }, { reminded: false }])
  expect(note(`reminder-${still.id}.md`)).toMatch(
    new RegExp(`^Dear ${still.customer},\n\ninvoice ${still.id} was due on \\d{4}-\\d\\d-\\d\\d\\.\n$`),
  )
  expect(existsSync(join(late.notesFolder, `reminder-${paid.id}.md`))).toBe(false)
})

test('invoice-digest, imported: a tool gets the input, code its output, and the next tool what code gave', async () => {
  const { invoiceId, customerName, amountCents, currency } = late.facts.disputed
  const digest = await run('invoice-digest', { invoice_id: invoiceId })
  expect(digest.state).toBe('completed')
  const text = note(`digest-${invoiceId}.md`)
  expect(text).toMatch(/^# INV-\w+\n\n/)
  expect(text).toContain(`# ${invoiceId}\n\n${customerName} owes ${amountCents} ${currency} cents since `)
  expect(writesOf(digest)).toEqual(['keep_text applied'])
})

test('dispute-export, imported: code before and after each tool, and its result is that of the run', async () => {
  const { run_id } = await clerk.startRun({
    name: 'dispute-export',
    input: { customer: tenant().toUpperCase() },
  })
  const exported = await ended(run_id)
  expect(exported.result).toEqual({ file: 'disputes.csv', rows: 2 })
  const [head, ...rows] = note('disputes.csv').trimEnd().split('\n')
  expect(head).toBe('dispute,invoice,opened_on')
  const { disputed, notEligible } = late.facts
  expect(rows.map((row) => row.split(',').slice(0, 2)).sort()).toEqual(
    [disputed, notEligible].map(({ disputeId, invoiceId }) => [disputeId, invoiceId]).sort(),
  )
  expect(writesOf(exported)).toEqual(['export applied'])
})
