/** docs/reference/http.md, from the table of operations. */
import { readdirSync } from 'node:fs'
import { z } from 'zod'
import { OPERATIONS } from '../../schemas/operations.ts'
import { errorsOf, type Operation } from '../../schemas/operations/operation.ts'
import * as views from '../../schemas/operations/views.ts'
import { readDocComments } from './doc-comments.ts'
import { fieldRows, type FieldOptions } from './fields.ts'
import { EXAMPLES } from '../../api/openapi/examples/index.ts'
import { code, fence, madeFrom, page, table } from './markdown.ts'

const FOLDER = 'schemas/operations'
const FILES = [
  'schemas/common.ts',
  ...readdirSync(new URL(`../../${FOLDER}`, import.meta.url)).map((name) => `${FOLDER}/${name}`),
]
const FORMS_PAGE = 'manifests.md'
const OUTPUT_HEAD = ['field', 'type', 'meaning']
const INPUT_HEAD = ['field', 'type', 'default', 'meaning']
/** Lists and states need no place of their own. */
const OWN_PLACE = /^(Approval|Writeback|Receipt|Preview|Requirement|Requester|Envelope)ViewSchema$/

export function renderHttp(): string {
  const operations = Object.values(OPERATIONS) as Operation[]
  const comments = readDocComments(FILES)
  return page(
    madeFrom('`schemas/operations`'),
    '# HTTP API',
    INTRODUCTION,
    table(
      ['operation', 'request', 'scope', 'what it does'],
      operations.map(({ name, method, path, scope, summary }) => [
        `[${name}](#${name.toLowerCase()})`,
        code(`${method} ${path}`),
        scope,
        summary,
      ]),
    ),
    ...operations.map((operation) => operationText(operation, comments)),
    '## Views',
    ...viewSchemas().map(
      ([name, schema]) =>
        `### ${name}\n\n${outputTable(schema, { constant: `${name}ViewSchema`, comments, known: places(schema) })}`,
    ),
    REST,
  )
}

const INTRODUCTION = `JSON over HTTP, with \`Authorization: Bearer <API key>\`. A key belongs to a principal of one organization and has scopes;
\`countersign keys create\` makes one. \`GET /openapi.json\` describes the same in OpenAPI 3.1, and \`countersign/client\` is a
typed client for it.

- Times are ISO 8601 in UTC. Names are in snake_case, but for signed envelopes (DSSE), whose own names are camelCase.
- A list has \`items\` and \`next_cursor\`, null on the last page; give it back as \`cursor\`. A page may have
  fewer items than \`limit\`: one with large values ends early, at 4 MB.
- Whatever is not a success is a problem document; its codes are in [errors](errors.md). Besides what an operation says:
  400 for a request of the wrong form, 401 without a valid key, 403 without the scope, 404 for what your organization does
  not have, 413 over 1 MB, 415 for a body that is not JSON, 429 with \`Retry-After\` for too many requests, 503 with \`Retry-After\` while PostgreSQL or Temporal is away.
- \`Idempotency-Key\` (1 to 255 visible ASCII characters) is looked at where an operation says what it does. Elsewhere it is
  ignored: making a key twice makes two, and what sets a state (pause, freeze, roles) may be sent again as it is.`

const REST = `## What is not an operation

| request | key | what it does |
|---|---|---|
| \`POST /api/trigger-callback\`, \`POST /api/:org/trigger-callback\` | scope \`trigger\`, of a principal \`connection/<name>\` | an event \`{"type": …, "data": {…}}\` of an MCP server, in UTF-8 or as it says, also as gzip; 202 \`{"ok": true, "type": …}\` once it is stored, whether or not an automation wants it. \`Idempotency-Key\` gives it an identity. Its errors are \`{"error": …}\` |
| \`POST /codec/decode\`, \`POST /codec/encode\` | scope \`read\` | Temporal's codec endpoint: shows the values of the key's organization to the Temporal UI and CLI |
| \`POST /codec/open/:token/decode\`, \`POST /codec/open/:token/encode\` | none; \`COUNTERSIGN_CODEC_TOKEN\` in the path | the same for all organizations, where that is set: on a developer's machine |
| \`GET /healthz\` | none | 200: the process lives |
| \`GET /readyz\` | none | 200 or 503 with \`{"ok", "database", "temporal"}\` |
| \`GET /openapi.json\` | none | the description of this API |
| \`GET /schemas/manifest.json\`, \`GET /schemas/test.json\` | none | JSON Schema of manifests and of test files, for editors |
| \`GET /docs\` | none | the same, to read in a browser |`

