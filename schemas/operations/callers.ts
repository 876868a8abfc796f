/** The operation on whoever asks. */
import { z } from 'zod'
import { defineOperation } from './operation.ts'

export const whoAmI = defineOperation({
  name: 'whoAmI',
  method: 'GET',
  path: '/v1/me',
  scope: 'read',
  summary: 'Say whose key this is: the principal with its roles, and what the key may do.',
  output: z.object({
    organization: z.string(),
    principal: z.string(),
    kind: z.enum(['person', 'service', 'agent']),
    roles: z.array(z.string()),
    scopes: z.array(z.string()),
    key_id: z.string(),
  }),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})
