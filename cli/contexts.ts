/**
 * The servers somebody has logged in to, with a key for each, in the folder of the user's configuration. The file holds
 * keys: only its owner may read it, and one that others can read is not used.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { nearestName } from '../lib/nearest-name.ts'
import { hostEnvironment } from '../scripts/stack/host-environment.ts'
import { UsageError } from './errors.ts'

const ContextSchema = z.object({
  url: z.url(),
  key: z.string().min(1),
  /** As the server said at the login. */
  organization: z.string(),
  principal: z.string(),
})

const ContextsSchema = z.object({
  current: z.string().nullable(),
  contexts: z.record(z.string(), ContextSchema),
})

export type Context = z.infer<typeof ContextSchema>
export type Contexts = z.infer<typeof ContextsSchema>
export type NamedContext = Context & { name: string }

const CONTEXT_NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/

export function assertContextName(name: string): void {
  if (CONTEXT_NAME.test(name)) return
  throw new UsageError(`${name} cannot be the name of a context.`, 'Use letters, digits and . _ : - only.')
}

export function contextsFile(): string {
  return join(configFolder(), 'contexts.json')
}

/** A relative XDG_CONFIG_HOME is to be ignored, says its specification. */
function configFolder(): string {
  const { XDG_CONFIG_HOME: named = '' } = hostEnvironment()
  return join(isAbsolute(named) ? named : join(homedir(), '.config'), 'countersign')
}

export function readContexts(): Contexts {
  const file = contextsFile()
  const found = statSync(file, { throwIfNoEntry: false })
  if (found === undefined) return { current: null, contexts: {} }
  if ((found.mode & 0o077) !== 0) {
    throw new UsageError(`${file} holds keys, and others may read it.`, `Close it: chmod 600 ${file}`)
  }
  try {
    return ContextsSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    throw new UsageError(`${file} does not have the expected form.`, 'Remove it and log in again.')
  }
}

export function writeContexts(contexts: Contexts): void {
  const folder = configFolder()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // The mode above is for a new folder only.
  chmodSync(folder, 0o700)
  const temporary = `${contextsFile()}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
  renameSync(temporary, contextsFile())
}

export function currentContext({ current, contexts }: Contexts): NamedContext | undefined {
  const context = current === null ? undefined : contexts[current]
  return current === null || context === undefined ? undefined : { name: current, ...context }
}

export function requireContext({ contexts }: Contexts, name: string): NamedContext {
  const context = Object.hasOwn(contexts, name) ? contexts[name] : undefined
  if (context !== undefined) return { name, ...context }
  const names = Object.keys(contexts)
  const nearest = nearestName(name, names)
  const known =
    names.length === 0 ? 'There are none: `countersign login`.' : `There are: ${names.join(', ')}.`
  throw new UsageError(`There is no context ${name}.`, nearest ? `Did you mean ${nearest}?` : known)
}
