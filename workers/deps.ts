/** What the plugin needs, taken from the configuration of the process that runs the worker. */
import { existsSync } from 'node:fs'
import type { Trust } from '../activities/decisions.ts'
import { createSecretResolver } from '../activities/secrets.ts'
import { loadEncryptionKeys } from '../codec/encryption.ts'
import { environmentSecrets, loadConfig, type Config } from '../config.ts'
import { createDatabase } from '../db/database.ts'
import { parseAllowedHosts } from '../lib/allowed-hosts.ts'
import { loadSigningKey, loadTrustedKeys, publicKeysFile } from '../lib/keys.ts'
import type { PluginDeps } from './plugin.ts'

/**
 * Throws at once, and not at the first task, when something is missing or wrong. Connects when it is first used; who
 * called it ends `database` when the worker has stopped.
 */
export function pluginDeps(config: Config = loadConfig()): PluginDeps {
  const { encryptionKeysFile } = config
  const allowedHosts = parseAllowedHosts(config.allowedHosts ?? '')
  return {
    signingKey: loadSigningKey(config.keysFolder, 'receipt'),
    trust: trustIn(config.keysFolder, config.identity),
    resolveSecret: createSecretResolver({
      environment: environmentSecrets(),
      file: secretsFileOf(config),
      allowedHosts,
    }),
    allowedHosts,
    commandsFile: config.commandsFile,
    reconciler: config.reconciler,
    encryption: encryptionKeysFile === undefined ? undefined : loadEncryptionKeys(encryptionKeysFile),
    database: createDatabase(config.databaseUrl, { usedBy: 'worker' }),
  }
}

/** The file is read at each use, so that a key that was retired counts for nothing from then on, without a restart. */
export function trustIn(keysFolder: string, identity: Trust['identity']): Trust {
  const file = publicKeysFile(keysFolder)
  loadTrustedKeys(file)
  return {
    identity,
    get keys() {
      return loadTrustedKeys(file)
    },
  }
}

/** A file that is named must be there from the start: else every call would wait for secrets that nobody can add. */
function secretsFileOf(config: Config): string | undefined {
  if (config.secretsFile !== undefined && !existsSync(config.secretsFile)) {
    throw new Error(`COUNTERSIGN_SECRETS_FILE names ${config.secretsFile}, which does not exist`)
  }
  return config.secretsFile
}
