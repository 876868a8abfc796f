/** The tools of the billing server: three readings and one write that is done again each time it is sent. */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type pg from 'pg'
import { z } from 'zod'
import { addComment, findInvoice, findTicket, listOpenDisputes } from './billing-queries.ts'

const tenant = z.string().min(1).max(64).describe('Whose data: acme or globex')
const id = z.string().min(1).max(64)

const InvoiceSchema = z.object({
  id,
  customer: z.string(),
  amount_cents: z.int(),
  late_fee_cents: z.int(),
  currency: z.string(),
  status: z.enum(['open', 'overdue', 'paid', 'void']),
  due_on: z.string().describe('Date, YYYY-MM-DD'),
  updated_at: z.string().describe('UTC with microseconds; it moves with every change of the invoice'),
})

const TicketSchema = z.object({
  id,
  customer: z.string(),
  invoice_id: z.string().nullable(),
  dispute_id: z.string().nullable(),
  status: z.enum(['open', 'closed']),
  reason: z.string().describe('What support has found out'),
  subject: z.string(),
  body: z.string().describe('What the customer says'),
  opened_on: z.string().describe('Date, YYYY-MM-DD'),
})

const DisputesSchema = z.object({
  disputes: z.array(
    z.object({
      dispute_id: z.string(),
      ticket_id: z.string(),
      invoice_id: z.string(),
      customer: z.string(),
      subject: z.string(),
      opened_on: z.string(),
    }),
  ),
})

const READ_ONLY = { readOnlyHint: true, openWorldHint: false }
const ADDS_EACH_TIME = {
  readOnlyHint: false,
  destructiveHint: false,
  idempotentHint: false,
  openWorldHint: false,
}

export function createBillingTools(database: pg.Pool): McpServer {
  const server = new McpServer({ name: 'billing', version: '1.0.0' })
  registerReadings(server, database)
  server.registerTool(
    'add_ticket_comment',
    {
      title: 'Add a comment to a ticket',
      description: 'Adds one more comment each time it is called.',
      inputSchema: { tenant, ticket_id: id, comment: z.string().min(1).max(4_000) },
      outputSchema: { comment_id: z.int(), ticket_id: z.string() },
      annotations: ADDS_EACH_TIME,
    },
    async ({ tenant, ticket_id, comment }) => {
      const commentId = await addComment(database, { tenant, ticketId: ticket_id, comment })
      return answer(commentId && { comment_id: commentId, ticket_id }, 'ticket')
    },
  )
  return server
}

function registerReadings(server: McpServer, database: pg.Pool): void {
  server.registerTool(
    'get_invoice',
    {
      title: 'Read an invoice',
      inputSchema: { tenant, invoice_id: id },
      outputSchema: InvoiceSchema,
      annotations: READ_ONLY,
    },
    async ({ tenant, invoice_id }) =>
      answer(await findInvoice(database, { tenant, id: invoice_id }), 'invoice'),
  )
  server.registerTool(
    'get_ticket',
    {
      title: 'Read a ticket',
      inputSchema: { tenant, ticket_id: id },
      outputSchema: TicketSchema,
      annotations: READ_ONLY,
    },
    async ({ tenant, ticket_id }) => answer(await findTicket(database, { tenant, id: ticket_id }), 'ticket'),
  )
  server.registerTool(
    'list_open_disputes',
    {
      title: 'List open disputes',
      inputSchema: { tenant },
      outputSchema: DisputesSchema,
      annotations: READ_ONLY,
    },
    async ({ tenant }) => answer({ disputes: await listOpenDisputes(database, tenant) }, 'tenant'),
  )
}

/** Missing and foreign get the same words: whether a row of another tenant exists is nobody's business. */
function answer(found: object | 0 | undefined, what: string): CallToolResult {
  if (!found) return { content: [{ type: 'text', text: `There is no such ${what}.` }], isError: true }
  return { content: [{ type: 'text', text: JSON.stringify(found) }], structuredContent: { ...found } }
}
