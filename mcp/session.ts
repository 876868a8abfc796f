/** What both transports offer to the port: one request at a time over an initialized client. */
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js'
import * as z from 'zod'
import { LocalFailure } from './errors.ts'
import type { CallLimits, CallToolRequest, Progress } from './port.ts'
import { UNREADABLE } from './tolerant-messages.ts'

export interface McpSession {
  /** Rejects with the raw error of the SDK or a LocalFailure; `withSession` classifies it. */
  request(message: McpRequest): Promise<Record<string, unknown>>
}

export type McpRequest =
  | { method: 'tools/list'; params: Record<string, unknown> }
  | {
      method: 'tools/call'
      params: { arguments: Record<string, unknown>; [name: string]: unknown }
      onProgress?: ((progress: Progress) => void) | undefined
    }

/** What bounds the work of one session. */
export type SessionLimits = CallLimits & Pick<CallToolRequest, 'window' | 'maxResultBytes'>

export type SessionWork<T> = (session: McpSession) => Promise<T>

export const CLIENT_INFO = { name: 'countersign', version: '0.1.0' }

const AnyResult = z.looseObject({})

/**
 * The raw request, because `client.callTool` and `client.listTools` do more than we want: they refuse tools by a cache
 * that each page of a listing empties, and one schema that does not compile makes the whole listing throw.
 */
export async function sendRequest(
  client: Client,
  message: McpRequest,
  options: RequestOptions,
): Promise<Record<string, unknown>> {
  const { method, params } = message
  const onProgress = message.method === 'tools/call' ? message.onProgress : undefined
  // The SDK asks for progress only when somebody listens.
  const answer = await client.request({ method, params }, AnyResult, {
    ...options,
    ...(onProgress ? { onprogress: onProgress } : {}),
  })
  const why = answer[UNREADABLE]
  if (typeof why === 'string') throw new LocalFailure('result_invalid', `the answer cannot be read: ${why}`)
  return answer
}
