/**
 * Connections with every field set, and for each field an edit of it. The fields are those of the schema: one that is
 * added without an edit here fails the tests that go through them.
 */
import * as z from 'zod'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { ConnectionSpecSchema } from '../../schemas/manifests.ts'

export type Transport = 'http' | 'stdio' | 'postgres'

/** Edits of fields that say what kind of connection it is: with another kind everything is another. */
const KIND: readonly string[] = ['type', 'transport']

/** Leaves of the schema, such as `tools.*.check.tool`; what is an object of any shape is one leaf. */
export function fieldsOf(transport: Transport): string[] {
  return leaves(schemaOf(transport)).filter((field) => !KIND.includes(field))
}

function schemaOf(transport: Transport): z.ZodType {
  const [mcp, postgres] = (ConnectionSpecSchema as z.ZodUnion).options as [z.ZodUnion, z.ZodType]
  const [http, stdio] = mcp.options as [z.ZodType, z.ZodType]
  return { http, stdio, postgres }[transport]
}

function leaves(schema: unknown): string[] {
  const inner = unwrapped(schema)
  if (inner instanceof z.ZodObject)
    return Object.entries(inner.shape).flatMap(([field, value]) => under(field, leaves(value)))
  if (inner instanceof z.ZodRecord && unwrapped(inner.valueType) instanceof z.ZodObject)
    return under('*', leaves(inner.valueType))
  return ['']
}

function unwrapped(schema: unknown): unknown {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault
    ? unwrapped(schema.unwrap())
    : schema
}

const under = (field: string, inner: string[]): string[] =>
  inner.map((leaf) => (leaf === '' ? field : `${field}.${leaf}`))

/** What the connection is with a field set to another value; null takes it away. */
export function edited(spec: JsonObject, field: string, value: JsonValue): JsonObject {
  const [first = '', ...rest] = field.split('.')
  const name = first === '*' ? (Object.keys(spec)[0] ?? '') : first
  if (rest.length > 0) return { ...spec, [name]: edited(spec[name] as JsonObject, rest.join('.'), value) }
  const { [name]: _before, ...others } = spec
  return value === null ? others : { ...others, [name]: value }
}

const TOOL: JsonObject = {
  class: 'write',
  resend: 'check',
  check: { tool: 'find', arguments: { key: '${{ key }}' }, applied_if: 'true' },
  refusals: [429],
  key_argument: 'key',
}
const TOOL_EDITS: Record<string, JsonValue> = {
  'tools.*.class': null,
  'tools.*.resend': 'never',
  'tools.*.check.tool': 'find_again',
  'tools.*.check.arguments': { key: 'any' },
  'tools.*.check.applied_if': 'false',
  'tools.*.refusals': [429, -32602],
  'tools.*.key_argument': 'ref',
}

/** The first tool or table is the one that is written to. */
export const CONNECTIONS: Record<Transport, { spec: JsonObject; edits: Record<string, JsonValue> }> = {
  http: {
    spec: {
      type: 'mcp',
      transport: 'http',
      url: 'http://127.0.0.1:1/mcp',
      headers: { 'x-tenant': 'alpha', authorization: 'Bearer ${secret:BANK}' },
      allow_private_addresses: true,
      trusted: true,
      tools: { pay: TOOL },
      timeout: '10s',
    },
    edits: {
      url: 'http://127.0.0.1:1/mcp?elsewhere',
      headers: { 'x-tenant': 'alpha', authorization: 'Bearer ${secret:BANK_AGAIN}' },
      allow_private_addresses: false,
      trusted: false,
      ...TOOL_EDITS,
      timeout: '9s',
    },
  },
  stdio: {
    spec: {
      type: 'mcp',
      transport: 'stdio',
      command: 'bank',
      trusted: true,
      tools: { pay: TOOL },
      timeout: '10s',
    },
    edits: { command: 'bank-again', trusted: false, ...TOOL_EDITS, timeout: '9s' },
  },
  postgres: {
    spec: {
      type: 'postgres',
      url: '${secret:BOOKS_URL}',
      tls: {
        ca: '${secret:BOOKS_CA}',
        certificate: '${secret:BOOKS_CERTIFICATE}',
        key: '${secret:BOOKS_KEY}',
      },
      scope: { column: 'tenant', value: 'acme' },
      tables: {
        accounts: {
          schema: 'public',
          primary_key: ['id'],
          version: 'version',
          writable: ['amount', 'note'],
          redact: [],
        },
      },
      timeout: '10s',
    },
    edits: {
      url: '${secret:BOOKS_AGAIN}',
      'tls.ca': '${secret:BOOKS_CA_AGAIN}',
      'tls.certificate': '${secret:BOOKS_CERTIFICATE_AGAIN}',
      'tls.key': '${secret:BOOKS_KEY_AGAIN}',
      'scope.column': 'note',
      'scope.value': 'umbrella',
      'tables.*.schema': 'elsewhere',
      'tables.*.primary_key': ['id', 'tenant'],
      'tables.*.version': null,
      'tables.*.writable': ['amount'],
      'tables.*.redact': ['amount'],
      timeout: '9s',
    },
  },
}

/** Settings of a connection that a write may outlive: those that lib/write-settings.ts leaves out. */
export const HARMLESS: readonly string[] = ['timeout']
