/** Operations on connections: which there are, and the emergency brake. What a connection is, its manifest says. */
import { z } from 'zod'
import { NameSchema } from '../common.ts'
import { INSPECTION_ERRORS } from './manifests.ts'
import { defineOperation, FlagSchema, LongPageQuerySchema, pageOf, TimestampSchema } from './operation.ts'
import { WritebackViewSchema } from './views.ts'

const params = z.object({ name: NameSchema })

const FrozenSchema = z.object({ at: TimestampSchema, by: z.string(), reason: z.string() }).nullable()

const ConnectionStateSchema = z.object({
  name: z.string(),
  type: z.string(),
  revision: z.number().int(),
  /** Where it leads, as its manifest says: a URL, with secrets by name, or the command of a program. */
  address: z.string(),
  /** What its server listed when somebody last asked; null if nobody has. */
  tools: z.object({ count: z.number().int(), seen_at: TimestampSchema }).nullable(),
  frozen: FrozenSchema,
  /** Writes that wait for the connection to be thawed, and for nothing else. The first 100. */
  held: z.array(WritebackViewSchema),
  /** More are held than are shown. */
  held_omitted: z.boolean(),
  /** Writes that were sent before the freeze, and whose answer is not there yet. The first 100. */
  under_way: z.array(WritebackViewSchema),
  /** More are under way than are shown. */
  under_way_omitted: z.boolean(),
  /** What of the server's list of tools could not be read, or cannot be checked, when somebody last asked for it. */
  warnings: z.array(z.object({ tool: z.string().nullable(), message: z.string() })),
})

export const listConnections = defineOperation({
  name: 'listConnections',
  method: 'GET',
  path: '/v1/connections',
  scope: 'read',
  summary: 'List connections by name, with whether they are frozen.',
  query: LongPageQuerySchema.extend({
    type: z.enum(['mcp', 'postgres']).optional(),
    frozen: FlagSchema.optional(),
  }),
  output: pageOf(
    z.object({ name: z.string(), type: z.string(), revision: z.number().int(), frozen: FrozenSchema }),
  ),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

export const getConnectionState = defineOperation({
  name: 'getConnectionState',
  method: 'GET',
  path: '/v1/connections/:name',
  scope: 'read',
  summary: 'Show whether a connection is frozen, which writes that holds, and which are under way.',
  params,
  output: ConnectionStateSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

const ToolViewSchema = z.object({
  tool: z.string(),
  description: z.string(),
  class: z.enum(['read', 'write']),
  /** Whose word that is. `nobody`: then it counts as a write. */
  class_from: z.enum(['connection', 'server', 'nobody']),
  /** Of its definition, as automations pin it. */
  definition_sha256: z.string(),
  seen_at: TimestampSchema,
  /** Automations that call it. `changed`: the definition is no longer the one that they pinned. */
  pinned_by: z.array(z.object({ automation: z.string(), revision: z.number().int(), changed: z.boolean() })),
})

export const listConnectionTools = defineOperation({
  name: 'listConnectionTools',
  method: 'GET',
  path: '/v1/connections/:name/tools',
  scope: 'read',
  summary:
    'List the tools of a connection as its server described them when somebody last asked, whether each reads or writes, ' +
    'and which automations pin it. `checkConnection` asks anew.',
  params,
  output: z.object({ name: z.string(), tools: z.array(ToolViewSchema) }),
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const checkConnection = defineOperation({
  name: 'checkConnection',
  method: 'POST',
  path: '/v1/connections/:name/check',
  scope: 'admin',
  summary:
    'Ask the server of a connection now, on a worker, for its tools. Of a database, secrets and address are looked at; it ' +
    'is not connected to.',
  params,
  output: z.object({ name: z.string(), type: z.string(), tools: z.number().int(), took_ms: z.number() }),
  errors: ['NOT_FOUND', ...INSPECTION_ERRORS],
  hints: { readOnly: true, idempotent: true },
})

export const freezeConnection = defineOperation({
  name: 'freezeConnection',
  method: 'POST',
  path: '/v1/connections/:name/freeze',
  scope: 'admin',
  summary:
    'Stop every write through a connection. With the answer no further write is sent; readings go on. ' +
    'Freezing twice keeps the first reason.',
  params,
  body: z.strictObject({ reason: z.string().max(500).default('') }),
  output: ConnectionStateSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: false, idempotent: true },
})

export const thawConnection = defineOperation({
  name: 'thawConnection',
  method: 'POST',
  path: '/v1/connections/:name/thaw',
  scope: 'admin',
  summary: 'Let writes through a connection again. Those that were held go on by themselves.',
  params,
  output: z.object({ name: z.string(), frozen: z.null() }),
  errors: ['NOT_FOUND'],
  hints: { readOnly: false, idempotent: true },
})
