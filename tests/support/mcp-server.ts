/**
 * A real MCP server over Streamable HTTP on a free loopback port, whose tools and misbehaviour the test decides. It
 * answers an unknown tool as the SDK's own server does: with an error result.
 */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import type { CallToolResult, Tool } from '@modelcontextprotocol/sdk/types.js'

export interface TestToolContext {
  signal: AbortSignal
  progress(progress: { progress: number; total?: number; message?: string }): Promise<void>
}

export interface TestTool extends Tool {
  run(args: Record<string, unknown>, context: TestToolContext): CallToolResult | Promise<CallToolResult>
}

export interface TestCall {
  tool: string
  arguments: Record<string, unknown>
  meta: Record<string, unknown> | undefined
  /** The server heard that nobody waits any more. */
  aborted: boolean
}

/** `method` of a request without a body is that of HTTP. */
export interface TestMessage {
  method: string
  id?: number
  params?: { arguments?: Record<string, unknown> }
}

export interface TestMcpServerOptions {
  tools?: TestTool[]
  /** Tools per page of a listing. */
  pageSize?: number
  /** Keeps sessions, as most servers do; without, every request stands alone. */
  sessions?: boolean
  /** May answer a message itself, by returning true: for everything that a good server does not do. */
  intercept?: (message: TestMessage, response: ServerResponse, request: IncomingMessage) => boolean
}

export interface TestMcpServer {
  url: string
  /** What `listTools` and `callTool` go by at the time of the request; tests may change it. */
  tools: TestTool[]
  /** In order of arrival. */
  calls: TestCall[]
  /** MCP methods that arrived, notifications and `DELETE` included. */
  methods: string[]
  close(): Promise<void>
}

export async function startTestMcpServer(options: TestMcpServerOptions = {}): Promise<TestMcpServer> {
  const tools = options.tools ?? defaultTools()
  const state: State = { options, tools, calls: [], methods: [], sessions: new Map() }
  const server = createServer((request, response) => {
    handle(state, request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    tools,
    calls: state.calls,
    methods: state.methods,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The same tools over the input and the output of this process. */
export async function serveOverStdio(tools: TestTool[]): Promise<void> {
  const state: State = { options: {}, tools, calls: [], methods: [], sessions: new Map() }
  await createMcpServer(state).connect(new StdioServerTransport())
}

/** Reading: echo, slow, fail, big. Writing: count, reset (destructive). */
export function defaultTools(): TestTool[] {
  return [...readingTools(), ...writingTools()]
}

function readingTools(): TestTool[] {
  const annotations = { readOnlyHint: true }
  const text = { type: 'string' }
  return [
    {
      ...define('echo', { text }, ['text']),
      annotations,
      outputSchema: objectSchema({ text }, ['text']),
      run: (args) => ({ ...textResult(String(args['text'])), structuredContent: { text: args['text'] } }),
    },
    {
      ...define('slow', { durationMs: { type: 'number' }, steps: { type: 'number' } }, ['durationMs']),
      annotations,
      run: runSlowly,
    },
    {
      ...define('fail', { message: text }),
      annotations,
      run: ({ message }) => ({ ...textResult(String(message ?? 'it failed')), isError: true }),
    },
    {
      ...define('big', { bytes: { type: 'number' } }, ['bytes']),
      annotations,
      run: ({ bytes }) => textResult('x'.repeat(Number(bytes))),
    },
  ]
}

function writingTools(): TestTool[] {
  let count = 0
  return [
    {
      ...define('count', { by: { type: 'number' } }),
      annotations: { readOnlyHint: false, destructiveHint: false },
      run: ({ by }) => {
        count += Number(by ?? 1)
        return { ...textResult(String(count)), structuredContent: { count } }
      },
    },
    {
      ...define('reset', {}),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
      run: () => {
        count = 0
        return textResult('reset')
      },
    },
  ]
}

export function textResult(text: string): CallToolResult {
  return { content: [{ type: 'text', text }] }
}

interface State {
  options: TestMcpServerOptions
  tools: TestTool[]
  calls: TestCall[]
  methods: string[]
  sessions: Map<string, StreamableHTTPServerTransport>
}

async function handle(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = request.method === 'POST' ? await readJson(request) : undefined
  const method = body?.method ?? request.method ?? ''
  state.methods.push(method)
  if (state.options.intercept?.({ ...body, method }, response, request) === true) return
  const transport = await transportFor(state, request, method, response)
  if (transport) await transport.handleRequest(request, response, body)
}

async function transportFor(
  state: State,
  request: IncomingMessage,
  method: string,
  response: ServerResponse,
): Promise<StreamableHTTPServerTransport | undefined> {
  const known = state.sessions.get(String(request.headers['mcp-session-id']))
  if (known) return known
  const keepsSessions = state.options.sessions === true
  const opens = keepsSessions ? method === 'initialize' : request.method === 'POST'
  if (!opens) {
    response.writeHead(keepsSessions ? 404 : 405).end()
    return undefined
  }
  const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
    ...(keepsSessions ? { sessionIdGenerator: randomUUID } : {}),
    onsessioninitialized: (id) => void state.sessions.set(id, transport),
    onsessionclosed: (id) => void state.sessions.delete(id),
  })
  const server = createMcpServer(state)
  // A stateless server has nothing but the connection to tell it that nobody waits.
  if (!keepsSessions) response.on('close', () => void server.close())
  // The SDK's type is not written for exactOptionalPropertyTypes.
  await server.connect(transport as Parameters<Server['connect']>[0])
  return transport
}

function createMcpServer(state: State): Server {
  const server = new Server({ name: 'test', version: '1.0.0' }, { capabilities: { tools: {} } })
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
    const start = Number(params?.cursor ?? 0)
    const end = start + (state.options.pageSize ?? state.tools.length)
    const page = state.tools.slice(start, end).map(({ run: _run, ...tool }) => tool)
    return end < state.tools.length ? { tools: page, nextCursor: String(end) } : { tools: page }
  })
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = state.tools.find(({ name }) => name === params.name)
    if (!tool) return { ...textResult(`MCP error -32602: Tool ${params.name} not found`), isError: true }
    const args = params.arguments ?? {}
    const call: TestCall = { tool: params.name, arguments: args, meta: params._meta, aborted: false }
    state.calls.push(call)
    extra.signal.addEventListener('abort', () => {
      call.aborted = true
    })
    const progressToken = params._meta?.progressToken
    return await tool.run(args, {
      signal: extra.signal,
      async progress(progress) {
        if (progressToken === undefined) return
        await extra.sendNotification({
          method: 'notifications/progress',
          params: { progressToken, ...progress },
        })
      },
    })
  })
  return server
}

async function runSlowly(args: Record<string, unknown>, context: TestToolContext): Promise<CallToolResult> {
  const steps = Number(args['steps'] ?? 1)
  for (let step = 1; step <= steps; step++) {
    await sleep(Number(args['durationMs']) / steps, undefined, { signal: context.signal })
    await context.progress({ progress: step, total: steps, message: `step ${step}` })
  }
  return textResult('done')
}

function define(name: string, properties: Record<string, object>, required: string[] = []) {
  return { name, description: `Test tool ${name}`, inputSchema: objectSchema(properties, required) }
}

function objectSchema(properties: Record<string, object>, required: string[] = []) {
  return { type: 'object' as const, properties, required, additionalProperties: false }
}

async function readJson(request: IncomingMessage): Promise<TestMessage | undefined> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as TestMessage
}
