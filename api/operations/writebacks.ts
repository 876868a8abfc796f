/** Handlers: writebacks, receipts, and the public keys to verify them with. */
import { z } from 'zod'
import { findDeliveryOfRun } from '../../db/queries/deliveries.ts'
import { findChainHead, listReceipts } from '../../db/queries/receipts.ts'
import { findWriteback, listWritebacks } from '../../db/queries/writebacks.ts'
import { CodedError } from '../../schemas/errors.ts'
import { MESSAGES } from '../../schemas/names.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { sendResolution, signResolution } from '../resolutions.ts'
import { readCursor, toPage } from '../pages.ts'
import { signalCommand } from '../temporal.ts'
import { writebackView } from '../views.ts'
import { implement } from './implement.ts'

const PositionSchema = z.object({ createdAt: z.iso.datetime({ offset: true }), id: z.string() })

const list = implement(OPERATIONS.listWritebacks, async ({ database }, { query, principal }) => {
  const rows = await listWritebacks(database, {
    organization: principal.organization,
    runId: query.run_id,
    limit: query.limit + 1,
    before: readCursor(query.cursor, PositionSchema),
  })
  return toPage(rows, query.limit, {
    item: writebackView,
    position: ({ created_at, writeback_id }) => ({ createdAt: created_at, id: writeback_id }),
  })
})

const get = implement(OPERATIONS.getWriteback, async ({ database }, { params, principal }) => {
  const { organization } = principal
  const row = await findWriteback(database, { organization, writebackId: params.writeback_id })
  if (!row) throw new CodedError('NOT_FOUND', `There is no writeback ${params.writeback_id}.`)
  return writebackView(row)
})

const resolution = implement(OPERATIONS.resolveWriteback, async (deps, request) => {
  const { principal, idempotencyKey, params, body } = request
  const writebackId = params.writeback_id
  const signed = await signResolution(deps, { ...body, principal, idempotencyKey, writebackId })
  const answer = await sendResolution(deps, signed)
  const resolution_id = signed.resolutionId
  if (answer === null) {
    request.useAlternative()
    const message = 'Your word is recorded. It counts as soon as a worker looks at it.'
    return { resolution_id, state: 'recorded' as const, message }
  }
  const { accepted, outcome, code, message } = answer
  if (!accepted || !outcome) throw new CodedError(code ?? 'NOT_UNKNOWN', message)
  return { resolution_id, state: outcome.status, message }
})

const ticket = implement(OPERATIONS.createResolutionTicket, async (deps, request) => {
  const { principal, idempotencyKey, params, body } = request
  const writebackId = params.writeback_id
  const signed = await signResolution(deps, { ...body, principal, idempotencyKey, writebackId })
  const input = { ticket: signed.input.ticket }
  const command = signalCommand(deps.temporal, {
    workflowId: signed.workflowId,
    signal: MESSAGES.resolveSignal,
    input,
  })
  return { workflow_id: signed.workflowId, signal: MESSAGES.resolveSignal, input, command }
})

const receipts = implement(OPERATIONS.listReceipts, async ({ database }, { query, principal }) => {
  const { organization } = principal
  const runId = query.run_id
  // The head first: a receipt that is added in between then shows as one more, never as one that is missing.
  const head = await findChainHead(database, runId)
  const kept = await listReceipts(database, { organization, runId })
  // They are kept for longer than the run they are about.
  if (kept.length === 0 && !(await findDeliveryOfRun(database, { organization, runId }))) {
    throw new CodedError('NOT_FOUND', `There is no run ${runId}.`)
  }
  return { receipts: kept, head: head ?? null }
})

const keys = implement(OPERATIONS.getKeys, async ({ trustedKeys }) => ({
  keys: trustedKeys.map(({ keyId, purpose, publicKey }) => ({
    key_id: keyId,
    purpose,
    public_key: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  })),
}))

export const writebackOperations = [list, get, resolution, ticket, receipts, keys]
