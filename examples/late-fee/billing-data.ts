/** The rows of the billing database, made from a seed number: the same number gives the same rows on every machine. */

export type DisputeReason = 'payment_delayed_by_bank' | 'forgot_to_pay' | 'question' | 'unclear'

export interface Customer {
  id: string
  tenant: string
  name: string
}

export interface Invoice {
  id: string
  tenant: string
  customerId: string
  amountCents: number
  lateFeeCents: number
  currency: string
  status: 'open' | 'overdue' | 'paid' | 'void'
  dueOn: string
}

export interface Ticket {
  id: string
  tenant: string
  customerId: string
  invoiceId: string | null
  disputeId: string | null
  status: 'open' | 'closed'
  reason: DisputeReason
  subject: string
  body: string
  openedOn: string
}

/** One disputed late fee, as the story needs it. */
export interface Dispute {
  tenant: string
  disputeId: string
  ticketId: string
  invoiceId: string
  customerId: string
  customerName: string
  amountCents: number
  lateFeeCents: number
  currency: string
}

export interface BillingRows {
  customers: Customer[]
  invoices: Invoice[]
  tickets: Ticket[]
  /** The bank was late, so the fee may be waived. The seed says whose it is: `acme` if it is odd, `globex` if even. */
  disputed: Dispute
  /** Of the same tenant: the customer forgot, so the fee stays. */
  notEligible: Dispute
  /** Of the other tenant: nobody at the first may see it. */
  foreign: Dispute
}

interface Tenant {
  name: string
  prefix: string
  currency: string
  customers: string[]
}

export const TENANTS = ['acme', 'globex'] as const

const TENANT_DATA: Tenant[] = [
  {
    name: 'acme',
    prefix: 'A',
    currency: 'EUR',
    customers: ['Harbour Bakery', 'Linden Cycles', 'North Quay Books', 'Old Mill Pottery'],
  },
  {
    name: 'globex',
    prefix: 'G',
    currency: 'USD',
    customers: ['Copper Hill Farm', 'Juniper Clinic', 'Sawyer Brothers'],
  },
]

const INVOICES_PER_CUSTOMER = 4
const FIRST_DUE_DAY = Date.UTC(2026, 8, 1)
const DAY_MS = 86_400_000
const FEE_SHARE = 0.05

const TICKET_TEXTS: Record<DisputeReason, { subject: string; body: string }> = {
  payment_delayed_by_bank: {
    subject: 'Late fee although we paid in time',
    body: 'We ordered the transfer three days before the due date. Our bank has confirmed in writing that it was held back on their side. Please take the late fee off.',
  },
  forgot_to_pay: {
    subject: 'Please drop the late fee',
    body: 'We simply forgot this one during the holidays. Could you let the fee go this time?',
  },
  question: {
    subject: 'Which address do you have for us?',
    body: 'We are moving in the spring and would like to know which address is on our invoices.',
  },
  unclear: { subject: 'This cannot be right', body: 'The invoice is wrong. Please call us.' },
}

export function makeBillingRows(seed: number): BillingRows {
  const random = createRandom(seed)
  const parts = TENANT_DATA.map((tenant) => makeTenant(tenant, random))
  const [mine, other] = seed % 2 === 0 ? parts.toReversed() : parts
  const [disputed, notEligible] = mine?.disputes ?? []
  const [foreign] = other?.disputes ?? []
  if (!disputed || !notEligible || !foreign) throw new Error('every tenant has two overdue invoices')
  return {
    customers: parts.flatMap((part) => part.customers),
    invoices: parts.flatMap((part) => part.invoices),
    tickets: parts.flatMap((part) => part.tickets),
    disputed,
    notEligible,
    foreign,
  }
}

function makeTenant(tenant: Tenant, random: () => number) {
  const customers = tenant.customers.map((name, index) => ({
    id: `CUS-${tenant.prefix}${index + 1}`,
    tenant: tenant.name,
    name,
  }))
  const invoices = customers.flatMap((customer, index) => makeInvoices({ tenant, customer, index, random }))
  const overdue = shuffled(
    invoices.filter((invoice) => invoice.status === 'overdue'),
    random,
  )
  const reasons: DisputeReason[] = ['payment_delayed_by_bank', 'forgot_to_pay']
  const pairs = reasons.flatMap((reason, index) => {
    const invoice = overdue[index]
    return invoice ? [makeDispute({ tenant, customers, invoice, reason, index })] : []
  })
  const [first] = customers
  const questions = first ? [makeQuestion(tenant, first)] : []
  return {
    customers,
    invoices,
    tickets: [...pairs.map((pair) => pair.ticket), ...questions],
    disputes: pairs.map((pair) => pair.dispute),
  }
}

/** The first invoice of a customer is always overdue and carries a fee, the second never does; the rest is chance. */
function makeInvoices(params: {
  tenant: Tenant
  customer: Customer
  index: number
  random: () => number
}): Invoice[] {
  const { tenant, customer, random } = params
  return Array.from({ length: INVOICES_PER_CUSTOMER }, (_, position) => {
    const amountCents = 5_000 + Math.floor(random() * 4_000) * 25
    const isOverdue = position === 0 || (position > 1 && random() < 0.3)
    return {
      id: `INV-${tenant.prefix}${1000 + params.index * INVOICES_PER_CUSTOMER + position}`,
      tenant: tenant.name,
      customerId: customer.id,
      amountCents,
      lateFeeCents: isOverdue ? Math.round(amountCents * FEE_SHARE) : 0,
      currency: tenant.currency,
      status: isOverdue ? 'overdue' : random() < 0.5 ? 'open' : 'paid',
      dueOn: dayAfter(FIRST_DUE_DAY, Math.floor(random() * 40)),
    }
  })
}

function makeDispute(params: {
  tenant: Tenant
  customers: Customer[]
  invoice: Invoice
  reason: DisputeReason
  index: number
}): { ticket: Ticket; dispute: Dispute } {
  const { tenant, invoice, reason } = params
  const number = `${tenant.prefix}${params.index + 1}`
  const ids = { tenant: tenant.name, customerId: invoice.customerId, invoiceId: invoice.id }
  const ticket: Ticket = {
    ...ids,
    ...TICKET_TEXTS[reason],
    id: `TIC-${number}`,
    disputeId: `DSP-${number}`,
    status: 'open',
    reason,
    openedOn: dayAfter(Date.parse(invoice.dueOn), 12),
  }
  const dispute: Dispute = {
    ...ids,
    ticketId: ticket.id,
    disputeId: `DSP-${number}`,
    customerName: params.customers.find((customer) => customer.id === invoice.customerId)?.name ?? '',
    amountCents: invoice.amountCents,
    lateFeeCents: invoice.lateFeeCents,
    currency: invoice.currency,
  }
  return { ticket, dispute }
}

function makeQuestion(tenant: Tenant, customer: Customer): Ticket {
  return {
    ...TICKET_TEXTS.question,
    id: `TIC-${tenant.prefix}9`,
    tenant: tenant.name,
    customerId: customer.id,
    invoiceId: null,
    disputeId: null,
    status: 'open',
    reason: 'question',
    openedOn: dayAfter(FIRST_DUE_DAY, 3),
  }
}

function dayAfter(startMs: number, days: number): string {
  return new Date(startMs + days * DAY_MS).toISOString().slice(0, 10)
}

function shuffled<Item>(items: Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, order: random() }))
    .sort((left, right) => left.order - right.order)
    .map(({ item }) => item)
}

/** Mulberry32: 32 bits of state are plenty for a few dozen rows, and it is the same everywhere. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
