/** Handlers: receipts, and the public keys to verify them with. */
import { z } from 'zod'
import { findDeliveryOfRun } from '../../db/queries/deliveries.ts'
import { loadChainPage, searchReceipts } from '../../db/queries/receipts.ts'
import { signEnvelope } from '../../lib/dsse.ts'
import { CodedError } from '../../schemas/errors.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { HEAD_PAYLOAD_TYPE } from '../../schemas/receipt.ts'
import { openList, TimePositionSchema } from '../pages.ts'
import { isoTime } from '../views.ts'
import { implement } from './implement.ts'

const chain = implement(OPERATIONS.listReceipts, async ({ database, signingKey }, request) => {
  const { organization } = request.principal
  const runId = request.params.run_id
  const list = openList(`receipts of ${runId}`, request.query, z.int())
  const about = { organization, runId, limit: list.limit, after: list.after }
  const { rows, isCut, head } = await loadChainPage(database, about)
  // They are kept for longer than the run they are about. Whose run it is, a page without rows does not say.
  if (rows.length === 0 && !(await findDeliveryOfRun(database, { organization, runId }))) {
    throw new CodedError('NOT_FOUND', `There is no run ${runId}.`)
  }
  const seen = { organization, runId, ...(head ?? { seq: 0, sha256: null }), at: new Date().toISOString() }
  const signed_head = signEnvelope(HEAD_PAYLOAD_TYPE, seen, signingKey)
  const { items, next_cursor } = list.page(rows, { item: (row) => row, position: ({ seq }) => seq, isCut })
  return { run_id: runId, receipts: items, next_cursor, head, signed_head }
})

const search = implement(OPERATIONS.searchReceipts, async ({ database }, { query, principal }) => {
  const list = openList('receipts', query, TimePositionSchema)
  const { rows, isCut } = await searchReceipts(database, {
    ...query,
    organization: principal.organization,
    runId: query.run_id,
    limit: list.limit,
    before: list.after,
  })
  return list.page(rows, {
    item: (row) => ({ ...row, created_at: isoTime(row.created_at) }),
    position: ({ created_at, id }) => ({ createdAt: created_at, id }),
    isCut,
  })
})

const keys = implement(OPERATIONS.getKeys, async ({ trustedKeys }) => ({
  keys: trustedKeys.map(({ keyId, purpose, publicKey, retiredAt }) => ({
    key_id: keyId,
    purpose,
    public_key: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    retired_at: retiredAt ?? null,
  })),
}))

export const receiptOperations = [chain, search, keys]
