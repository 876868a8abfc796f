/**
 * The story, played through the doors that a user has: the event callback, the API by its client, the Temporal CLI. It
 * says what it sees and gives back the facts, so that a test can hold them against the databases and the histories.
 */
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { ApiError, createClient, receiptsOf, type Client } from '../../../sdk/client/index.ts'
import { fireEvent } from '../billing-server.ts'
import type { BillingFacts } from '../seed.ts'
import { table, type Narrator } from './narrator.ts'

export interface Stage {
  apiUrl: string
  adminKey: string
  organization: string
  temporalAddress: string
  temporalUiUrl: string
  /** The Temporal CLI, which sends the signals. */
  temporalBinary: string
  billingDatabaseUrl: string
  callbackToken: string
  /** Of lena@example.org, a billing lead. */
  leadKey: string
  notesFolder: string
  facts: BillingFacts
  /** Where the receipts are written, and the keys that they are checked with. */
  receiptsFile: string
  publicKeysFile: string
  /** Writes the receipts to their file and checks receipts offline, as `countersign receipts verify` does. */
  verifyReceipts: (content: { run_id: string; receipts: unknown[]; signed_head: unknown }) => {
    count: number
    problems: string[]
  }
}

export interface StoryFacts {
  organization: string
  tenant: string
  invoice_id: string
  late_fee_cents_before: number
  late_fee_cents_after: number
  run_id: string
  temporal_workflow_id: string
  approval_id: string
  approval_workflow_id: string
  digest: string
  refused_requester_code: string
  outcome: string
  receipts: { count: number; problems: string[]; head_sha256: string | null }
  runs_after_second_event: number
  stale_code: string
  stale_status: number
  /** What Temporal's CLI was told when it sent the same signal once more. */
  stale_signal: 'refused' | 'accepted'
}

type Approval = Awaited<ReturnType<Client['getApproval']>>
type Run = Awaited<ReturnType<Client['getRun']>>

const PATIENCE_MS = 60_000
const OPEN_STATES = new Set(['running', 'waiting_for_approval'])
const run = promisify(execFile)

interface Play {
  stage: Stage
  narrator: Narrator
  admin: Client
  lead: Client
  billing: pg.Client
}

export async function playStory(stage: Stage, narrator: Narrator): Promise<StoryFacts> {
  const admin = createClient({ baseUrl: stage.apiUrl, apiKey: stage.adminKey })
  const lead = createClient({ baseUrl: stage.apiUrl, apiKey: stage.leadKey })
  const billing = new pg.Client({ connectionString: stage.billingDatabaseUrl })
  await billing.connect()
  try {
    const play: Play = { stage, narrator, admin, lead, billing }
    const before = await lateFeeCents(play)
    const approval = await disputeArrives(play)
    const refusedCode = await wrongPersonTries(play, approval)
    const ticket = await leadApproves(play, approval)
    const finished = await writeHappens(play, approval)
    const receipts = await receiptsProve(play, finished)
    const runs = await eventComesAgain(play)
    const stale = await staleDecision(play, approval, ticket)
    return {
      organization: stage.organization,
      tenant: stage.facts.disputed.tenant,
      invoice_id: stage.facts.disputed.invoiceId,
      late_fee_cents_before: before,
      late_fee_cents_after: await lateFeeCents(play),
      run_id: approval.run_id,
      temporal_workflow_id: finished.temporal_workflow_id,
      approval_id: approval.approval_id,
      approval_workflow_id: approval.temporal_workflow_id,
      digest: approval.digest,
      refused_requester_code: refusedCode,
      outcome: finished.writebacks[0]?.state ?? 'none',
      receipts,
      runs_after_second_event: runs,
      stale_code: stale.code,
      stale_status: stale.status,
      stale_signal: stale.signal,
    }
  } finally {
    await billing.end()
  }
}

