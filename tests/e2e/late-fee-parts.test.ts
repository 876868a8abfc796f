/** The database, the MCP server and the event of the late-fee example, each against the real thing. */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { makeBillingRows } from '../../examples/late-fee/billing-data.ts'
import { fireEvent, startBillingServer } from '../../examples/late-fee/billing-server.ts'
import type { BillingServer } from '../../examples/late-fee/billing-server.ts'
import { seedBilling } from '../../examples/late-fee/seed.ts'
import type { BillingFacts } from '../../examples/late-fee/seed.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { createBillingClient } from '../support/billing-client.ts'
import type { BillingClient } from '../support/billing-client.ts'

const TOKEN = 'token-of-the-billing-server'
const SEED = 7

let databaseUrl: string
let facts: BillingFacts
let owner: pg.Pool
let server: BillingServer
let call: BillingClient['call']
let withClient: BillingClient['withClient']

beforeAll(async () => {
  databaseUrl = await ensureDatabase(inject('databaseUrl'), `late_fee_${randomUUID().slice(0, 8)}`)
  facts = await seedBilling({ databaseUrl, seed: SEED })
  owner = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  server = await startBillingServer({ databaseUrl, token: TOKEN })
  ;({ call, withClient } = createBillingClient(server.url, TOKEN))
})

afterAll(async () => {
  await server?.close()
  await owner?.end()
})

describe('the billing database', () => {
  test('holds the same rows after every seeding with the same number', async () => {
    const first = await dump()
    await owner.query('update invoices set late_fee_cents = 1')
    await owner.query(`insert into ticket_comments (ticket_id, comment) values ($1, 'x')`, [
      facts.disputed.ticketId,
    ])
    const again = await seedBilling({ databaseUrl, seed: SEED, appPassword: appPassword() })

    expect(await dump()).toEqual(first)
    expect(again).toEqual(facts)
    expect(makeBillingRows(SEED)).toEqual(makeBillingRows(SEED))
    expect(makeBillingRows(SEED + 1).invoices).not.toEqual(makeBillingRows(SEED).invoices)
  })

  test('is there once when several seed it at the same time', async () => {
    const options = { databaseUrl, seed: SEED, appPassword: appPassword() }
    await Promise.all([seedBilling(options), seedBilling(options), seedBilling(options)])
    const { rows } = await owner.query('select count(*)::int as count from customers')
    expect(rows[0].count).toBe(makeBillingRows(SEED).customers.length)
  })

  test('has invoices with and without a fee, and disputes of both kinds', () => {
    const { invoices, disputed, notEligible, foreign } = makeBillingRows(SEED)
    expect(new Set(invoices.map((invoice) => invoice.tenant))).toEqual(new Set(['acme', 'globex']))
    expect(invoices.some((invoice) => invoice.lateFeeCents === 0)).toBe(true)
    expect([disputed.tenant, notEligible.tenant, foreign.tenant]).toEqual(['acme', 'acme', 'globex'])
    expect(disputed.lateFeeCents).toBeGreaterThan(0)
  })

  test('moves updated_at with every change, also within one transaction', async () => {
    const client = await owner.connect()
    try {
      const seen = new Set<string>()
      await client.query('begin')
      for (let i = 0; i < 3; i++) {
        const { rows } = await client.query(
          'update invoices set status = status where id = $1 returning updated_at::text',
          [facts.notEligible.invoiceId],
        )
        seen.add(rows[0].updated_at)
      }
      expect(seen.size).toBe(3)
    } finally {
      await client.query('rollback')
      client.release()
    }
  })

  test('lets the login of Countersign change two columns of invoices and nothing else', async () => {
    const app = new pg.Client({ connectionString: facts.appDatabaseUrl })
    await app.connect()
    try {
      await app.query('begin')
      await app.query('select * from invoices where id = $1 for update', [facts.disputed.invoiceId])
      await app.query('update invoices set late_fee_cents = 0, status = status where id = $1', [
        facts.disputed.invoiceId,
      ])
      await app.query(
        `insert into countersign_receipts (idempotency_key, writeback_id, digest, status) values ('k', 'w', 'd', 'in_progress')`,
      )
      await app.query('rollback')
      const forbidden = [
        'update invoices set amount_cents = 1',
        `update invoices set tenant_id = 'acme'`,
        'delete from invoices',
        'delete from countersign_receipts',
        'select * from tickets',
        'create table mine (id int)',
      ]
      for (const statement of forbidden) {
        await expect(app.query(statement), statement).rejects.toMatchObject({ code: '42501' })
      }
    } finally {
      await app.end()
    }
  })
})

