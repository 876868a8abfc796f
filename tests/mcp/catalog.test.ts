import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { createToolCatalog } from '../../mcp/catalog.ts'
import { createMcpClient } from '../../mcp/client.ts'
import { hashToolDefinition } from '../../mcp/port.ts'
import type { ToolDefinition, ToolResult } from '../../mcp/port.ts'
import { schemaWarnings, validateArguments, validateResult } from '../../mcp/tool-schemas.ts'
import { startTestMcpServer, textResult } from '../support/mcp-server.ts'
import type { TestMcpServer, TestMcpServerOptions } from '../support/mcp-server.ts'
import { failureOf, httpTarget, limits } from './calls.ts'

const client = createMcpClient()
const servers: TestMcpServer[] = []

async function start(options: TestMcpServerOptions = {}): Promise<TestMcpServer> {
  const server = await startTestMcpServer(options)
  servers.push(server)
  return server
}

function listings({ methods }: TestMcpServer): number {
  return methods.filter((method) => method === 'tools/list').length
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => client.close())

describe('the catalog', () => {
  it('reads all pages in one session and keeps them', async () => {
    const server = await start({ pageSize: 2 })
    const catalog = createToolCatalog(client)
    const target = httpTarget(server.url)
    const [count, echo] = await Promise.all([
      catalog.getTool(target, 'count', limits()),
      catalog.getTool(target, 'echo', limits()),
    ])
    expect(count.definition.annotations).toMatchObject({ readOnlyHint: false })
    expect(echo.hash).toBe(hashToolDefinition(echo.definition))
    expect((await catalog.listTools(target, limits())).tools).toHaveLength(6)
    expect(listings(server)).toBe(3)
  })

  it('sees a changed definition when its time is over or on demand, with another hash', async () => {
    const server = await start()
    const catalog = createToolCatalog(client)
    const target = httpTarget(server.url)
    const before = await catalog.getTool(target, 'count', limits())
    const tool = server.tools.find(({ name }) => name === 'count')
    if (tool) tool.description = 'Now also sends mail.'
    expect(await catalog.getTool(target, 'count', limits())).toBe(before)
    const after = await catalog.getTool(target, 'count', { ...limits(), fresh: true })
    expect(after.hash).not.toBe(before.hash)
    const impatient = createToolCatalog(client, { ttlMs: 0 })
    await impatient.getTool(target, 'count', limits())
    await impatient.getTool(target, 'count', limits())
    expect(listings(server)).toBe(4)
  })

  it('keeps the object of an unchanged definition', async () => {
    const target = httpTarget((await start()).url)
    const catalog = createToolCatalog(client)
    const before = await catalog.getTool(target, 'count', limits())
    expect(await catalog.getTool(target, 'count', { ...limits(), fresh: true })).toBe(before)
  })

  it('lists again for a tool that it misses, and says TOOL_NOT_FOUND only then', async () => {
    const server = await start()
    const catalog = createToolCatalog(client)
    const target = httpTarget(server.url)
    await catalog.getTool(target, 'echo', limits())
    const missing = await failureOf(catalog.getTool(target, 'later', limits()))
    expect(missing).toMatchObject({ code: 'TOOL_NOT_FOUND', sent: 'no' })
    server.tools.push({ name: 'later', inputSchema: { type: 'object' }, run: () => textResult('here') })
    expect((await catalog.getTool(target, 'later', limits())).definition.name).toBe('later')
    expect(listings(server)).toBe(3)
  })

  it('asks a server once more for all that ask while it lists, however many they are', async () => {
    const server = await start()
    const catalog = createToolCatalog(client)
    const target = httpTarget(server.url)
    const fresh = { ...limits(), fresh: true }
    const tools = await Promise.all(Array.from({ length: 20 }, () => catalog.getTool(target, 'echo', fresh)))
    expect(new Set(tools).size).toBe(1)
    expect(listings(server)).toBe(2)
    await catalog.getTool(target, 'echo', fresh)
    expect(listings(server)).toBe(3)
  })

  it('waits for slow pages', async () => {
    const slow = await start({
      intercept: ({ method, id }, response) => {
        if (method !== 'tools/list') return false
        const page = { tools: [], ...(id === 3 ? {} : { nextCursor: 'more' }) }
        setTimeout(() => {
          response.writeHead(200, { 'content-type': 'application/json' })
          response.end(JSON.stringify({ jsonrpc: '2.0', id, result: page }))
        }, 200)
        return true
      },
    })
    expect((await client.listTools(httpTarget(slow.url), limits())).tools).toEqual([])
  })

  it('keeps no failure', async () => {
    let down = true
    const server = await start({
      intercept: (_message, response) => {
        if (down) response.writeHead(503).end()
        return down
      },
    })
    const catalog = createToolCatalog(client)
    const target = httpTarget(server.url)
    const failure = await failureOf(catalog.getTool(target, 'echo', limits()))
    expect(failure).toMatchObject({ code: 'CONNECTION_NOT_READY', sent: 'no' })
    down = false
    expect((await catalog.getTool(target, 'echo', limits())).definition.name).toBe('echo')
  })

  it('ends a listing without end', async () => {
    const endless = await start({
      intercept: ({ method, id }, response) => {
        if (method !== 'tools/list') return false
        response.writeHead(200, { 'content-type': 'application/json' })
        const result = { tools: [], nextCursor: `page ${id}` }
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
        return true
      },
    })
    const failure = await failureOf(client.listTools(httpTarget(endless.url), limits()))
    expect(failure).toMatchObject({ code: 'LISTING_TOO_LARGE' })
  })
})

function withInput(inputSchema: Record<string, unknown>): ToolDefinition {
  return { name: 'transfer', inputSchema }
}

