/**
 * The manifests of the late-fee example, with the answers of the real billing server, the real expressions and the real
 * file system server as a child process. The story as a whole is a test of its own.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { startBillingServer } from '../../examples/late-fee/billing-server.ts'
import type { BillingServer } from '../../examples/late-fee/billing-server.ts'
import { loadManifests, notesCommand } from '../../examples/late-fee/manifests.ts'
import { seedBilling } from '../../examples/late-fee/seed.ts'
import type { BillingFacts } from '../../examples/late-fee/seed.ts'
import { evaluateExpression } from '../../lib/cel.ts'
import type { JsonObject } from '../../lib/json.ts'
import { resolveTemplates } from '../../lib/templates.ts'
import type { AutomationSpec, PolicySpec } from '../../schemas/manifests.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { createBillingClient } from '../support/billing-client.ts'
import type { BillingClient } from '../support/billing-client.ts'

const TOKEN = 'token-of-the-billing-server'

let facts: BillingFacts
let server: BillingServer
let call: BillingClient['call']

beforeAll(async () => {
  const databaseUrl = await ensureDatabase(inject('databaseUrl'), `late_fee_${randomUUID().slice(0, 8)}`)
  facts = await seedBilling({ databaseUrl, seed: 7 })
  server = await startBillingServer({ databaseUrl, token: TOKEN })
  ;({ call } = createBillingClient(server.url, TOKEN))
})

afterAll(() => server?.close())

describe('the manifests', () => {
  test('are valid as they stand, and fit the place where they run', async () => {
    const plain = await loadManifests()
    expect(plain.map(({ kind, name }) => `${kind}/${name}`)).toEqual([
      'Connection/billing',
      'Connection/billing-db',
      'Connection/notes',
      'Policy/billing',
      'Automation/late-fee',
    ])
    const values = { tenant: 'globex', billingUrl: server.url, notesFolder: '/somewhere/notes' }
    const texts = (await loadManifests(values)).map((manifest) => JSON.stringify(manifest))
    expect(texts.join()).not.toContain('acme')
    expect(texts[0]).toContain(server.url)
    expect(texts[1]).toContain('"value":"globex"')
    expect(texts[4]).toContain('"notes_folder":"/somewhere/notes"')
  })

  test('propose the waiver for the eligible dispute only', async () => {
    const eligible = await scopeFor(facts.disputed)
    const { waive } = await steps()
    expect(evaluateExpression(waive?.if ?? '', eligible)).toBe(true)
    const update = waive && 'writeback' in waive ? resolveTemplates(waive.writeback.update, eligible) : null
    expect(update).toEqual({
      table: 'invoices',
      key: { id: facts.disputed.invoiceId },
      guard: { updated_at: expect.stringMatching(/\.123456Z$/) as string },
      set: { late_fee_cents: 0 },
    })
    expect(evaluateExpression(waive?.if ?? '', await scopeFor(facts.notEligible))).toBe(false)
    // An event that names the good ticket of one invoice together with another invoice.
    const mixed = { ...facts.disputed, invoiceId: facts.notEligible.invoiceId }
    expect(evaluateExpression(waive?.if ?? '', await scopeFor(mixed))).toBe(false)
  })

  test('map the event to an input that their schema accepts, and refuse a path in an id', async () => {
    const { spec } = await automation()
    const validate = new Ajv2020().compile(spec.input ?? false)
    const map = (dispute_id: string) =>
      resolveTemplates(spec.triggers[0]?.input ?? {}, {
        event: { data: { dispute_id, invoice_id: 'INV-A1000', ticket_id: 'TIC-A1' } },
      })
    expect(validate(map('DSP-A1'))).toBe(true)
    expect(validate(map('../../etc/passwd'))).toBe(false)
  })

  test('write a note that the file system server accepts, twice with the same effect', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'late-fee-notes-'))
    const scope = await scopeFor(facts.disputed, folder)
    const { note, result } = await steps()
    if (!note || !('tool_call' in note)) throw new Error('there is no step `note`')
    const written = { ...scope, steps: { ...scope.steps, waive: { output: { rows: 1 } } } }
    const skipped = { ...scope, steps: { ...scope.steps, waive: { output: null } } }
    expect(evaluateExpression(note.if ?? '', written)).toBe(true)
    expect(evaluateExpression(note.if ?? '', skipped)).toBe(false)
    const returned = (scopeOfReturn: typeof scope) =>
      resolveTemplates(result && 'return' in result ? result.return : null, scopeOfReturn)
    expect(returned(written)).toMatchObject({ waived: true, waived_cents: facts.disputed.lateFeeCents })
    expect(returned(skipped)).toMatchObject({ waived: false, waived_cents: 0 })

    const call = {
      name: note.tool_call.tool,
      arguments: resolveTemplates(note.tool_call.arguments, written) as JsonObject,
    }
    const client = new Client({ name: 'test', version: '1.0.0' })
    await client.connect(new StdioClientTransport({ ...notesCommand(folder), stderr: 'ignore' }))
    try {
      for (let i = 0; i < 2; i++) expect((await client.callTool(call)).isError).not.toBe(true)
    } finally {
      await client.close()
    }
    const text = readFileSync(path.join(folder, `${facts.disputed.disputeId}.md`), 'utf8')
    expect(text).toContain(`Late fee: ${facts.disputed.lateFeeCents} cents (EUR), now 0`)
    rmSync(folder, { recursive: true })
  })

  test('let a lead waive a fee, and deny a change that carries anything else', async () => {
    const manifests = await loadManifests()
    const spec = manifests.find(({ kind }) => kind === 'Policy')?.spec as PolicySpec
    const when = spec.rules.find((rule) => rule.require)?.match.when ?? ''
    const matches = (patch: JsonObject) => evaluateExpression(when, { patch })
    expect(matches({ late_fee_cents: 0 })).toBe(true)
    expect(matches({ late_fee_cents: 100 })).toBe(false)
    expect(matches({ late_fee_cents: 0, status: 'paid' })).toBe(false)
    expect(matches({ status: 'paid' })).toBe(false)
    expect(spec.rules.at(-1)).toMatchObject({ match: { class: 'write' }, deny: true })
  })
})

async function automation(): Promise<{ spec: AutomationSpec }> {
  const found = (await loadManifests()).find((manifest) => manifest.kind === 'Automation')
  if (found?.kind !== 'Automation') throw new Error('there is no automation')
  return found
}

async function steps() {
  const { spec } = await automation()
  return Object.fromEntries(spec.steps.map((step) => [step.name, step]))
}

/** What a run knows after the two readings, with the answers of the real server. */
async function scopeFor(dispute: BillingFacts['disputed'], notesFolder = 'notes') {
  const input = {
    tenant: dispute.tenant,
    notes_folder: notesFolder,
    dispute_id: dispute.disputeId,
    invoice_id: dispute.invoiceId,
    ticket_id: dispute.ticketId,
  }
  const invoice = await call('get_invoice', { tenant: input.tenant, invoice_id: input.invoice_id })
  const ticket = await call('get_ticket', { tenant: input.tenant, ticket_id: input.ticket_id })
  return {
    input,
    steps: {
      invoice: { output: invoice.structuredContent as JsonObject },
      ticket: { output: ticket.structuredContent as JsonObject },
    },
  }
}
