/**
 * Makes the billing database of the story, or puts an existing one back to its first state: same seed, same rows.
 * Receipts of earlier writes stay. Runs in one transaction, so that nobody ever sees half of it.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { makeBillingRows, TENANTS } from './billing-data.ts'
import type { BillingRows, Dispute } from './billing-data.ts'

export interface SeedOptions {
  /** Of somebody who may create tables and roles there. */
  databaseUrl: string
  seed: number
  /** Of the login that Countersign gets; a new one is made up if it is missing. */
  appPassword?: string
}

export interface BillingFacts {
  tenants: readonly string[]
  disputed: Dispute
  notEligible: Dispute
  foreign: Dispute
  /** What Countersign connects with: only the rights of `countersign_app`. It holds a password. */
  appDatabaseUrl: string
}

const RECEIPTS_SQL = new URL('../../sdk/target/countersign_receipts.sql', import.meta.url)
const SCHEMA_SQL = new URL('./schema.sql', import.meta.url)
/** Any number; it keeps two seedings of one database apart. */
const SEED_LOCK = 4_207_001

export async function seedBilling(options: SeedOptions): Promise<BillingFacts> {
  const rows = makeBillingRows(options.seed)
  const login = {
    name: loginName(options.databaseUrl),
    password: options.appPassword ?? randomBytes(24).toString('hex'),
  }
  const client = new pg.Client({ connectionString: options.databaseUrl, connectionTimeoutMillis: 5_000 })
  await client.connect()
  try {
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock($1)', [SEED_LOCK])
    // A second run would say of everything that it is there already.
    await client.query('set local client_min_messages = warning')
    await client.query(await readFile(RECEIPTS_SQL, 'utf8'))
    await client.query(await readFile(SCHEMA_SQL, 'utf8'))
    await ensureLogin(client, login)
    await replaceRows(client, rows)
    await client.query('commit')
  } finally {
    await client.end()
  }
  const { disputed, notEligible, foreign } = rows
  const appDatabaseUrl = withLogin(options.databaseUrl, login)
  return { tenants: TENANTS, disputed, notEligible, foreign, appDatabaseUrl }
}

interface Login {
  name: string
  password: string
}

/** One login per database: roles belong to the whole server, and two databases must not change each other's password. */
function loginName(databaseUrl: string): string {
  const database = decodeURIComponent(new URL(databaseUrl).pathname.slice(1))
  const hash = createHash('sha256').update(database).digest('hex').slice(0, 8)
  return `countersign_app_${hash}`
}

async function ensureLogin(client: pg.Client, login: Login): Promise<void> {
  const name = pg.escapeIdentifier(login.name)
  const { rowCount } = await client.query('select 1 from pg_roles where rolname = $1', [login.name])
  const verb = rowCount === 0 ? 'create' : 'alter'
  await client.query(`${verb} role ${name} login password ${pg.escapeLiteral(login.password)}`)
  await client.query(`grant countersign_app to ${name}`)
}

async function replaceRows(client: pg.Client, rows: BillingRows): Promise<void> {
  await client.query('truncate ticket_comments, tickets, invoices, customers restart identity')
  await insertAll(
    client,
    `insert into customers (id, tenant_id, name)
     select id, tenant, name from jsonb_to_recordset($1) as row (id text, tenant text, name text)`,
    rows.customers,
  )
  await insertAll(
    client,
    `insert into invoices
       (id, tenant_id, customer_id, amount_cents, late_fee_cents, currency, status, due_on, updated_at)
     select id, tenant, "customerId", "amountCents", "lateFeeCents", currency, status, "dueOn",
       "dueOn"::timestamp at time zone 'UTC' + interval '9 hours 123456 microseconds'
     from jsonb_to_recordset($1) as row (id text, tenant text, "customerId" text, "amountCents" integer,
       "lateFeeCents" integer, currency text, status text, "dueOn" date)`,
    rows.invoices,
  )
  await insertAll(
    client,
    `insert into tickets
       (id, tenant_id, customer_id, invoice_id, dispute_id, status, reason, subject, body, opened_on)
     select id, tenant, "customerId", "invoiceId", "disputeId", status, reason, subject, body, "openedOn"
     from jsonb_to_recordset($1) as row (id text, tenant text, "customerId" text, "invoiceId" text,
       "disputeId" text, status text, reason text, subject text, body text, "openedOn" date)`,
    rows.tickets,
  )
}

async function insertAll(client: pg.Client, statement: string, rows: object[]): Promise<void> {
  await client.query(statement, [JSON.stringify(rows)])
}

function withLogin(databaseUrl: string, login: Login): string {
  const url = new URL(databaseUrl)
  url.username = login.name
  url.password = login.password
  return url.toString()
}
