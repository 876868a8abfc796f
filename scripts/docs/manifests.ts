/** docs/reference/manifests.md, from the schemas that check manifests and the comments beside them. */
import { z } from 'zod'
import {
  DurationSchema,
  NameSchema,
  PrincipalIdSchema,
  RoleSchema,
  StepNameSchema,
} from '../../schemas/common.ts'
import * as manifests from '../../schemas/manifests.ts'
import { IdentifierSchema } from '../../schemas/sql.ts'
import * as steps from '../../schemas/steps.ts'
import { readDocComments } from './doc-comments.ts'
import { fieldRows } from './fields.ts'
import { code, madeFrom, page, table } from './markdown.ts'

const FILES = ['schemas/common.ts', 'schemas/sql.ts', 'schemas/steps.ts', 'schemas/manifests.ts']
/** Of all steps; each other field of a step says what it does. */
const COMMON_FIELDS = ['name', 'if', 'on_error', 'retry', 'timeout']

export function renderManifests(): string {
  const comments = readDocComments(FILES)
  const fields = (schema: z.ZodType, constant: string) =>
    table(HEAD, fieldRows(schema, { constant, comments }))
  return page(
    madeFrom('`schemas/manifests.ts` and `schemas/steps.ts`'),
    '# Manifests',
    INTRODUCTION,
    ...CONNECTIONS.map(({ title, schema, constant, text }) =>
      [`## Connection: ${title}`, text, fields(schema, constant)].join('\n\n'),
    ),
    '## Automation',
    'In `spec`:',
    fields(manifests.AutomationSpecSchema, 'AutomationSpecSchema'),
    '## Steps',
    STEPS,
    table(HEAD, commonRows(comments)),
    ...stepSchemas().map(([constant, schema]) => stepText(constant, schema, comments)),
    '## Policy',
    POLICY,
    fields(manifests.PolicySpecSchema, 'PolicySpecSchema'),
    '## Forms',
    table(['form', 'is', 'as a regular expression'], FORMS),
  )
}

const HEAD = ['field', 'type', 'default', 'meaning']

const INTRODUCTION = `A manifest is a YAML or JSON document with four fields. A file may hold several, divided by \`---\`.

| field | |
|---|---|
| \`kind\` | ${manifests.ManifestSchema.options.map(({ shape }) => code(shape.kind.value)).join(', ')} |
| \`name\` | a [name](#forms), unique within the kind |
| \`version\` | \`major.minor.patch\`, for people; \`1.0.0\` if not told. We count revisions ourselves |
| \`spec\` | below, for each kind |

Unknown fields are refused. \`countersign apply\` saves all manifests of a call or none, and names every place that is wrong.
How to write them: [automations](../how-to/write-an-automation.md), [policies](../how-to/write-a-policy.md),
[connections](../how-to/connect-systems.md).`

const [ofServers, ofPostgres] = manifests.ConnectionSpecSchema.options
const [ofHttp, ofStdio] = ofServers.options

const CONNECTIONS = [
  {
    title: 'an MCP server over HTTP',
    schema: ofHttp,
    constant: 'McpHttpConnectionSchema',
    text: 'Streamable HTTP. In `spec`:',
  },
  {
    title: 'an MCP server over stdio',
    schema: ofStdio,
    constant: 'McpStdioConnectionSchema',
    text: 'The program is started by the worker. In `spec`:',
  },
  {
    title: 'a PostgreSQL database',
    schema: ofPostgres,
    constant: 'PostgresConnectionSchema',
    text: 'In `spec`:',
  },
]

const STEPS = `A list of steps, at most 500 in a manifest. Each has a name and says exactly one thing that it does, under one of the
headings below. A step sees the steps before it in its own block, and those before the blocks it stands in; what happens
inside of a block stays there, afterwards only the block's own output can be named. Common to the steps that have them:`

const POLICY = `All policies of the organization apply, in the order of their names; within each, rules in their order. The first
rule that matches decides. Without one, readings are allowed and writes need one person with the role \`approver\`. A rule
says exactly one of \`allow\`, \`deny\`, \`require\`. In \`spec\`:`

const FORM_SCHEMAS: [string, z.ZodString | z.ZodType, string][] = [
  ['name', NameSchema, '`late-fee`'],
  ['step name', StepNameSchema, '`late_fee`, without a dash, which would mean minus in an expression'],
  ['duration', DurationSchema, '`500ms`, `30s`, `5m`, `24h`, `7d`'],
  ['role', RoleSchema, '`billing-lead`'],
  ['principal', PrincipalIdSchema, '`bea@example.org`, `connection/billing`'],
  ['SQL identifier', IdentifierSchema, '`late_fee_cents`'],
]
const FORMS = FORM_SCHEMAS.map(([name, schema, is]) => [name, is, code(z.toJSONSchema(schema).pattern ?? '')])

/** Every step schema of the language, by the name of its constant. */
function stepSchemas(): [string, z.ZodObject][] {
  const options = z.toJSONSchema(steps.StepSchema, { io: 'input', unrepresentable: 'any' }).anyOf ?? []
  const found = Object.entries(steps).flatMap(([constant, schema]): [string, z.ZodObject][] =>
    /^[A-Z]\w+StepSchema$/.test(constant) && schema instanceof z.ZodObject ? [[constant, schema]] : [],
  )
  if (found.length !== options.length) throw new Error('a kind of step has no exported …StepSchema')
  return found.sort(([a], [b]) => (a < b ? -1 : 1))
}

function commonRows(comments: ReturnType<typeof readDocComments>): string[][] {
  const rows = new Map<string, string[]>()
  for (const [constant, schema] of stepSchemas()) {
    for (const row of fieldRows(schema, { constant, comments })) {
      if (isCommon(row)) rows.set(row[0] ?? '', row)
    }
  }
  const order = (row: readonly string[]) => COMMON_FIELDS.indexOf(headOf(row))
  return [...rows.values()].sort((a, b) => order(a) - order(b))
}

function stepText(
  constant: string,
  schema: z.ZodObject,
  comments: ReturnType<typeof readDocComments>,
): string {
  const rows = fieldRows(schema, { constant, comments })
  const own = rows.filter((row) => !isCommon(row))
  const common = COMMON_FIELDS.filter((name) => name in schema.shape)
  return [
    `### ${headOf(own[0] ?? [])}`,
    comments(constant, []),
    table(HEAD, own),
    `Also: ${common.map(code).join(', ')}.`,
  ]
    .filter((text) => text !== '')
    .join('\n\n')
}

function isCommon(row: readonly string[]): boolean {
  return COMMON_FIELDS.includes(headOf(row))
}

function headOf([field = '']: readonly string[]): string {
  return field.replaceAll('`', '').split('.')[0] ?? ''
}
