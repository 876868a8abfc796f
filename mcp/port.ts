/**
 * What the rest of the product knows of MCP: plain targets, requests and results. No type of the SDK crosses this line.
 */
import type { AllowedHost } from '../lib/allowed-hosts.ts'
import { canonicalJson, sha256Hex } from '../lib/canonical-json.ts'
import type { SendWindow } from '../lib/send-window.ts'

export interface HttpServer {
  type: 'http'
  url: string
  /** With secrets already resolved. */
  headers: Record<string, string>
  secrets?: readonly string[]
  /** Private ones that it may be at. */
  allowedHosts?: readonly AllowedHost[]
  poolKey: string
}

export interface StdioServer {
  type: 'stdio'
  /** The entry of the command file, for messages. */
  name: string
  command: string
  args: string[]
  /** With secrets already resolved. The child sees this and a short list of harmless variables (PATH, HOME, …). */
  env: Record<string, string>
  secrets?: readonly string[]
  cwd?: string
  poolKey: string
}

/**
 * `secrets` are in nothing that the port gives back, however the server quotes them; in errors, nor are headers and
 * environment. `poolKey` is the organization: two organizations never share a child
 * process or a cached list of tools.
 */
export type McpServer = HttpServer | StdioServer

export interface CallLimits {
  /** Epoch ms. The port answers or rejects at about this time, plus at most 1.5 s to close an HTTP session. */
  deadlineAtMs: number
  signal: AbortSignal
}

export interface Progress {
  progress: number
  total?: number | undefined
  message?: string | undefined
}

export interface CallToolRequest extends CallLimits {
  /** Of a write: passed right before the call leaves, once. `null` for a reading, which may be sent again. */
  window: SendWindow | null
  target: McpServer
  tool: string
  arguments: Record<string, unknown>
  /** Becomes `_meta` of the request. */
  meta?: Record<string, unknown>
  /** HTTP: bytes of the whole answering stream, framing and progress included. stdio: of the result as JSON. */
  maxResultBytes: number
  onProgress?: (progress: Progress) => void
}

export interface ToolResult {
  content: unknown[]
  /** An object; servers that know no better give other values. */
  structuredContent?: unknown
  isError: boolean
  /** What of it is not what the server has said, because JavaScript cannot hold it. */
  inexact?: string
}

export interface ToolDefinition {
  name: string
  title?: string | undefined
  description?: string | undefined
  inputSchema: Record<string, unknown>
  outputSchema?: Record<string, unknown> | undefined
  annotations?: Record<string, unknown> | undefined
}

export interface ToolListing {
  tools: ToolDefinition[]
  /** What of the list could not be read, for people. */
  warnings: string[]
}

/** Every rejection is a `McpCallError`, which says whether the call was sent. */
export interface McpClientPort {
  callTool(request: CallToolRequest): Promise<ToolResult>
  /** All pages. */
  listTools(target: McpServer, limits: CallLimits): Promise<ToolListing>
  /** Ends every child process. Calls after it are refused. */
  close(): Promise<void>
}

/** Covers all that steers a caller or a policy; the title is decoration. */
export function hashToolDefinition(definition: ToolDefinition): string {
  const { name, description, inputSchema, outputSchema, annotations } = definition
  return sha256Hex(canonicalJson({ name, description, inputSchema, outputSchema, annotations }))
}

/** What no error may quote. */
export function textsOf(target: McpServer): string[] {
  return [...(target.secrets ?? []), ...Object.values(target.type === 'http' ? target.headers : target.env)]
}

/** Names a target without keeping its secrets. */
export function targetKey(target: McpServer): string {
  return sha256Hex(canonicalJson(target))
}
