/** From a connection's manifest to what the MCP client can reach: secrets and commands resolved, for this call only. */
import { fillSecrets } from '../lib/secret-references.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { commandEntry, loadCommandFile, resolveCommand } from '../mcp/commands.ts'
import type { McpServer } from '../mcp/port.ts'
import type { McpConnectionSpec } from '../schemas/manifests.ts'
import type { SecretResolver } from './secrets.ts'

export type TargetResolver = (connection: {
  organization: string
  spec: McpConnectionSpec
}) => Promise<McpServer>

/** Of what a connection starts here: the program, its arguments, its folder and its environment, secrets by name. */
export type CommandDigest = (command: string) => Promise<string>

export function createCommandDigest({ commandsFile }: { commandsFile: string }): CommandDigest {
  return async (command) => digestOf(commandEntry(await loadCommandFile(commandsFile), command))
}

/** The command file is read at each use, so that an entry that was added reaches a waiting call without a restart. */
export function createTargetResolver(deps: {
  resolveSecret: SecretResolver
  commandsFile: string
}): TargetResolver {
  return async ({ organization, spec }) => {
    const resolve = (name: string): string => deps.resolveSecret(organization, name)
    if (spec.transport === 'stdio') {
      const command = resolveCommand(await loadCommandFile(deps.commandsFile), spec.command, resolve)
      return { type: 'stdio', ...command, poolKey: organization }
    }
    const headers = Object.entries(spec.headers).map(
      ([name, text]) => [name, fillSecrets(text, resolve)] as const,
    )
    return {
      type: 'http',
      url: spec.url,
      headers: Object.fromEntries(headers),
      allowPrivateAddresses: spec.allow_private_addresses,
      poolKey: organization,
    }
  }
}
