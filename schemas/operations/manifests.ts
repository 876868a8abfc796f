/** Operations on manifests. */
import { z } from 'zod'
import { NameSchema } from '../common.ts'
import { ManifestSchema } from '../manifests.ts'
import { ProblemPlaceSchema } from '../problem.ts'
import {
  defineOperation,
  LongPageQuerySchema,
  PageQuerySchema,
  pageOf,
  TimestampSchema,
} from './operation.ts'

export const KindSchema = z.enum(['Automation', 'Connection', 'Policy'])

const ManifestSummarySchema = z.object({
  kind: KindSchema,
  name: z.string(),
  revision: z.number().int(),
  version: z.string(),
  content_sha256: z.string(),
  author: z.string(),
  created_at: TimestampSchema,
})

/** Tools are looked at on a worker, and what is wrong there is the answer. */
export const INSPECTION_ERRORS = [
  'CONNECTION_NOT_FOUND',
  'CONNECTION_NOT_READY',
  'SECRET_NOT_FOUND',
  'COMMAND_NOT_FOUND',
  'CREDENTIALS_REFUSED',
  'TOOL_NOT_FOUND',
  'TOOL_FAILED',
  'INVALID_ARGUMENTS',
  'CALL_REFUSED',
  'CALL_THROTTLED',
  'CALL_TIMEOUT',
  'CALL_INTERRUPTED',
  'RESULT_TOO_LARGE',
  'LISTING_TOO_LARGE',
  'ORGANIZATION_BUSY',
  'RESULT_INVALID',
] as const

export const applyManifests = defineOperation({
  name: 'applyManifests',
  method: 'POST',
  path: '/v1/manifests',
  scope: 'admin',
  summary:
    'Save manifests: all of them or, if one is not valid, none. Where automations of the same request call tools ' +
    'of connections of the same request, the connections are saved first, for their tools must be looked at.',
  body: z.strictObject({
    /** Documents as in a file. */
    // Not `ManifestSchema`: the handler checks them, so that all that is wrong comes back at once, with its place.
    manifests: z.array(z.record(z.string(), z.unknown())).min(1).max(200),
    /** The revision that the caller has read, 0 for a new manifest. Only with a single manifest. */
    expected_revision: z.int().min(0).optional(),
  }),
  output: z.object({
    results: z.array(
      z.object({
        kind: KindSchema,
        name: z.string(),
        revision: z.number().int(),
        status: z.enum(['changed', 'unchanged']),
      }),
    ),
    /** What was saved and will hardly do what was meant: a rule for a role that nobody has, a tool that cannot be read. */
    warnings: z.array(ProblemPlaceSchema),
  }),
  errors: ['INVALID_MANIFEST', 'INVALID_EXPRESSION', 'REVISION_CONFLICT', ...INSPECTION_ERRORS],
  hints: { readOnly: false, idempotent: true },
})

export const listManifests = defineOperation({
  name: 'listManifests',
  method: 'GET',
  path: '/v1/manifests',
  scope: 'read',
  summary: 'List manifests at their current revision, by kind and name.',
  query: LongPageQuerySchema.extend({ kind: KindSchema.optional() }),
  output: pageOf(ManifestSummarySchema),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

const params = z.object({ kind: KindSchema, name: NameSchema })

const MAX_REVISION = 2_147_483_647

export const getManifest = defineOperation({
  name: 'getManifest',
  method: 'GET',
  path: '/v1/manifests/:kind/:name',
  scope: 'read',
  summary: 'Show a manifest at its current revision, or at one of before.',
  params,
  query: z.strictObject({
    /** The current one unless given. */
    revision: z.coerce.number<number>().int().min(1).max(MAX_REVISION).optional(),
  }),
  output: ManifestSummarySchema.extend({
    manifest: ManifestSchema,
    /** Definition hash of each tool the automation calls, as `<connection>/<tool>`. */
    pins: z.record(z.string(), z.string()),
  }),
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const listRevisions = defineOperation({
  name: 'listRevisions',
  method: 'GET',
  path: '/v1/manifests/:kind/:name/revisions',
  scope: 'read',
  summary:
    'List the revisions of a manifest, newest first: who saved it when, and the digest of what was saved.',
  params,
  query: PageQuerySchema,
  output: pageOf(ManifestSummarySchema),
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const removeManifest = defineOperation({
  name: 'removeManifest',
  method: 'DELETE',
  path: '/v1/manifests/:kind/:name',
  scope: 'admin',
  summary:
    'Take a manifest out of use: it is in no list any more, and starts, reaches and rules nothing. Refused while ' +
    'something that is saved, or a write that is open, needs it. Its revisions stay for runs that are pinned to them; ' +
    'a manifest that is applied under its name later goes on counting.',
  params,
  output: z.object({ kind: KindSchema, name: z.string(), removed_revision: z.number().int() }),
  errors: ['NOT_FOUND', 'STILL_USED'],
  hints: { readOnly: false, idempotent: true },
})
