/** Asks a connection for its tools, on a worker that can reach it: the API itself calls no MCP server. */
import type { Activities } from '../activities/index.ts'
import { inspection } from './activity-options.ts'
import { assertInput } from './failures.ts'

export async function inspectConnectionWorkflow(
  input: Parameters<Activities['inspectConnection']>[0],
): ReturnType<Activities['inspectConnection']> {
  assertInput(typeof input?.connection === 'string', 'a connection')
  return inspection(`List the tools of ${input.connection}`).inspectConnection(input)
}
