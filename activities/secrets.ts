/**
 * `${secret:NAME}` in connections, resolved where it is needed and never earlier: in the activity, for one call. An
 * organization's own secret comes before a shared one. Nothing else of the environment can be named.
 *
 * Whoever writes a connection decides where a secret goes, so the operator says where it may: a secret with `hosts` only
 * there. A shared one without goes only to hosts that the operator allows; an organization's own goes where that
 * organization likes.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import {
  allowedFor,
  namesPlace,
  parseAllowedHosts,
  type AllowedHost,
  type Place,
} from '../lib/allowed-hosts.ts'
import { CodedError } from '../schemas/errors.ts'

/**
 * `place`: where it would be sent; null where no connection says that, such as in the operator's command file. Throws
 * SECRET_NOT_FOUND, SECRET_NOT_ALLOWED.
 */
export type SecretResolver = (organization: string, name: string, place: Place | null) => string

const BoundSchema = z.strictObject({
  value: z.string(),
  /** Such as `api.bank.example` or `10.1.0.0/16:5432`. */
  hosts: z.array(z.string().refine(isHost, 'is no host, address or network')).optional(),
  organizations: z.array(z.string()).optional(),
})
const SecretSchema = z.union([z.string().transform((value) => ({ value })), BoundSchema])

const SecretsFileSchema = z.strictObject({
  shared: z.record(z.string(), SecretSchema).default({}),
  organizations: z.record(z.string(), z.record(z.string(), SecretSchema)).default({}),
})

interface Secret extends z.infer<typeof BoundSchema> {
  isShared: boolean
}

interface Sources {
  environment: Record<string, string>
  file?: string | undefined
  /** To these a shared secret may be sent that does not say where. */
  allowedHosts?: readonly AllowedHost[] | undefined
}

/** The file is read at each use, so that a secret that was added reaches a waiting call without a restart. */
export function createSecretResolver(sources: Sources): SecretResolver {
  return (organization, name, place) => {
    const secret = findSecret(sources, organization, name)
    if (!secret?.value)
      throw new CodedError('SECRET_NOT_FOUND', `secret ${name} of ${organization} is not set on this worker`)
    if (secret.organizations?.includes(organization) === false)
      throw new CodedError('SECRET_NOT_ALLOWED', `secret ${name} is not for ${organization}`)
    if (place !== null && !mayGoTo(secret, place, allowedFor(sources.allowedHosts ?? [], organization))) {
      const where = `secret ${name} may not be sent to ${place.hostname}:${place.port}`
      throw new CodedError('SECRET_NOT_ALLOWED', where)
    }
    const { value } = secret
    return value
  }
}

function mayGoTo({ hosts, isShared }: Secret, place: Place, allowed: readonly AllowedHost[]): boolean {
  if (hosts) return namesPlace(parseAllowedHosts(hosts.join(',')), place)
  return !isShared || namesPlace(allowed, place)
}

function findSecret(sources: Sources, organization: string, name: string): Secret | undefined {
  const file = sources.file === undefined ? undefined : readSecretsFile(sources.file)
  const own = valueOf(valueOf(file?.organizations, organization), name)
  if (own) return { ...own, isShared: false }
  const value = valueOf(sources.environment, name)
  const shared = valueOf(file?.shared, name) ?? (value === undefined ? undefined : { value })
  return shared && { ...shared, isShared: true }
}

function valueOf<Value>(values: Record<string, Value> | undefined, name: string): Value | undefined {
  return values && Object.hasOwn(values, name) ? values[name] : undefined
}

function isHost(text: string): boolean {
  try {
    return parseAllowedHosts(text).length === 1
  } catch {
    return false
  }
}

function readSecretsFile(path: string): z.infer<typeof SecretsFileSchema> {
  try {
    return SecretsFileSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    // The cause may quote the content of the file.
    throw new CodedError(
      'SECRET_NOT_FOUND',
      'the secrets file cannot be read, or does not have the documented form',
    )
  }
}
