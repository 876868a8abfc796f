/** What the billing server asks its database. Every statement names the tenant, so a foreign row looks like none. */
import type pg from 'pg'

export interface InvoiceView {
  id: string
  customer: string
  amount_cents: number
  late_fee_cents: number
  currency: string
  status: string
  due_on: string
  /** UTC with microseconds, all that PostgreSQL keeps: a `Date` would lose three digits and never match again. */
  updated_at: string
}

export interface TicketView {
  id: string
  customer: string
  invoice_id: string | null
  dispute_id: string | null
  status: string
  reason: string
  subject: string
  body: string
  opened_on: string
}

export interface DisputeView {
  dispute_id: string
  ticket_id: string
  invoice_id: string
  customer: string
  subject: string
  opened_on: string
}

const MAX_DISPUTES = 100

export async function findInvoice(
  database: pg.Pool,
  key: { tenant: string; id: string },
): Promise<InvoiceView | undefined> {
  const { rows } = await database.query<InvoiceView>(
    `select i.id, c.name as customer, i.amount_cents, i.late_fee_cents, i.currency, i.status, i.due_on::text,
            to_char(i.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at
       from invoices i join customers c on c.tenant_id = i.tenant_id and c.id = i.customer_id
      where i.tenant_id = $1 and i.id = $2`,
    [key.tenant, key.id],
  )
  return rows[0]
}

export async function findTicket(
  database: pg.Pool,
  key: { tenant: string; id: string },
): Promise<TicketView | undefined> {
  const { rows } = await database.query<TicketView>(
    `select t.id, c.name as customer, t.invoice_id, t.dispute_id, t.status, t.reason, t.subject, t.body,
            t.opened_on::text
       from tickets t join customers c on c.tenant_id = t.tenant_id and c.id = t.customer_id
      where t.tenant_id = $1 and t.id = $2`,
    [key.tenant, key.id],
  )
  return rows[0]
}

export async function listOpenDisputes(database: pg.Pool, tenant: string): Promise<DisputeView[]> {
  const { rows } = await database.query<DisputeView>(
    `select t.dispute_id, t.id as ticket_id, t.invoice_id, c.name as customer, t.subject, t.opened_on::text
       from tickets t join customers c on c.tenant_id = t.tenant_id and c.id = t.customer_id
      where t.tenant_id = $1 and t.status = 'open' and t.dispute_id is not null and t.invoice_id is not null
      order by t.opened_on, t.id limit ${MAX_DISPUTES}`,
    [tenant],
  )
  return rows
}

export async function addComment(
  database: pg.Pool,
  params: { tenant: string; ticketId: string; comment: string },
): Promise<number | undefined> {
  const { rows } = await database.query<{ id: string }>(
    `insert into ticket_comments (ticket_id, comment)
     select id, $3 from tickets where tenant_id = $1 and id = $2 returning id`,
    [params.tenant, params.ticketId, params.comment],
  )
  return rows[0] && Number(rows[0].id)
}
