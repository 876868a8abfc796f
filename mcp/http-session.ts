/**
 * Streamable HTTP, one client per call: no stale sessions, no state between runs, and closing it is what cancels a call
 * on a stateless server. It costs about 8 ms on a near network (tried) and is closed on every way out.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js'
import { McpCallError, toMcpCallError } from './errors.ts'
import type { FailureContext } from './errors.ts'
import { createHttpLink } from './http-link.ts'
import type { HttpLink } from './http-link.ts'
import { sdkTimeoutMs, settleWithin, wasStopped, withinLimits } from './limits.ts'
import { textsOf } from './port.ts'
import { toldOf } from './reading-turn.ts'
import type { HttpServer } from './port.ts'
import { CLIENT_INFO, sendRequest } from './session.ts'
import type { McpRequest, SessionLimits, SessionWork } from './session.ts'

/** For the cancelling notification to reach a sessionful server before its session goes. */
const CANCEL_GRACE_MS = 250
const TERMINATE_LIMIT_MS = 1_000

interface Connection {
  link: HttpLink
  client: Client
  transport: StreamableHTTPClientTransport
}

/** What is read over a session that the server has lost (HTTP 404) is read once more over a new one. A write never is. */
export async function runOverHttp<T>(
  target: HttpServer,
  limits: SessionLimits,
  work: SessionWork<T>,
): Promise<T> {
  try {
    return await runOnce(target, limits, work)
  } catch (error) {
    if (error instanceof McpCallError && error.sessionLost && limits.window === null)
      return await runOnce(target, limits, work)
    throw error
  }
}

async function runOnce<T>(target: HttpServer, limits: SessionLimits, work: SessionWork<T>): Promise<T> {
  const { window } = limits
  const context: FailureContext = { phase: 'connect', window, secrets: textsOf(target) }
  let connection: Connection | undefined
  let stopped = false
  try {
    const opened = open(target, limits)
    connection = opened
    return await withinLimits(limits, async (signal) => {
      const { client, transport, link } = opened
      const options = { signal, timeout: sdkTimeoutMs(limits), onresumptiontoken: link.markResumable }
      const use = async () => {
        await client.connect(transport, { signal, timeout: options.timeout })
        context.phase = 'call'
        return await work({ request: (message) => requestOver(opened, message, options) })
      }
      return await Promise.race([use(), link.lost])
    })
  } catch (error) {
    stopped = wasStopped(error)
    context.hasSession = connection?.transport.sessionId !== undefined
    context.retryAfterMs = connection?.link.retryAfterMs()
    context.status = connection?.link.status()
    throw toMcpCallError(toldOf(error, connection?.link), context)
  } finally {
    if (connection) await close(connection, stopped)
  }
}

async function requestOver({ client, link }: Connection, message: McpRequest, options: RequestOptions) {
  const answer = await sendRequest(client, message, options)
  link.answered()
  return answer
}

function open(target: HttpServer, { maxResultBytes, window }: SessionLimits): Connection {
  const link = createHttpLink({
    allowedHosts: target.allowedHosts ?? [],
    maxResultBytes,
    organization: target.poolKey,
    window,
  })
  const transport = new StreamableHTTPClientTransport(new URL(target.url), {
    fetch: link.fetch,
    requestInit: { headers: target.headers },
  })
  const client = new Client(CLIENT_INFO)
  // By its text, for want of anything else; should the text change, the deadline still ends the call.
  client.onerror = (error) => {
    if (error.message.startsWith('Maximum reconnection attempts')) link.fail('interrupted')
  }
  return { link, client, transport }
}

/**
 * A sessionful server hears of a cancellation by the notification, which the SDK has sent when the signal was aborted;
 * a stateless one would give that to another instance, and hears it by the connection closing.
 */
async function close({ link, client, transport }: Connection, stopped: boolean): Promise<void> {
  if (transport.sessionId !== undefined) {
    if (stopped) await new Promise((resolve) => setTimeout(resolve, CANCEL_GRACE_MS))
    await settleWithin(TERMINATE_LIMIT_MS, transport.terminateSession())
  }
  await client.close().catch(() => {})
  link.close()
}
