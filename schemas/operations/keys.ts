/** Operations on API keys. Making one makes its principal. */
import { z } from 'zod'
import { PrincipalIdSchema, RoleSchema } from '../common.ts'
import { PrincipalKindSchema } from './principals.ts'
import { defineOperation, LongPageQuerySchema, pageOf, ScopeSchema, TimestampSchema } from './operation.ts'

/** `trigger` is for the callback token of a connection; it goes with no other scope. */
export const KeyScopeSchema = z.enum([...ScopeSchema.options, 'trigger'])

const params = z.object({ key_id: z.string().regex(/^key_[0-9a-f]{32}$/, 'must be a key id') })

const KeySchema = z.object({
  id: z.string(),
  principal: z.string(),
  roles: z.array(z.string()),
  scopes: z.array(z.string()),
  created_at: TimestampSchema,
  /** From then on it is no longer valid; null if that does not come. */
  expires_at: TimestampSchema.nullable(),
  revoked_at: TimestampSchema.nullable(),
})

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
    /** When it stops being valid by itself; in the future. */
    expires_at: z.iso.datetime({ offset: true }).optional(),
  }),
  output: z.object({
    id: z.string(),
    key: z.string(),
    principal: z.string(),
    roles: z.array(z.string()),
    scopes: z.array(KeyScopeSchema),
    expires_at: TimestampSchema.nullable(),
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
    state: z.enum(['active', 'expired', 'revoked', 'all']).default('all'),
  }),
  output: pageOf(KeySchema),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

export const getKey = defineOperation({
  name: 'getKey',
  method: 'GET',
  path: '/v1/keys/:key_id',
  scope: 'admin',
  summary: 'Show an API key, without the key itself.',
  params,
  output: KeySchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const revokeKey = defineOperation({
  name: 'revokeKey',
  method: 'DELETE',
  path: '/v1/keys/:key_id',
  scope: 'admin',
  summary: 'Revoke an API key at once. The last valid one with the scope `admin` stays.',
  params,
  output: z.object({ id: z.string(), revoked: z.literal(true) }),
  errors: ['NOT_FOUND', 'LAST_ADMIN'],
  hints: { readOnly: false, idempotent: true },
})
