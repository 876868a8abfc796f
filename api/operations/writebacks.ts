/** Handlers: writebacks. */
import { findWriteback, listWritebacks } from '../../db/queries/writebacks.ts'
import { CodedError } from '../../schemas/errors.ts'
import { MESSAGES } from '../../schemas/names.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { sendResolution, signResolution } from '../resolutions.ts'
import { openList, TimePositionSchema } from '../pages.ts'
import { signalCommand } from '../temporal.ts'
import { writebackView } from '../views.ts'
import { implement } from './implement.ts'

const list = implement(OPERATIONS.listWritebacks, async ({ database }, { query, principal }) => {
  const list = openList('writebacks', query, TimePositionSchema)
  const { rows, isCut } = await listWritebacks(database, {
    ...query,
    organization: principal.organization,
    runId: query.run_id,
    limit: list.limit,
    before: list.after,
  })
  return list.page(rows, {
    item: writebackView,
    position: ({ created_at, writeback_id }) => ({ createdAt: created_at, id: writeback_id }),
    isCut,
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

export const writebackOperations = [list, get, resolution, ticket]
