/** Handlers: manifests. */
import { z } from 'zod'
import { findHead, listHeadSummaries, type RevisionSummaryRow } from '../../db/queries/manifests.ts'
import { CodedError } from '../../schemas/errors.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { applyManifests } from '../manifests/apply.ts'
import { openList } from '../pages.ts'
import { isoTime } from '../views.ts'
import { implement } from './implement.ts'

const apply = implement(OPERATIONS.applyManifests, async (deps, { body, principal }) => {
  const context = {
    organization: principal.organization,
    author: principal.id,
    expectedRevision: body.expected_revision,
  }
  return { results: await applyManifests(deps, context, body.manifests) }
})

const PositionSchema = z.object({ kind: z.string(), name: z.string() })

const list = implement(OPERATIONS.listManifests, async ({ database }, { query, principal }) => {
  const list = openList('manifests', query, PositionSchema)
  const { organization } = principal
  const { limit, after } = list
  const rows = await listHeadSummaries(database, { organization, kind: query.kind, after, limit })
  return list.page(rows, { item: summary, position: ({ kind, name }) => ({ kind, name }) })
})

const get = implement(OPERATIONS.getManifest, async ({ database }, { params, principal }) => {
  const row = await findHead(database, { organization: principal.organization, ...params })
  if (!row) throw new CodedError('NOT_FOUND', `There is no ${params.kind} ${params.name}.`)
  return { ...summary(row), manifest: row.body, pins: row.pins }
})

function summary({ kind, name, number, version, content_sha256, author, created_at }: RevisionSummaryRow) {
  return { kind, name, revision: number, version, content_sha256, author, created_at: isoTime(created_at) }
}

export const manifestOperations = [apply, list, get]
