/** The OpenAPI 3.1 description, at /openapi.json, and as a page at /docs; JSON Schemas of documents, under /schemas. */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { JSON_SCHEMAS } from '../schemas/json-schemas.ts'
import { DOCS_CSP, renderDocs } from './openapi/docs.ts'
import { withExamples, type Description } from './openapi/document.ts'

const HEADER = {
  openapi: '3.1.0',
  info: {
    title: 'Countersign',
    description:
      'Durable automations over MCP tools, with approvals that hold and writes that happen once. Every refusal ' +
      'is a problem (RFC 9457) with a stable `code`, a sentence, and the next action in `hint`.',
    version: '1',
  },
  components: {
    securitySchemes: {
      key: { type: 'http', scheme: 'bearer', description: 'An API key with the scope that is named.' },
    },
  },
} as const

export async function installOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: HEADER,
    transform: (document) => {
      const { schema, url } = jsonSchemaTransform(document)
      return { schema: withoutCycles(schema), url }
    },
  })
  let description: Description | undefined
  let page: string | undefined
  const describe = (): Description => (description ??= withExamples(app.swagger() as unknown as Description))
  app.get('/openapi.json', { schema: { hide: true } }, async () => describe())
  app.get('/docs', { schema: { hide: true } }, async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', DOCS_CSP)
      .header('x-content-type-options', 'nosniff')
      .header('referrer-policy', 'no-referrer')
      .send((page ??= renderDocs(describe()))),
  )
  app.get('/', { schema: { hide: true } }, async (_request, reply) =>
    reply
      .code(302)
      .header('location', '/docs')
      .type('text/plain; charset=utf-8')
      .send('Countersign API. Its operations: /docs, for programs /openapi.json. Is it ready: /readyz.\n'),
  )
  for (const [name, schema] of Object.entries(JSON_SCHEMAS))
    app.get(`/schemas/${name}.json`, { schema: { hide: true } }, async () => schema())
}

/**
 * Only “any JSON value” is recursive in our schemas. The generator names it as a component that it never emits, so the
 * reference gives way to the schema that takes anything.
 */
function withoutCycles<Schema>(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (_key, value: unknown) => (isCycle(value) ? {} : value)) as Schema
}

function isCycle(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('$ref' in value)) return false
  return /^#\/components\/schemas\/schema\d+$/.test(String(value.$ref))
}