async function disputeArrives({ stage, narrator, lead }: Play): Promise<Approval> {
  const { disputed } = stage.facts
  narrator.chapter('A customer disputes a late fee')
  narrator.say(
    `${disputed.customerName} (tenant ${disputed.tenant}) disputes the late fee of ${money(disputed)} on ${disputed.invoiceId}.`,
    'The billing system tells Countersign with one HTTP request. The answer, 202, comes after the event is stored.',
  )
  await fireEvent({ apiUrl: stage.apiUrl, callbackToken: stage.callbackToken, ...disputed })
  const approval = await eventually(async () => (await lead.listApprovals({})).items[0])
  narrator.chapter('A durable run reads, decides, and asks')
  narrator.say(
    'A Temporal workflow has read the invoice and the ticket over MCP, found that the bank was late, and proposes:',
    '',
    ...table([
      ['field', 'before', 'after'],
      ...approval.preview.changes.map(({ field, before, after }) => [field, String(before), String(after)]),
    ]),
    '',
    `It waits for ${rolesOf(approval)}, until ${approval.expires_at}. Nothing polls, and nothing is lost if all of this is`,
    'killed now. In the Temporal UI (tab “User Metadata” of the page):',
    '',
    `  ${approval.temporal_ui_url}`,
  )
  return approval
}

/** Somebody who may use the API, but has not the role: the decision is theirs, and does not count. */
async function wrongPersonTries({ stage, narrator, admin }: Play, approval: Approval): Promise<string> {
  narrator.chapter('Not everybody may approve')
  const apiKey = await keyFor(admin, 'sam@example.org', ['support'])
  const sam = createClient({ baseUrl: stage.apiUrl, apiKey })
  const { approval_id, digest } = approval
  const code = await refusalOf(() => sam.decideApproval({ approval_id, verdict: 'approve', digest }))
  narrator.say(`sam@example.org, of support, tries. Refused: ${code}.`)
  return code
}

/** The raw way, without our API in between: a signed ticket, sent as a signal with Temporal's own CLI. */
async function leadApproves({ stage, narrator, lead }: Play, approval: Approval): Promise<string[]> {
  const { approval_id, digest } = approval
  narrator.chapter('A billing lead approves, by a workflow signal')
  narrator.say('lena@example.org has the role. From a terminal she would type:')
  narrator.command(
    `npx --no-install countersign approve ${approval_id} --url ${stage.apiUrl} --key ${stage.leadKey}`,
  )
  narrator.say(
    'This demo takes the raw way: she signs a ticket for exactly this write, and sends it with the Temporal CLI:',
  )
  const ticket = await lead.createTicket({
    approval_id,
    verdict: 'approve',
    digest,
    comment: 'the bank was late',
  })
  const args = ['workflow', 'signal', '--address', stage.temporalAddress, '--workflow-id', ticket.workflow_id]
  const signal = [...args, '--name', ticket.signal, '--input', JSON.stringify(ticket.input)]
  narrator.command(`temporal ${args.join(' ')} --name ${ticket.signal} --input '{"ticket": …}'`)
  await narrator.pause('Press Enter to send it (or approve it yourself first, in the Temporal UI).')
  // Refused where whoever waited at the prompt has approved already: then there is nothing left to signal.
  await sendSignal(stage, signal)
  return signal
}

async function writeHappens(play: Play, approval: Approval): Promise<Run> {
  const { narrator, admin, stage } = play
  const finished = await eventually(async () => {
    const found = await admin.getRun({ run_id: approval.run_id })
    return OPEN_STATES.has(found.state) ? null : found
  })
  narrator.chapter('The write happens, once')
  narrator.say(
    `The run is ${finished.state}. ${stage.facts.disputed.invoiceId} now has a late fee of ${await lateFeeCents(play)} cents, and a note lies in`,
    `${stage.notesFolder}.`,
    'Its history, every step of it:',
    '',
    `  ${finished.temporal_ui_url}`,
  )
  return finished
}

