/**
 * The MCP client: calls and listings over Streamable HTTP or stdio, each within its deadline and its size. Whatever
 * goes wrong is a `McpCallError`; an answer with `isError` is a result.
 */
import * as z from 'zod'
import { hiding } from '../lib/hidden-secrets.ts'
import { MOST_KEPT, type Room } from '../lib/kept.ts'
import { MAX_LISTING_BYTES, MAX_VALUE_DEPTH } from '../lib/limits.ts'
import { cutBelow, isNestedDeeper } from '../lib/nesting.ts'
import { LocalFailure, McpCallError, toMcpCallError } from './errors.ts'
import { INEXACT } from './exact-answers.ts'
import { runOverHttp } from './http-session.ts'
import { listAll, tooLarge } from './listing.ts'
import type { CallToolRequest, McpClientPort, McpServer, Progress, ToolResult } from './port.ts'
import type { McpSession, SessionLimits, SessionWork } from './session.ts'
import { createStdioPool } from './stdio-pool.ts'
import type { StdioPool } from './stdio-pool.ts'

export interface McpClientOptions {
  /** A child process without calls is ended after this time. */
  stdioMaxIdleMs?: number
  stdioMaxMessageBytes?: number
  /** Child processes at a time. */
  stdioMost?: Room
}

const DEFAULT_STDIO_IDLE_MS = 5 * 60_000
const DEFAULT_STDIO_MESSAGE_BYTES = 10 * 1024 * 1024
/** Looser than the SDK's: kinds of content that it does not know are passed on. */
const CallResult = z.looseObject({
  // Newer protocols answer a call with something else than its result, which must not pass for an empty success.
  resultType: z.literal('complete').optional(),
  task: z.undefined().optional(),
  content: z.array(z.looseObject({ type: z.string() })).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().default(false),
  [INEXACT]: z.string().optional(),
})

export function createMcpClient(options: McpClientOptions = {}): McpClientPort {
  const pool = createStdioPool({
    maxIdleMs: options.stdioMaxIdleMs ?? DEFAULT_STDIO_IDLE_MS,
    maxMessageBytes: options.stdioMaxMessageBytes ?? DEFAULT_STDIO_MESSAGE_BYTES,
    most: options.stdioMost ?? MOST_KEPT,
  })
  let closed = false

  function refuseWhenClosed(): void {
    if (closed) throw toMcpCallError(new LocalFailure('closed'), { phase: 'connect' })
  }

  return {
    async callTool(request) {
      refuseWhenClosed()
      const hide = hiding(request.target.secrets ?? [])
      const { onProgress } = request
      const heard = onProgress && { onProgress: (progress: Progress) => onProgress(hide(progress)) }
      return hide(await withSession(pool, request, (session) => callTool(session, { ...request, ...heard })))
    },
    async listTools(target, limits) {
      refuseWhenClosed()
      const listing = { ...limits, target, window: null, maxResultBytes: MAX_LISTING_BYTES }
      const listed = await withSession(pool, listing, listAll).catch(asListingError)
      return hiding(target.secrets ?? [])(listed)
    },
    async close() {
      closed = true
      await pool.close()
    },
  }
}

function withSession<T>(
  pool: StdioPool,
  request: SessionLimits & { target: McpServer },
  work: SessionWork<T>,
): Promise<T> {
  const { target } = request
  return target.type === 'http' ? runOverHttp(target, request, work) : pool.run(target, request, work)
}

async function callTool(session: McpSession, request: CallToolRequest): Promise<ToolResult> {
  const answer = await session.request({
    method: 'tools/call',
    params: {
      name: request.tool,
      // An object of this call alone, by which the pipe to a child knows it.
      arguments: { ...request.arguments },
      ...(request.meta ? { _meta: request.meta } : {}),
    },
    onProgress: request.onProgress,
  })
  if (isNestedDeeper(answer, MAX_VALUE_DEPTH)) {
    cutBelow(answer, MAX_VALUE_DEPTH)
    answer[INEXACT] = `it is nested deeper than ${MAX_VALUE_DEPTH} levels`
  }
  const { content, structuredContent, isError, [INEXACT]: inexact } = parse(CallResult, answer)
  const result: ToolResult = {
    content,
    isError,
    ...(structuredContent === undefined ? {} : { structuredContent }),
    ...(inexact === undefined ? {} : { inexact }),
  }
  // Over HTTP the stream was counted; a child's message is bounded for the pool as a whole, not for this call.
  if (request.target.type === 'stdio' && Buffer.byteLength(JSON.stringify(result)) > request.maxResultBytes) {
    throw new LocalFailure('result_too_large', `the answer has more than ${request.maxResultBytes} bytes`)
  }
  return result
}

/** What is too much over HTTP is noticed on the way. */
function asListingError(error: unknown): never {
  if (!(error instanceof McpCallError) || error.code !== 'RESULT_TOO_LARGE') throw error
  throw toMcpCallError(tooLarge(), { phase: 'connect' })
}

function parse<Schema extends z.ZodType>(schema: Schema, answer: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(answer)
  if (parsed.success) return parsed.data
  throw new LocalFailure('result_invalid', z.prettifyError(parsed.error))
}
