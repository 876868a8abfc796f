/** From a connection's manifest to what can be reached: secrets and commands resolved, for this call only. */
import { allowedFor, placeOf, type AllowedHost, type Place } from '../lib/allowed-hosts.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { readDatabaseAddress, type DatabaseAddress } from '../lib/database-address.ts'
import { AddressRefusedError, refuseLiteral } from '../lib/guarded-lookup.ts'
import { headersTooLarge } from '../lib/header-bounds.ts'
import { fillSecrets, fillSecretsInUrl, isOneSecret, secretNames } from '../lib/secret-references.ts'
import { commandEntry, loadCommandFile, resolveCommand } from '../mcp/commands.ts'
import type { HttpServer, StdioServer } from '../mcp/port.ts'
import { CodedError } from '../schemas/errors.ts'
import type { McpConnectionSpec, PostgresConnectionSpec } from '../schemas/manifests.ts'
import type { TargetDatabase } from './executors/sql-targets.ts'
import type { SecretResolver } from './secrets.ts'

/** What a program is, is said by the worker's own file. */
export type Target = HttpServer | (StdioServer & { commandSha256: string })

export type TargetResolver = (connection: {
  organization: string
  spec: McpConnectionSpec
}) => Promise<Target>

export type DatabaseResolver = (connection: {
  organization: string
  spec: PostgresConnectionSpec
}) => TargetDatabase

export interface ResolverDeps {
  resolveSecret: SecretResolver
  commandsFile: string
  /** Private hosts that connections may reach; none unless the operator says so. */
  allowedHosts?: readonly AllowedHost[] | undefined
}

/** The command file is read at each use, so that an entry that was added reaches a waiting call without a restart. */
export function createTargetResolver(deps: ResolverDeps): TargetResolver {
  return async ({ organization, spec }) => {
    const { secrets, resolveFor } = keepResolved(deps.resolveSecret, organization)
    if (spec.transport === 'stdio') {
      const file = await loadCommandFile(deps.commandsFile)
      const named = { name: spec.command, organization }
      // Where the secrets of a command go, the operator has said.
      const command = resolveCommand(file, named, resolveFor(null))
      // Of the program, its arguments, its folder and its environment, secrets by name: from the same reading of the file.
      const commandSha256 = digestOf(commandEntry(file, named))
      return { type: 'stdio', ...command, secrets, poolKey: organization, commandSha256 }
    }
    const resolve = resolveFor(placeOf(new URL(spec.url)))
    const headers = Object.fromEntries(
      Object.entries(spec.headers).map(([name, text]) => [name, fillSecrets(text, resolve)] as const),
    )
    const tooLarge = headersTooLarge(headers)
    if (tooLarge !== null) throw new CodedError('HEADERS_TOO_LARGE', tooLarge)
    return {
      type: 'http',
      url: spec.url,
      headers,
      secrets,
      allowedHosts: spec.allow_private_addresses ? allowedFor(deps.allowedHosts ?? [], organization) : [],
      poolKey: organization,
    }
  }
}

/** Throws ADDRESS_NOT_ALLOWED for an address that is not taken, before anything is connected to. */
export function createDatabaseResolver(deps: ResolverDeps): DatabaseResolver {
  return ({ organization, spec: { url, tls = {} } }) => {
    const { secrets, resolveFor } = keepResolved(deps.resolveSecret, organization)
    const filledUrl = fillSecretsInUrl(url, resolveFor(null))
    const address = addressOf(filledUrl)
    const resolve = resolveFor(address)
    // An address that is a secret as a whole goes nowhere but where it says itself.
    if (!isOneSecret(url)) for (const name of secretNames(url)) resolve(name)
    refuse(() => refuseLiteral(address, allowedFor(deps.allowedHosts ?? [], organization)))
    const filled = Object.entries(tls).map(
      ([field, text]) => [field, fillSecrets(text ?? '', resolve)] as const,
    )
    return { organization, address, tls: Object.fromEntries(filled), secrets: [filledUrl, ...secrets] }
  }
}

/** Keeps what was resolved, for whoever takes it out of what comes back. */
function keepResolved(
  resolve: SecretResolver,
  organization: string,
): { secrets: string[]; resolveFor: (place: Place | null) => (name: string) => string } {
  const secrets: string[] = []
  const resolveFor = (place: Place | null) => (name: string) => {
    const value = resolve(organization, name, place)
    secrets.push(value)
    return value
  }
  return { secrets, resolveFor }
}

function addressOf(url: string): DatabaseAddress {
  const read = readDatabaseAddress(url)
  if ('address' in read) return read.address
  throw new CodedError('ADDRESS_NOT_ALLOWED', `the address of the database: ${read.problems.join('; ')}`)
}

function refuse(check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof AddressRefusedError)) throw error
    throw new CodedError('ADDRESS_NOT_ALLOWED', error.message, { cause: error })
  }
}
