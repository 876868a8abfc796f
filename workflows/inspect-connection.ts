/** Asks a connection for its tools, on a worker that can reach it: the API itself calls no MCP server. */
import type { Activities } from '../activities/index.ts'
import { inspection } from './activity-options.ts'

export async function inspectConnectionWorkflow(
  input: Parameters<Activities['inspectConnection']>[0],
): ReturnType<Activities['inspectConnection']> {
  return inspection(`List the tools of ${input.connection}`).inspectConnection(input)
}