describe('the billing server', () => {
  test('lists its tools with schemas and says which only read', async () => {
    const { tools } = await withClient((client) => client.listTools())
    const readOnly = Object.fromEntries(tools.map((tool) => [tool.name, tool.annotations?.readOnlyHint]))
    expect(readOnly).toEqual({
      get_invoice: true,
      get_ticket: true,
      list_open_disputes: true,
      add_ticket_comment: false,
    })
    expect(tools.every((tool) => tool.outputSchema !== undefined)).toBe(true)
  })

  test('answers with the invoice, and with updated_at to the microsecond', async () => {
    const { disputed } = facts
    const { structuredContent: invoice } = await call('get_invoice', {
      tenant: 'acme',
      invoice_id: disputed.invoiceId,
    })
    expect(invoice).toMatchObject({
      id: disputed.invoiceId,
      customer: disputed.customerName,
      amount_cents: disputed.amountCents,
      late_fee_cents: disputed.lateFeeCents,
      updated_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT09:00:00\.123456Z$/) as string,
    })
    const { rowCount } = await owner.query('select 1 from invoices where id = $1 and updated_at = $2', [
      disputed.invoiceId,
      invoice?.['updated_at'],
    ])
    expect(rowCount).toBe(1)
  })

  test('answers for a row of another tenant exactly as for a missing one', async () => {
    const { foreign } = facts
    const invoice = (invoice_id: string) => call('get_invoice', { tenant: 'acme', invoice_id })
    const ticket = (ticket_id: string) => call('get_ticket', { tenant: 'acme', ticket_id })
    const comment = (ticket_id: string) =>
      call('add_ticket_comment', { tenant: 'acme', ticket_id, comment: 'x' })

    expect(await invoice(foreign.invoiceId)).toEqual(await invoice('INV-none'))
    expect(await ticket(foreign.ticketId)).toEqual(await ticket('TIC-none'))
    expect(await comment(foreign.ticketId)).toEqual(await comment('TIC-none'))
    expect((await invoice(foreign.invoiceId)).isError).toBe(true)

    const { structuredContent } = await call('list_open_disputes', { tenant: 'acme' })
    const { disputes } = structuredContent as { disputes: { dispute_id: string }[] }
    const ids = disputes.map((row) => row.dispute_id)
    expect(ids.sort()).toEqual([facts.disputed.disputeId, facts.notEligible.disputeId].sort())
  })

  test('adds a comment each time it is asked to', async () => {
    const comment = { tenant: 'acme', ticket_id: facts.disputed.ticketId, comment: 'called back' }
    await call('add_ticket_comment', comment)
    await call('add_ticket_comment', comment)
    const { rows } = await owner.query(`select count(*)::int from ticket_comments where comment = $1`, [
      comment.comment,
    ])
    expect(rows[0].count).toBe(2)
  })

  test.each([undefined, 'Bearer wrong', `bearer ${TOKEN}`, `Bearer ${TOKEN}x`, 'Bearer '])(
    'refuses the authorization %s before it looks at the request',
    async (authorization) => {
      const response = await fetch(server.url, {
        method: 'POST',
        headers: authorization === undefined ? {} : { authorization },
        body: 'not even JSON',
      })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toBe('Bearer')
    },
  )

  test('keeps no sessions', async () => {
    const response = await fetch(server.url, { headers: { authorization: `Bearer ${TOKEN}` } })
    expect(response.status).toBe(405)
  })
})

describe('the event', () => {
  test('is sent in the form of the callback contract', async () => {
    const receiver = await startReceiver(202)
    await fireEvent({ ...facts.disputed, apiUrl: receiver.url, callbackToken: 'callback-token' })
    await receiver.close()

    expect(receiver.requests).toHaveLength(1)
    expect(receiver.requests[0]).toMatchObject({
      method: 'POST',
      path: '/api/trigger-callback',
      headers: { authorization: 'Bearer callback-token', 'content-type': 'application/json' },
    })
    expect(JSON.parse(receiver.requests[0]?.body ?? '')).toEqual({
      type: 'invoice.disputed',
      data: {
        dispute_id: facts.disputed.disputeId,
        invoice_id: facts.disputed.invoiceId,
        ticket_id: facts.disputed.ticketId,
      },
    })
  })

  test('fails loudly when it was not stored', async () => {
    const receiver = await startReceiver(401)
    const sent = fireEvent({ ...facts.disputed, apiUrl: receiver.url, callbackToken: 'wrong' })
    await expect(sent).rejects.toThrow('401')
    await receiver.close()
  })
})

function appPassword(): string {
  return new URL(facts.appDatabaseUrl).password
}

async function dump(): Promise<unknown[]> {
  const tables = ['customers', 'invoices', 'tickets', 'ticket_comments']
  const results = await Promise.all(
    tables.map((table) => owner.query(`select to_jsonb(t) as row from ${table} t order by t.id`)),
  )
  return results.map((result) => result.rows)
}

interface Received {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
}

async function startReceiver(status: number) {
  const requests: Received[] = []
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      requests.push({ method, path: url, headers, body: Buffer.concat(chunks).toString() })
      response.writeHead(status).end('{}')
    })
  })
  await new Promise<void>((resolve) => {
    receiver.listen(0, '127.0.0.1', resolve)
  })
  const { port } = receiver.address() as AddressInfo
  const close = () =>
    new Promise((resolve) => {
      receiver.close(resolve)
      receiver.closeAllConnections()
    })
  return { url: `http://127.0.0.1:${port}`, requests, close }
}
