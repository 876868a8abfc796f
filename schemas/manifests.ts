/** Manifests: the versioned configuration documents that people write, as YAML or JSON. */
import { z } from 'zod'
import { JsonObjectSchema, NameSchema, PrincipalIdSchema, RoleSchema, TimeoutSchema } from './common.ts'
import { IdentifierSchema } from './sql.ts'
import { ExpressionSchema, StepsSchema } from './steps.ts'

export { SqlUpdateSchema, type SqlUpdate } from './sql.ts'
export type { StepManifest } from './steps.ts'

const SEMVER = /^\d+\.\d+\.\d+$/

/** A reading tool of the same server that tells whether a write was done. */
const ToolCheckSchema = z.strictObject({
  /** The reading tool. */
  tool: z.string().min(1).max(128),
  /** Texts may hold `${{ … }}` over `arguments` (of the write) and `key` (the one that went along with it). */
  arguments: JsonObjectSchema.default({}),
  /** CEL over `result` (of the reading), `arguments` and `key`: true if the write was done. */
  applied_if: ExpressionSchema,
})

/** Our own client uses these numbers for calls that nobody has answered. */
const NUMBERS_OF_NO_ANSWER = [-32000, -32001]

const RefusedNumberSchema = z
  .int()
  .min(-99_999)
  .max(599)
  .refine(
    (answer) => (answer >= 300 && answer <= 599) || answer < 0,
    'must be an HTTP status (300 to 599) or a JSON-RPC code',
  )
  .refine(
    (answer) => !NUMBERS_OF_NO_ANSWER.includes(answer),
    'cannot be named: clients use it for calls that nobody has answered',
  )

/** `isError` is the protocol's own word for a tool that answers with an error. */
const RefusalSchema = z.union([z.literal('isError'), RefusedNumberSchema])

const ToolSettingsSchema = z
  .strictObject({
    /** The operator's word on what the tool does; it beats the server's annotations. */
    class: z.enum(['read', 'write']).optional(),
    /**
     * What may be done when nobody knows if a write arrived. `safe`: a second sending with the same key is harmless.
     * `check`: sent again only if `check` shows, twice, that it was not done. `never`: a person says what became of it.
     */
    resend: z.enum(['safe', 'check', 'never']).optional(),
    /** How to find out whether a write was done whose answer was lost. */
    check: ToolCheckSchema.optional(),
    /**
     * HTTP statuses, JSON-RPC codes and `isError`: with which of them this tool, and all that stands before it, refuses a
     * write before anything is done. Else such an answer to a write says nothing: the tool may have done its work before it.
     */
    refusals: z.array(RefusalSchema).max(32).optional(),
    /** The argument into which the write's key goes, for a tool that recognises a repeated call by it. No step gives it. */
    key_argument: z.string().min(1).max(128).optional(),
  })
  .refine((tool) => tool.resend !== 'check' || tool.check !== undefined, {
    path: ['check'],
    message: 'must say how to check',
  })

const McpHttpConnectionSchema = z.strictObject({
  type: z.literal('mcp'),
  transport: z.literal('http'),
  /** Of the server’s one endpoint, usually ending in `/mcp`. */
  url: z.url({ protocol: /^https?$/ }),
  /** Values may hold `${secret:NAME}`, resolved on the worker. */
  headers: z.record(z.string(), z.string()).default({}),
  /** The server is meant to be in a private network or on the worker’s machine. It opens nothing by itself: the operator of the worker has to allow the host too. */
  allow_private_addresses: z.boolean().default(false),
  /** Believe the server's own annotations (`readOnlyHint`) on what its tools do. */
  trusted: z.boolean().default(false),
  /** By name of the tool; for those that need a word. */
  tools: z.record(z.string(), ToolSettingsSchema).default({}),
  /** Of one call. */
  timeout: TimeoutSchema.default('60s'),
})

const McpStdioConnectionSchema = z.strictObject({
  type: z.literal('mcp'),
  transport: z.literal('stdio'),
  /** An entry of the worker-local command file: a manifest can never name a program. */
  command: NameSchema,
  /** As for HTTP. */
  trusted: z.boolean().default(false),
  /** By name of the tool; for those that need a word. */
  tools: z.record(z.string(), ToolSettingsSchema).default({}),
  /** Of one call. */
  timeout: TimeoutSchema.default('60s'),
})

const TableSchema = z.strictObject({
  /** The schema in the database. */
  schema: IdentifierSchema.default('public'),
  /** Its columns; a write names a value for each. */
  primary_key: z.array(IdentifierSchema).min(1).max(8),
  /** Column that changes with every change of a row; a write is refused if it moved since it was planned. */
  version: IdentifierSchema.optional(),
  /** Only these columns can ever be written. */
  writable: z.array(IdentifierSchema).min(1),
  /** Columns whose values nobody is shown: previews, outputs, receipts and logs say `[redacted]`. The run's history and the ledger keep what the automation writes. */
  redact: z.array(IdentifierSchema).default([]),
})

/** PEM. */
const TlsSchema = z.strictObject({
  /** Of who signs the server’s certificate, for `verify-ca` and `verify-full`; without it those that Node knows. */
  ca: z.string().min(1).optional(),
  /** Ours, for a server that asks for one. */
  certificate: z.string().min(1).optional(),
  /** The private key of that certificate: `${secret:NAME}`. */
  key: z.string().min(1).optional(),
})