async function problemsOf(definition: ToolDefinition, args: object): Promise<string[]> {
  return (await validateArguments(definition, args, 'acme')).problems
}

async function misfitsOf(definition: ToolDefinition, result: ToolResult): Promise<string[]> {
  return (await validateResult(definition, result, 'acme')).problems
}

describe('the schemas of a tool', () => {
  it('name the places of arguments that do not fit, not the values', async () => {
    const definition = withInput({
      type: 'object',
      properties: { amount: { type: 'number' }, day: { type: 'string', format: 'date' } },
      required: ['amount'],
      additionalProperties: false,
    })
    expect(await problemsOf(definition, { amount: 1, day: '2026-11-20' })).toEqual([])
    expect(await problemsOf(definition, { day: 'today', extra: 'hidden' })).toEqual([
      "/ must have required property 'amount'",
      '/ must NOT have additional properties (extra)',
      '/day must match format "date"',
    ])
  })

  it('follow the dialect they name, 2020-12 without one', async () => {
    const tuple = { pair: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] } }
    expect(await problemsOf(withInput({ properties: tuple }), { pair: ['a', 'b'] })).toEqual([
      '/pair/1 must be number',
    ])
    const old = withInput({
      $schema: 'http://json-schema.org/draft-07/schema#',
      properties: { pair: { type: 'array', items: [{ type: 'string' }, { type: 'number' }] } },
    })
    expect(await problemsOf(old, { pair: ['a', 'b'] })).toEqual(['/pair/1 must be number'])
  })

  it('may share an $id', async () => {
    const schema = { $id: 'https://tools.example/args', type: 'object' }
    expect(await problemsOf(withInput({ ...schema }), {})).toEqual([])
    expect(await problemsOf(withInput({ ...schema }), {})).toEqual([])
  })

  it('pass on what they cannot check, and say why', async () => {
    const odd: [string, Record<string, unknown>][] = [
      ['a reference to another document', { properties: { a: { $ref: 'https://schemas.example/a.json' } } }],
      ['a reference to nothing', { properties: { a: { $ref: '#/$defs/gone' } } }],
      ['a type that does not exist', { type: 'nonsense' }],
      ['a list for properties', { type: 'object', properties: [] }],
      ['required as in draft 3', { type: 'object', properties: { a: { type: 'string', required: true } } }],
      ['bounds as in draft 4', { properties: { a: { type: 'number', minimum: 1, exclusiveMinimum: true } } }],
      ['nullable without a type', { properties: { a: { nullable: true } } }],
      ['a list of items as in older drafts', { properties: { a: { items: [{ type: 'string' }] } } }],
      ['a pattern that is none', { properties: { a: { type: 'string', pattern: '(' } } }],
      ['more than we look at', { description: 'x'.repeat(300_000) }],
    ]
    for (const [what, schema] of odd) {
      const { problems, unusable } = await validateArguments(withInput(schema), { a: 'x' }, 'acme')
      expect([what, problems]).toEqual([what, []])
      expect(unusable).toMatch(/^the input schema of tool transfer cannot be used: /)
    }
  })

  it('check patterns that are written for older engines', async () => {
    const url = { type: 'string', pattern: String.raw`^https\:\/\/` }
    const definition = withInput({ properties: { url } })
    expect(await validateArguments(definition, { url: 'https://a.example' }, 'acme')).toEqual({
      problems: [],
    })
    const { problems } = await validateArguments(definition, { url: 'ftp://a.example' }, 'acme')
    expect(problems).toEqual([expect.stringContaining('/url must match pattern')])
  })

  it('warn of what they cannot check', async () => {
    const outputSchema = { properties: [] }
    const definition = { ...withInput({ type: 'nonsense' }), outputSchema }
    expect(await schemaWarnings(definition, 'acme')).toEqual([
      expect.stringMatching(
        /^the input schema of tool transfer cannot be used: .*; arguments are passed on as they are$/,
      ),
      expect.stringMatching(
        /^the output schema of tool transfer cannot be used: .*; results are taken as they are$/,
      ),
    ])
    expect(await schemaWarnings({ ...withInput({ type: 'object' }), outputSchema: {} }, 'acme')).toEqual([])
  })

  it('check a result only where something is declared about it', async () => {
    const definition = {
      ...withInput({}),
      outputSchema: { type: 'object', properties: { id: { type: 'string' } } },
    }
    const result = { content: [], isError: false }
    expect(await misfitsOf(withInput({}), result)).toEqual([])
    expect(await misfitsOf(definition, { ...result, structuredContent: { id: 'x' } })).toEqual([])
    expect(await misfitsOf(definition, { ...result, structuredContent: { id: 1 } })).toEqual([
      '/id must be string',
    ])
    expect((await misfitsOf(definition, result))[0]).toContain('without structured content')
    expect(await misfitsOf(definition, { ...result, isError: true })).toEqual([])
  })
})

describe('the hash of a definition', () => {
  const definition: ToolDefinition = {
    name: 'a',
    description: 'b',
    inputSchema: { type: 'object', properties: { x: {}, y: {} } },
    annotations: { readOnlyHint: true },
  }
  const reordered = { ...definition, inputSchema: { properties: { y: {}, x: {} }, type: 'object' } }

  it('does not depend on the order of keys or on the title', () => {
    expect(hashToolDefinition({ ...reordered, title: 'A' })).toBe(hashToolDefinition(definition))
  })

  it('depends on everything that steers a caller', () => {
    const changed: Partial<ToolDefinition>[] = [
      { name: 'z' },
      { description: 'z' },
      { inputSchema: {} },
      { outputSchema: {} },
      { annotations: {} },
    ]
    const hashes = changed.map((change) => hashToolDefinition({ ...definition, ...change }))
    expect(new Set([hashToolDefinition(definition), ...hashes]).size).toBe(6)
  })
})
