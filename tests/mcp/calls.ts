/** Short ways to the client under test. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseAllowedHosts } from '../../lib/allowed-hosts.ts'
import { McpCallError } from '../../mcp/errors.ts'
import type { CallLimits, CallToolRequest, HttpServer, StdioServer } from '../../mcp/port.ts'

export const LOOPBACK = parseAllowedHosts('127.0.0.1')

export function limits(timeoutMs = 20_000, signal: AbortSignal = new AbortController().signal): CallLimits {
  return { deadlineAtMs: Date.now() + timeoutMs, signal }
}

export function httpTarget(url: string, headers: Record<string, string> = {}): HttpServer {
  return { type: 'http', url, headers, allowedHosts: LOOPBACK, poolKey: 'acme' }
}

export function stdioTarget(overrides: Partial<StdioServer> = {}): StdioServer {
  const script = fileURLToPath(new URL('./stdio-server.ts', import.meta.url))
  return {
    type: 'stdio',
    name: 'test',
    command: process.execPath,
    args: ['--import', 'tsx', script],
    env: {},
    poolKey: 'acme',
    ...overrides,
  }
}

export function request(
  target: CallToolRequest['target'],
  tool: string,
  overrides: Partial<CallToolRequest> = {},
): CallToolRequest {
  return { ...limits(), window: null, target, tool, arguments: {}, maxResultBytes: 1_000_000, ...overrides }
}

export async function failureOf(promise: Promise<unknown>): Promise<McpCallError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof McpCallError) return error
    throw error
  }
  throw new Error('the call succeeded')
}

export async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > endMs) throw new Error('it did not happen within 20 s')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Unlike `isAlive`: the entry of one that has ended stays until its parent has looked, which may be that of all processes. */
export function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return /^[^Z]/.test(stdout)
}

/** The living ones of these words. */
export function childrenOf(pid: number, words: string): number[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' })
  const rows = stdout.split('\n').map((row) => row.trim().split(/\s+/))
  return rows
    .filter(
      ([, parent, state, ...args]) =>
        Number(parent) === pid && !state?.startsWith('Z') && args.join(' ').includes(words),
    )
    .map(([id]) => Number(id))
}