const PostgresConnectionSchema = z.strictObject({
  type: z.literal('postgres'),
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`, usually as `${secret:NAME}`. */
  url: z.string().min(1),
  /** For TLS with `sslmode`: certificates as text (PEM) or `${secret:NAME}`, never as files. */
  tls: TlsSchema.optional(),
  /** Every statement is confined to rows in which this column has this value: the tenant. */
  scope: z.strictObject({ column: IdentifierSchema, value: z.string() }).optional(),
  /** By name. What is not here cannot be written. */
  tables: z.record(IdentifierSchema, TableSchema),
  /** Of one statement. */
  timeout: TimeoutSchema.default('10s'),
})

export const ConnectionSpecSchema = z.discriminatedUnion('type', [
  z.discriminatedUnion('transport', [McpHttpConnectionSchema, McpStdioConnectionSchema]),
  PostgresConnectionSchema,
])

export const EventTriggerSchema = z.strictObject({
  type: z.literal('event'),
  /** Whose callback token the event came with. */
  connection: NameSchema,
  /** The type of the event. */
  event: z.string().min(1).max(128),
  /** Over `event`. Starts a run only if it is true. */
  filter: ExpressionSchema.optional(),
  /** Gives the identity of an event: one that comes twice starts one run. What is empty (null, `''`, `[]`) is none. */
  dedupe: ExpressionSchema.optional(),
  /** Of the run. Texts may hold `${{ … }}` over `event`. */
  input: JsonObjectSchema.default({}),
})

export const AutomationSpecSchema = z.strictObject({
  /** For people. */
  description: z.string().max(2_000).optional(),
  /** Events that start a run. Calls of the API and the CLI always can. */
  triggers: z.array(EventTriggerSchema).max(20).default([]),
  /** JSON Schema of the input; without it anything goes. */
  input: JsonObjectSchema.optional(),
  steps: StepsSchema,
})

const GlobSchema = z.string().min(1).max(128)

export const StageSchema = z
  .strictObject({
    /** Whoever has one of them counts. */
    roles: z.array(RoleSchema).default([]),
    /** So do these. */
    people: z.array(PrincipalIdSchema).default([]),
    /** How many different people. */
    quorum: z.int().min(1).max(10).default(1),
  })
  .refine((stage) => stage.roles.length + stage.people.length > 0, 'must name a role or a person')

export const RequireSchema = z.strictObject({
  /** One after the other; all are needed. Who belongs to a later one only waits for their turn to approve. */
  stages: z.array(StageSchema).min(1).max(5),
  /** One rejection ends the wait. */
  any_reject_ends: z.boolean().default(true),
  /** Lets the requester, and whoever it asks for, approve. */
  self_approval: z.boolean().default(false),
  /** `verified` refuses decisions of a deployment that takes people at their word. */
  identity: z.enum(['any', 'verified']).default('any'),
  /** How long people may take; then the write ends as `expired`. */
  expires_after: TimeoutSchema.default('72h'),
  /** How long after the last vote the write may be sent; later, people are asked again. */
  valid_for: TimeoutSchema.default('1h'),
})

export const RuleSchema = z
  .strictObject({
    name: NameSchema,
    match: z
      .strictObject({
        /** The connection’s name; `*` stands for any characters, here and below. */
        connection: GlobSchema.optional(),
        /** The tool’s name; `update` for a database. */
        operation: GlobSchema.optional(),
        /** `mcp_tool` or `sql`. */
        executor: GlobSchema.optional(),
        /** The automation’s name. */
        automation: GlobSchema.optional(),
        /** Whether the call reads or writes. */
        class: z.enum(['read', 'write']).optional(),
        /** Over `arguments`, `patch`, `target`, `requester`. */
        when: ExpressionSchema.optional(),
      })
      .default({}),
    /** The call goes through. */
    allow: z.literal(true).optional(),
    /** The call is refused. */
    deny: z.literal(true).optional(),
    /** A write waits for people. */
    require: RequireSchema.optional(),
  })
  .refine(
    (rule) => [rule.allow, rule.deny, rule.require].filter((effect) => effect !== undefined).length === 1,
    {
      message: 'must say exactly one of allow, deny, require',
    },
  )

/** What a rule's `when` can name. */
export const POLICY_VARIABLES = ['arguments', 'patch', 'target', 'requester'] as const

export const PolicySpecSchema = z.strictObject({ rules: z.array(RuleSchema).min(1).max(200) })

const head = {
  name: NameSchema,
  version: z.string().regex(SEMVER, 'must be major.minor.patch').default('1.0.0'),
}

export const ManifestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('Connection'), ...head, spec: ConnectionSpecSchema }),
  z.strictObject({ kind: z.literal('Automation'), ...head, spec: AutomationSpecSchema }),
  z.strictObject({ kind: z.literal('Policy'), ...head, spec: PolicySpecSchema }),
])

export type Manifest = z.infer<typeof ManifestSchema>
export type ManifestKind = Manifest['kind']
export const MANIFEST_KINDS = [
  'Automation',
  'Connection',
  'Policy',
] as const satisfies readonly ManifestKind[]
export type ConnectionSpec = z.infer<typeof ConnectionSpecSchema>
export type ToolSettings = z.infer<typeof ToolSettingsSchema>
export type McpConnectionSpec = Extract<ConnectionSpec, { type: 'mcp' }>
export type PostgresConnectionSpec = Extract<ConnectionSpec, { type: 'postgres' }>
export type TableSpec = PostgresConnectionSpec['tables'][string]
export type AutomationSpec = z.infer<typeof AutomationSpecSchema>
export type EventTrigger = z.infer<typeof EventTriggerSchema>
export type PolicySpec = z.infer<typeof PolicySpecSchema>
export type Rule = z.infer<typeof RuleSchema>
