/**
 * The MCP client: calls and listings over Streamable HTTP or stdio, each within its deadline and its size. Whatever
 * goes wrong is a `McpCallError`; an answer with `isError` is a result.
 */
import * as z from 'zod'
import { LocalFailure, toMcpCallError } from './errors.ts'
import { INEXACT } from './exact-answers.ts'
import { runOverHttp } from './http-session.ts'
import type {
  CallToolRequest,
  CallLimits,
  McpClientPort,
  McpServer,
  ToolDefinition,
  ToolResult,
} from './port.ts'
import type { McpSession, SessionWork } from './session.ts'
import { createStdioPool } from './stdio-pool.ts'
import type { StdioPool } from './stdio-pool.ts'

export interface McpClientOptions {
  /** A child process without calls is ended after this time. */
  stdioMaxIdleMs?: number
  stdioMaxMessageBytes?: number
}

const DEFAULT_STDIO_IDLE_MS = 5 * 60_000
const DEFAULT_STDIO_MESSAGE_BYTES = 10 * 1024 * 1024
const MAX_LISTING_PAGE_BYTES = 8 * 1024 * 1024
/** A server that never stops giving cursors would otherwise fill the memory. */
const MAX_LISTING_PAGES = 100

/** Looser than the SDK's: kinds of content that it does not know are passed on. */
const CallResult = z.looseObject({
  // Newer protocols answer a call with something else than its result, which must not pass for an empty success.
  resultType: z.literal('complete').optional(),
  task: z.undefined().optional(),
  content: z.array(z.looseObject({ type: z.string() })).default([]),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  isError: z.boolean().default(false),
  [INEXACT]: z.string().optional(),
})

const ListingPage = z.looseObject({ tools: z.array(z.unknown()), nextCursor: z.string().optional() })

const Definition = z.object({
  name: z.string(),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: z.record(z.string(), z.unknown()),
  outputSchema: z.record(z.string(), z.unknown()).optional(),
  annotations: z.record(z.string(), z.unknown()).optional(),
})

export function createMcpClient(options: McpClientOptions = {}): McpClientPort {
  const pool = createStdioPool({
    maxIdleMs: options.stdioMaxIdleMs ?? DEFAULT_STDIO_IDLE_MS,
    maxMessageBytes: options.stdioMaxMessageBytes ?? DEFAULT_STDIO_MESSAGE_BYTES,
  })
  let closed = false

  function refuseWhenClosed(): void {
    if (closed) throw toMcpCallError(new LocalFailure('closed'), { phase: 'connect' })
  }

  return {
    async callTool(request) {
      refuseWhenClosed()
      return await withSession(pool, request, (session) => callTool(session, request))
    },
    async listTools(target, limits) {
      refuseWhenClosed()
      return await withSession(pool, { ...limits, target, maxResultBytes: MAX_LISTING_PAGE_BYTES }, listAll)
    },
    async close() {
      closed = true
      await pool.close()
    },
  }
}

interface SessionRequest extends CallLimits {
  target: McpServer
  maxResultBytes: number
}

function withSession<T>(pool: StdioPool, request: SessionRequest, work: SessionWork<T>): Promise<T> {
  const { target } = request
  return target.type === 'http' ? runOverHttp(target, request, work) : pool.run(target, request, work)
}

async function callTool(session: McpSession, request: CallToolRequest): Promise<ToolResult> {
  const answer = await session.request({
    method: 'tools/call',
    params: {
      name: request.tool,
      arguments: request.arguments,
      ...(request.meta ? { _meta: request.meta } : {}),
    },
    onProgress: request.onProgress,
  })
  const { content, structuredContent, isError, [INEXACT]: inexact } = parse(CallResult, answer)
  const result: ToolResult = {
    content,
    isError,
    ...(structuredContent ? { structuredContent } : {}),
    ...(inexact === undefined ? {} : { inexact }),
  }
  // Over HTTP the stream was counted; a child's message is bounded for the pool as a whole, not for this call.
  if (request.target.type === 'stdio' && Buffer.byteLength(JSON.stringify(result)) > request.maxResultBytes) {
    throw new LocalFailure('result_too_large', `the answer has more than ${request.maxResultBytes} bytes`)
  }
  return result
}

async function listAll(session: McpSession): Promise<ToolDefinition[]> {
  const tools: ToolDefinition[] = []
  let cursor: string | undefined
  for (let page = 1; page <= MAX_LISTING_PAGES; page++) {
    const params = cursor === undefined ? {} : { cursor }
    const answer = parse(ListingPage, await session.request({ method: 'tools/list', params }))
    // One malformed tool does not hide the others; nobody can call it anyway.
    tools.push(
      ...answer.tools.map((tool) => Definition.safeParse(tool).data).filter((tool) => tool !== undefined),
    )
    cursor = answer.nextCursor
    if (cursor === undefined) return tools
  }
  throw new LocalFailure('result_invalid', `the list of tools has more than ${MAX_LISTING_PAGES} pages`)
}

function parse<Schema extends z.ZodType>(schema: Schema, answer: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(answer)
  if (parsed.success) return parsed.data
  throw new LocalFailure('result_invalid', z.prettifyError(parsed.error))
}
