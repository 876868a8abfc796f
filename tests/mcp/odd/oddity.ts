/**
 * What an odd server says, as the texts that it sends, and what has to come of it over either transport. One file for each
 * oddity; `tests/mcp/odd-servers.test.ts` goes through all of them.
 */
import type { McpCallError } from '../../../mcp/errors.ts'
import type { ToolDefinition, ToolResult } from '../../../mcp/port.ts'

export interface Oddity {
  /** What is odd, as the end of a sentence that begins with “a server”. */
  title: string
  /**
   * By method: the text of its answer, with `$id` for the id of the request. Of several, one after the other, the last
   * again and again. What is not named is answered as it should be.
   */
  answers: Partial<Record<'initialize' | 'tools/list' | 'tools/call', string | string[]>>
  /** Of these answers; by default UTF-8. */
  encoding?: 'latin1'
  /** What the client makes of it; by default one ordinary tool, and an ordinary result. */
  tools?: Partial<ToolDefinition>[]
  /** Texts that the warnings contain, in their order. */
  warnings?: string[]
  result?: ToolResult
  /** Instead of all of the result: what is said of it. */
  kept?: Partial<ToolResult>
  failure?: Partial<McpCallError>
  /** Texts that the message of the failure contains. */
  says?: string[]
}

export function answer(result: string): string {
  return `{"jsonrpc":"2.0","id":$id,"result":${result}}`
}

export function refusal(error: string): string {
  return `{"jsonrpc":"2.0","id":$id,"error":${error}}`
}

/** A list of these tools, one page. */
export function listing(...tools: string[]): string {
  return answer(`{"tools":[${tools.join(',')}]}`)
}

export const GOOD_TOOL = '{"name":"echo","inputSchema":{"type":"object"}}'
export const DONE = { content: [{ type: 'text', text: 'done' }], isError: false }
