/** The configuration as the CLI reads it: what is wrong with the environment is told like a wrong option. */
import { loadConfig, type Config } from '../config.ts'
import { UsageError } from './errors.ts'

/** For commands that do not use our database. */
export function readConfigHere(options: Partial<Config>, environment: Record<string, string>): Config {
  return readConfig(options, { ...environment, DATABASE_URL: 'postgres://not.used', DATABASE_URL_FILE: '' })
}

export function readConfig(options: Partial<Config>, environment: Record<string, string>): Config {
  try {
    return loadConfig(options, environment)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