function operationText(operation: Operation, comments: FieldOptions['comments']): string {
  const { name, method, path, scope, summary, status = 200, alternative, idempotencyKey } = operation
  const statuses = [
    `${status}`,
    ...(alternative ? [`${alternative.status}: ${alternative.description}`] : []),
  ]
  const parts = (['params', 'query', 'body'] as const).flatMap((part) => {
    const rows = inputRows(operation, part, comments)
    return rows.length === 0 ? [] : [`${PARTS[part]}:`, table(INPUT_HEAD, rows)]
  })
  return [
    `## ${name}`,
    `${code(`${method} ${path}`)} · scope ${code(scope)} · success ${statuses.join(', or ')}`,
    summary,
    ...parts,
    ...(idempotencyKey === undefined ? [] : [`\`Idempotency-Key\`: ${idempotencyKey}`]),
    fence('bash', curlOf(operation)),
    'Answer:',
    outputTable(operation.output, {
      constant: name,
      comments: (constant, fieldPath) => comments(constant, ['output', ...fieldPath]),
      known: places(),
    }),
    `May be refused with ${errorsOf(operation)
      .map((name) => `[${code(name)}](errors.md#${name.toLowerCase()})`)
      .join(', ')}.`,
  ].join('\n\n')
}

/** What an answer has, it always has: no column for defaults. */
function outputTable(schema: z.ZodType, options: FieldOptions): string {
  const rows = fieldRows(schema, { ...options, io: 'output', formsPage: FORMS_PAGE })
  return table(
    OUTPUT_HEAD,
    rows.map(([field = '', type = '', , meaning = '']) => [field, type, meaning]),
  )
}

const PARTS = { params: 'In the path', query: 'In the query', body: 'In the body' }

function inputRows(
  operation: Operation,
  part: 'params' | 'query' | 'body',
  comments: FieldOptions['comments'],
): string[][] {
  const schema = operation[part]
  if (schema === undefined) return []
  const inPart = (constant: string, path: readonly string[]) => comments(constant, [part, ...path])
  return fieldRows(schema, { constant: operation.name, comments: inPart, formsPage: FORMS_PAGE })
}

interface Example {
  params?: Record<string, string>
  body?: unknown
}

/** With the values of the examples of OpenAPI. */
function curlOf({ name, method, path, body }: Operation): string {
  const { params = {}, body: example } = EXAMPLES[name as keyof typeof EXAMPLES] as Example
  const filled = path.replace(/:(\w+)/g, (_all, parameter: string) =>
    encodeURIComponent(params[parameter] ?? ''),
  )
  const lines = [
    `curl ${method === 'GET' ? '' : `-X ${method} `}"$COUNTERSIGN_URL${filled}"`,
    `-H "authorization: Bearer $COUNTERSIGN_API_KEY"`,
  ]
  if (body !== undefined) {
    lines.push(
      `-H 'content-type: application/json'`,
      `-d '${JSON.stringify(example ?? {}).replaceAll("'", `'\\''`)}'`,
    )
  }
  return lines.join(' \\\n  ')
}

function viewSchemas(): [string, z.ZodObject][] {
  const found = Object.entries(views).flatMap(([constant, schema]): [string, z.ZodObject][] =>
    OWN_PLACE.test(constant) && schema instanceof z.ZodObject
      ? [[constant.replace('ViewSchema', ''), schema]]
      : [],
  )
  return found.sort(([a], [b]) => (a < b ? -1 : 1))
}

function places(except?: z.ZodType): ReadonlyMap<z.core.$ZodType, string> {
  const own = viewSchemas().filter(([, schema]) => schema !== except)
  return new Map<z.core.$ZodType, string>(
    own.map(([name, schema]) => [schema, `[${name}](#${name.toLowerCase()})`]),
  )
}
