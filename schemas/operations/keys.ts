/** Operations on API keys, and with them on principals. */
import { z } from 'zod'
import { PrincipalIdSchema, RoleSchema } from '../common.ts'
import { defineOperation, LongPageQuerySchema, pageOf, ScopeSchema, TimestampSchema } from './operation.ts'

/** `trigger` is for the callback token of a connection; it goes with no other scope. */
export const KeyScopeSchema = z.enum([...ScopeSchema.options, 'trigger'])

const PrincipalKindSchema = z.enum(['person', 'service', 'agent'])

export const createKey = defineOperation({
  name: 'createKey',
  method: 'POST',
  path: '/v1/keys',
  scope: 'admin',
  summary:
    'Make an API key for a principal, who is created if need be. The key is shown once. With scope `trigger` and ' +
    'principal `connection/<name>` it is the callback token of that connection.',
  body: z.strictObject({
    principal: z.strictObject({
      id: PrincipalIdSchema,
      kind: PrincipalKindSchema,
      display_name: z.string().min(1).max(200).optional(),
      /** Replace the roles the principal has; without them it keeps those. */
      roles: z.array(RoleSchema).max(50).optional(),
    }),
    scopes: z.array(KeyScopeSchema).min(1).max(5),
  }),
  output: z.object({
    id: z.string(),
    key: z.string(),
    principal: z.string(),
    roles: z.array(z.string()),
    scopes: z.array(KeyScopeSchema),
  }),
  status: 201,
  errors: [],
  hints: { readOnly: false, idempotent: false },
})

export const listKeys = defineOperation({
  name: 'listKeys',
  method: 'GET',
  path: '/v1/keys',
  scope: 'admin',
  summary: 'List API keys, oldest first, without the keys themselves.',
  query: LongPageQuerySchema.extend({
    principal: PrincipalIdSchema.optional(),
    state: z.enum(['active', 'revoked', 'all']).default('all'),
  }),
  output: pageOf(
    z.object({
      id: z.string(),
      principal: z.string(),
      roles: z.array(z.string()),
      scopes: z.array(z.string()),
      created_at: TimestampSchema,
      revoked_at: TimestampSchema.nullable(),
    }),
  ),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

export const listPrincipals = defineOperation({
  name: 'listPrincipals',
  method: 'GET',
  path: '/v1/principals',
  scope: 'admin',
  summary: 'List principals by id: who acts here, and with which roles.',
  query: LongPageQuerySchema.extend({ kind: PrincipalKindSchema.optional(), role: RoleSchema.optional() }),
  output: pageOf(
    z.object({
      id: z.string(),
      kind: PrincipalKindSchema,
      display_name: z.string(),
      roles: z.array(z.string()),
      created_at: TimestampSchema,
      disabled_at: TimestampSchema.nullable(),
    }),
  ),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

export const revokeKey = defineOperation({
  name: 'revokeKey',
  method: 'DELETE',
  path: '/v1/keys/:key_id',
  scope: 'admin',
  summary: 'Revoke an API key at once.',
  params: z.object({ key_id: z.string().regex(/^key_[0-9a-f]{32}$/, 'must be a key id') }),
  output: z.object({ id: z.string(), revoked: z.literal(true) }),
  errors: ['NOT_FOUND'],
  hints: { readOnly: false, idempotent: true },
})
