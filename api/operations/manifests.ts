/** Handlers: manifests. */
import { z } from 'zod'
import {
  findHead,
  findRevision,
  listHeadSummaries,
  listRevisions,
  type RevisionSummaryRow,
} from '../../db/queries/manifests.ts'
import { CodedError } from '../../schemas/errors.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { applyManifests, moreManifestFaults } from '../manifests/apply.ts'
import { removeManifest } from '../manifests/remove.ts'
import { openList } from '../pages.ts'
import { isoTime } from '../views.ts'
import { implement } from './implement.ts'

const apply = implement(
  OPERATIONS.applyManifests,
  async (deps, { body, principal }) => {
    const context = {
      organization: principal.organization,
      author: principal.id,
      expectedRevision: body.expected_revision,
    }
    return applyManifests(deps, context, body.manifests)
  },
  moreManifestFaults,
)

const PositionSchema = z.object({ kind: z.string(), name: z.string() })

const list = implement(OPERATIONS.listManifests, async ({ database }, { query, principal }) => {
  const list = openList('manifests', query, PositionSchema)
  const { organization } = principal
  const { limit, after } = list
  const rows = await listHeadSummaries(database, { organization, kind: query.kind, after, limit })
  return list.page(rows, { item: summary, position: ({ kind, name }) => ({ kind, name }) })
})

const get = implement(OPERATIONS.getManifest, async ({ database }, { params, query, principal }) => {
  const wanted = { organization: principal.organization, ...params }
  const { revision } = query
  const row =
    revision === undefined
      ? await findHead(database, wanted)
      : await findRevision(database, { ...wanted, number: revision })
  if (!row) {
    const which = revision === undefined ? '' : ` revision ${revision}`
    throw new CodedError('NOT_FOUND', `There is no ${params.kind} ${params.name}${which}.`)
  }
  return { ...summary(row), manifest: row.body, pins: row.pins }
})

const revisions = implement(OPERATIONS.listRevisions, async ({ database }, { params, query, principal }) => {
  // The name belongs to the list: a cursor of another manifest is refused.
  const list = openList('revisions', { ...query, ...params }, z.int())
  const { organization } = principal
  const { limit, after } = list
  const rows = await listRevisions(database, { organization, ...params, before: after, limit })
  if (rows.length === 0 && after === undefined) {
    throw new CodedError('NOT_FOUND', `There is no ${params.kind} ${params.name}.`)
  }
  return list.page(rows, { item: summary, position: ({ number }) => number })
})

const remove = implement(OPERATIONS.removeManifest, async ({ database }, { params, principal }) => {
  const removed = await removeManifest(database, { organization: principal.organization, ...params })
  return { ...params, removed_revision: removed }
})

function summary({ kind, name, number, version, content_sha256, author, created_at }: RevisionSummaryRow) {
  return { kind, name, revision: number, version, content_sha256, author, created_at: isoTime(created_at) }
}

export const manifestOperations = [apply, list, get, revisions, remove]
