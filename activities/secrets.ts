/**
 * `${secret:NAME}` in connections, resolved where it is needed and never earlier: in the activity, for one call. An
 * organization's own secret comes before a shared one. Nothing else of the environment can be named.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { CodedError } from '../schemas/errors.ts'

/** Throws SECRET_NOT_FOUND. */
export type SecretResolver = (organization: string, name: string) => string

const SecretsFileSchema = z.strictObject({
  shared: z.record(z.string(), z.string()).default({}),
  organizations: z.record(z.string(), z.record(z.string(), z.string())).default({}),
})

/** The file is read at each use, so that a secret that was added reaches a waiting call without a restart. */
export function createSecretResolver(sources: {
  environment: Record<string, string>
  file?: string | undefined
}): SecretResolver {
  return (organization, name) => {
    const file = sources.file === undefined ? undefined : readSecretsFile(sources.file)
    const value = file?.organizations[organization]?.[name] ?? file?.shared[name] ?? sources.environment[name]
    if (!value)
      throw new CodedError('SECRET_NOT_FOUND', `secret ${name} of ${organization} is not set on this worker`)
    return value
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
