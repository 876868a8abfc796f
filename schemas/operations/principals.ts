/** Operations on principals: who acts here, with which roles, and who no longer does. They are made with `createKey`. */
import { z } from 'zod'
import { PrincipalIdSchema, RoleSchema } from '../common.ts'
import { defineOperation, LongPageQuerySchema, pageOf, TimestampSchema } from './operation.ts'

export const PrincipalKindSchema = z.enum(['person', 'service', 'agent'])

const PrincipalSchema = z.object({
  id: z.string(),
  kind: PrincipalKindSchema,
  display_name: z.string(),
  roles: z.array(z.string()),
  created_at: TimestampSchema,
  /** Since then no key of theirs works, and no decision of theirs counts. */
  disabled_at: TimestampSchema.nullable(),
})

const params = z.object({ principal_id: PrincipalIdSchema })

export const listPrincipals = defineOperation({
  name: 'listPrincipals',
  method: 'GET',
  path: '/v1/principals',
  scope: 'admin',
  summary: 'List principals by id: who acts here, and with which roles.',
  query: LongPageQuerySchema.extend({ kind: PrincipalKindSchema.optional(), role: RoleSchema.optional() }),
  output: pageOf(PrincipalSchema),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

export const getPrincipal = defineOperation({
  name: 'getPrincipal',
  method: 'GET',
  path: '/v1/principals/:principal_id',
  scope: 'admin',
  summary: 'Show a principal.',
  params,
  output: PrincipalSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const setPrincipalRoles = defineOperation({
  name: 'setPrincipalRoles',
  method: 'POST',
  path: '/v1/principals/:principal_id/roles',
  scope: 'admin',
  summary: 'Replace the roles of a principal, by none if the list is empty. Writes not yet sent see it.',
  params,
  body: z.strictObject({ roles: z.array(RoleSchema).max(50) }),
  output: PrincipalSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: false, idempotent: true },
})

export const disablePrincipal = defineOperation({
  name: 'disablePrincipal',
  method: 'POST',
  path: '/v1/principals/:principal_id/disable',
  scope: 'admin',
  summary:
    'Shut a principal out at once: no key works, nobody waits for them, and no decision of theirs counts for a write ' +
    'that is not sent, whenever it was made. Roles and keys are kept. The last who could undo it stays.',
  params,
  output: PrincipalSchema,
  errors: ['NOT_FOUND', 'LAST_ADMIN'],
  hints: { readOnly: false, idempotent: true },
})

export const enablePrincipal = defineOperation({
  name: 'enablePrincipal',
  method: 'POST',
  path: '/v1/principals/:principal_id/enable',
  scope: 'admin',
  summary: 'Let a disabled principal in again, with the roles and the valid keys they had.',
  params,
  output: PrincipalSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: false, idempotent: true },
})
