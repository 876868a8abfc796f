import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { McpError } from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, it } from 'vitest'
import { SendWindow } from '../../lib/send-window.ts'
import { LocalFailure, McpCallError, classifyMcpError, cleanText, toMcpCallError } from '../../mcp/errors.ts'

function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall })
}

// What real servers can be brought to do is in http-calls and stdio-calls; here is what they cannot.
describe('the classification', () => {
  const call = { phase: 'call' } as const

  it('looks for a connection that was never made in causes and bundled attempts', () => {
    const attempts = new AggregateError([systemError('ETIMEDOUT', 'connect')])
    for (const error of [attempts, new TypeError('fetch failed', { cause: attempts })]) {
      expect(classifyMcpError(error, call).code).toBe('CONNECTION_NOT_READY')
    }
    const broken = new TypeError('fetch failed', { cause: systemError('ECONNRESET', 'read') })
    expect(classifyMcpError(broken, call)).toMatchObject({ code: 'CALL_INTERRUPTED', sent: 'unknown' })
  })

  it('takes our own word, and no error, for it that nothing was sent', () => {
    const errors = [
      new Error('Not connected'),
      new UnauthorizedError(),
      new McpError(-32602, 'no'),
      new LocalFailure('closed'),
    ]
    const passed = new SendWindow(1_000)
    passed.pass()
    for (const error of errors) {
      expect(classifyMcpError(error, { ...call, window: new SendWindow(1_000) }).sent).toBe('no')
      expect(classifyMcpError(error, { ...call, window: passed }).sent).not.toBe('no')
      expect(classifyMcpError(error, call).sent).not.toBe('no')
    }
  })

  it('tells a closed connection from a server that uses the same number', () => {
    const error = new McpError(-32000, 'Connection closed')
    expect(classifyMcpError(error, { ...call, connectionClosed: true }).code).toBe('CALL_INTERRUPTED')
    expect(classifyMcpError(error, call).code).toBe('TOOL_FAILED')
  })

  it('knows that nothing was sent while connecting, whatever happened', () => {
    for (const error of [new UnauthorizedError(), new McpError(-32603, 'no'), new Error('no'), 'no']) {
      expect(classifyMcpError(error, { phase: 'connect' }).sent).toBe('no')
    }
  })

  it('carries the delay as that of the next attempt, and is made once', () => {
    const failure = { code: 'CALL_THROTTLED', sent: 'no', message: 'slow down', retryAfterMs: 5 } as const
    const error = new McpCallError(failure)
    expect(error.nextRetryDelayMs).toBe(5)
    expect(toMcpCallError(error, call)).toBe(error)
  })
})

describe('a foreign text in a message', () => {
  it('loses control and direction characters, and keeps its beginning or its end', () => {
    expect(cleanText(' a\r\n\u0007b\u202ec ')).toBe('a b c')
    expect(cleanText('x'.repeat(600) + 'end')).toBe(`${'x'.repeat(500)}…`)
    expect(cleanText('x'.repeat(600) + 'end', [], 'end')).toMatch(/^…x{497}end$/)
  })

  it('loses secrets, the whole before its parts', () => {
    expect(cleanText('Bearer abcd and abcd', ['abcd', 'Bearer abcd'])).toBe('[secret] and [secret]')
  })
})
