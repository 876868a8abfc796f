/** A real MCP client of the late-fee example's billing server, a fresh one for each call. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'

export interface BillingClient {
  withClient<Value>(work: (client: Client) => Promise<Value>): Promise<Value>
  call(name: string, args: Record<string, unknown>): Promise<CallToolResult>
}

export function createBillingClient(url: string, token: string): BillingClient {
  async function withClient<Value>(work: (client: Client) => Promise<Value>): Promise<Value> {
    const client = new Client({ name: 'test', version: '1.0.0' })
    const requestInit = { headers: { authorization: `Bearer ${token}` } }
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }))
    try {
      return await work(client)
    } finally {
      await client.close()
    }
  }

  /** Lists the tools first: only then does the client hold the answer against the output schema. */
  function call(name: string, args: Record<string, unknown>): Promise<CallToolResult> {
    return withClient(async (client) => {
      await client.listTools()
      return (await client.callTool({ name, arguments: args })) as CallToolResult
    })
  }

  return { withClient, call }
}
