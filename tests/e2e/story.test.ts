import { existsSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { fireEvent, startBillingServer } from '../../examples/late-fee/billing-server.ts'
import { loadManifests, notesCommand } from '../../examples/late-fee/manifests.ts'
import { seedBilling, type BillingFacts } from '../../examples/late-fee/seed.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { eventually, startWorld, type World } from '../support/world.ts'

const TOKEN = 'a-token-for-the-billing-server'

describe('a disputed invoice', () => {
  let world: World
  let facts: BillingFacts
  let billing: { url: string; close(): Promise<void> }
  let billingDb: pg.Pool
  let notesFolder: string

  beforeAll(async () => {
    const databaseUrl = await ensureDatabase(inject('databaseUrl'), `billing_story_${process.pid}`)
    facts = await seedBilling({ databaseUrl, seed: 7 })
    billing = await startBillingServer({ databaseUrl, token: TOKEN })
    billingDb = new pg.Pool({ connectionString: databaseUrl })
    notesFolder = `/tmp/countersign-notes-${process.pid}`
    await mkdir(notesFolder, { recursive: true })
    world = await startWorld({
      secrets: { BILLING_MCP_TOKEN: TOKEN, BILLING_DATABASE_URL: facts.appDatabaseUrl },
      commands: { notes: notesCommand(notesFolder) },
    })
    const manifests = await loadManifests({ tenant: facts.disputed.tenant, billingUrl: billing.url, notesFolder })
    await world.admin.applyManifests({ manifests })
  })

  afterAll(async () => {
    await world.close()
    await billing.close()
    await billingDb.end()
  })

  test('is read, waits for a lead, is changed once, and leaves receipts', async () => {
    const { key: callbackToken } = await world.admin.createKey({
      principal: { id: 'connection/billing', kind: 'service', roles: [] },
      scopes: ['trigger'],
    })
    const lead = await world.as('lena@acme.example', ['billing-lead'])
    const { disputeId, invoiceId, ticketId } = facts.disputed
    await fireEvent({ apiUrl: world.apiUrl, callbackToken, disputeId, invoiceId, ticketId })
    const approval = await eventually(async () => (await lead.listApprovals({})).items[0])
    await lead.decideApproval({ approval_id: approval.approval_id, verdict: 'approve', digest: approval.digest })
    const run = await eventually(async () => {
      const found = await world.admin.getRun({ run_id: approval.run_id })
      return found.state !== 'running' ? found : undefined
    })
    const { rows } = await billingDb.query('select late_fee_cents from invoices where id = $1', [invoiceId])
    expect(rows[0]).toEqual({ late_fee_cents: 0 })
    expect(existsSync(join(notesFolder, `${disputeId}.md`))).toBe(true)
    expect(readFileSync(join(notesFolder, `${disputeId}.md`), 'utf8')).toContain(invoiceId)
  })
})