async function receiptsProve(
  { narrator, admin, stage }: Play,
  finished: Run,
): Promise<StoryFacts['receipts']> {
  narrator.chapter('Receipts prove it')
  const { receipts, head, signed_head } = await receiptsOf(admin, finished.run_id)
  const { count, problems } = stage.verifyReceipts({
    run_id: finished.run_id,
    receipts: receipts.map(({ envelope }) => envelope),
    signed_head,
  })
  narrator.say(
    `${count} signed receipts: who decided, and what was done, each tied to the one before. Checked offline: ${problems.length === 0 ? 'all right' : problems.join('; ')}.`,
    'That needs no server. Now, or when all of this is gone:',
  )
  narrator.command(
    `npx --no-install countersign receipts verify ${stage.receiptsFile} --keys ${stage.publicKeysFile}`,
  )
  return { count, problems, head_sha256: head?.sha256 ?? null }
}

async function eventComesAgain({ stage, narrator, admin }: Play): Promise<number> {
  narrator.chapter('The same event comes again')
  await fireEvent({ apiUrl: stage.apiUrl, callbackToken: stage.callbackToken, ...stage.facts.disputed })
  const { items } = await admin.listRuns({})
  narrator.say(`It is accepted, and starts nothing: there is still ${items.length} run.`)
  return items.length
}

async function staleDecision(
  { stage, narrator, lead }: Play,
  approval: Approval,
  signal: string[],
): Promise<{ code: string; status: number; signal: 'refused' | 'accepted' }> {
  narrator.chapter('A stale approval')
  const { approval_id, digest } = approval
  const error = await errorOf(() => lead.decideApproval({ approval_id, verdict: 'approve', digest }))
  const replayed = await sendSignal(stage, signal)
  narrator.say(
    `The same decision once more, by the API: ${error.code} (HTTP ${error.status}). The same ticket once more, by signal: ${replayed}.`,
    'An approval is for one exact write, and that one is done.',
  )
  return { code: error.code, status: error.status, signal: replayed }
}

/** Refused: the workflow that was to get it has ended. Every other failure is one of this demo. */
async function sendSignal({ temporalBinary }: Stage, signal: string[]): Promise<'refused' | 'accepted'> {
  try {
    await run(temporalBinary, signal)
    return 'accepted'
  } catch (error) {
    if (String(error).includes('already completed')) return 'refused'
    throw error
  }
}

async function keyFor(admin: Client, id: string, roles: string[]): Promise<string> {
  const { key } = await admin.createKey({
    principal: { id, kind: 'person', roles },
    scopes: ['read', 'approve'],
  })
  return key
}

async function refusalOf(attempt: () => Promise<unknown>): Promise<string> {
  return (await errorOf(attempt)).code
}

async function errorOf(attempt: () => Promise<unknown>): Promise<ApiError> {
  try {
    await attempt()
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error('what should have been refused was accepted')
}

async function lateFeeCents({ billing, stage }: Play): Promise<number> {
  const { invoiceId, tenant } = stage.facts.disputed
  const { rows } = await billing.query<{ late_fee_cents: number }>(
    'select late_fee_cents from invoices where id = $1 and tenant_id = $2',
    [invoiceId, tenant],
  )
  return rows[0]?.late_fee_cents ?? -1
}

function rolesOf(approval: Approval): string {
  return approval.requirement.stages
    .map(({ quorum, roles }) => `${quorum} ${roles.join(' or ')}`)
    .join(', then ')
}

function money({ lateFeeCents: cents, currency }: { lateFeeCents: number; currency: string }): string {
  return `${(cents / 100).toFixed(2)} ${currency}`
}

async function eventually<T>(look: () => Promise<T | null | undefined>): Promise<T> {
  const deadlineMs = Date.now() + PATIENCE_MS
  while (Date.now() < deadlineMs) {
    const found = await look()
    if (found) return found
    await sleep(100)
  }
  throw new Error(`the story stands still: nothing came within ${PATIENCE_MS / 1_000} s; look at the logs`)
}
