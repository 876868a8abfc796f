/**
 * Finds the Temporal CLI (server, Web UI and client in one program), or gets it: download, then build.
 * Every try is told with its time; what was got is kept in the user's cache under the hash of the pinned module,
 * so that the next clone finds it.
 */
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { CodedError } from '../../schemas/errors.ts'
import { withLock } from './lock.ts'
import { buildTemporal } from './temporal-build.ts'
import { downloadTemporal } from './temporal-download.ts'
import type { Log } from './waiting.ts'
import { messageOf, run, seconds } from './waiting.ts'

export type TemporalSource = 'TEMPORAL_CLI_PATH' | 'PATH' | 'cache' | 'download' | 'build'

export interface TemporalBinary {
  path: string
  source: TemporalSource
}

export interface FindTemporalOptions {
  env: Record<string, string | undefined>
  log: Log
  /** Where the Temporal project answers what to download; another one in tests. */
  downloadOrigin?: string
}

const MODULE_FOLDER = fileURLToPath(new URL('../temporal/', import.meta.url))
const DOWNLOAD_ORIGIN = 'https://temporal.download'
/** A build takes three to five minutes on two cores, more on one. */
const LOCK_TIMEOUT_MS = 40 * 60_000
const NEEDED_FLAGS = ['--db-filename', '--sqlite-pragma', '--dynamic-config-value']

export async function findTemporalBinary(options: FindTemporalOptions): Promise<TemporalBinary> {
  const { env, log } = options
  const named = env['TEMPORAL_CLI_PATH']
  if (named !== undefined && named !== '') {
    const reason = await whyUnusable(named, env)
    if (reason === undefined) return { path: named, source: 'TEMPORAL_CLI_PATH' }
    const detail = `TEMPORAL_CLI_PATH names ${named}, which cannot be used: ${reason}. Correct it, or unset it to have one found.`
    throw new CodedError('UNAVAILABLE', detail)
  }
  const onPath = findOnPath('temporal', env['PATH'])
  if (onPath !== undefined) {
    const reason = await whyUnusable(onPath, env)
    if (reason === undefined) return { path: onPath, source: 'PATH' }
    log(`the Temporal CLI on PATH (${onPath}) cannot be used: ${reason}`)
  }
  const target = cachedBinaryPath(env)
  if (await isCached(target, options)) return { path: target, source: 'cache' }
  const lock = {
    file: `${target}.lock`,
    purpose: 'getting the Temporal CLI',
    timeoutMs: LOCK_TIMEOUT_MS,
    log,
  }
  return withLock(lock, async () => {
    // Whoever held the lock before may have got it.
    if (await isCached(target, options)) return { path: target, source: 'cache' as const }
    return { path: target, source: await obtain(target, options) }
  })
}

/** The name carries the hash of go.mod and go.sum, which pin every byte the build is made from. */
export function cachedBinaryPath(env: Record<string, string | undefined>): string {
  const hash = createHash('sha256')
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(path.join(MODULE_FOLDER, name)))
  const cacheRoot = env['XDG_CACHE_HOME'] || path.join(env['HOME'] || homedir(), '.cache')
  return path.join(cacheRoot, 'countersign', `temporal-${hash.digest('hex').slice(0, 16)}`)
}

async function isCached(target: string, options: FindTemporalOptions): Promise<boolean> {
  if (!existsSync(target)) return false
  const reason = await whyUnusable(target, options.env)
  if (reason === undefined) return true
  options.log(`the cached Temporal CLI (${target}) cannot be used and is removed: ${reason}`)
  rmSync(target, { force: true })
  return false
}

async function obtain(target: string, options: FindTemporalOptions): Promise<TemporalSource> {
  const { env, log } = options
  const version = pinnedVersion()
  const failures: string[] = []
  const tries = [
    {
      source: 'download',
      work: () =>
        downloadTemporal({ origin: options.downloadOrigin ?? DOWNLOAD_ORIGIN, version, target, check, log }),
    },
    {
      source: 'build',
      work: () =>
        buildTemporal({ go: findOnPath('go', env['PATH']), moduleFolder: MODULE_FOLDER, target, env, log }),
    },
  ] as const
  async function check(file: string): Promise<void> {
    const reason = await whyUnusable(file, env)
    if (reason !== undefined) throw new Error(`what was downloaded cannot be used: ${reason}`)
  }
  for (const { source, work } of tries) {
    const startedAt = Date.now()
    try {
      await work()
      log(
        `the Temporal CLI ${version} is ready after ${seconds(Date.now() - startedAt)} (${source}): ${target}`,
      )
      return source
    } catch (error) {
      const failure = `${source} failed after ${seconds(Date.now() - startedAt)}: ${messageOf(error)}`
      log(`getting the Temporal CLI: ${failure}`)
      failures.push(failure)
    }
  }
  throw new CodedError('UNAVAILABLE', `${failures.join('. ')}. ${whatToInstall(version)}`)
}

function whatToInstall(version: string): string {
  return (
    `Install the Temporal CLI ${version} (https://docs.temporal.io/cli) so that \`temporal\` is on PATH or ` +
    'TEMPORAL_CLI_PATH names it, or install Go, with which it is built, or set TEMPORAL_ADDRESS to a running server.'
  )
}

function pinnedVersion(): string {
  const goMod = readFileSync(path.join(MODULE_FOLDER, 'go.mod'), 'utf8')
  const version = /github\.com\/temporalio\/cli (v\S+)/.exec(goMod)?.[1]
  if (version === undefined)
    throw new CodedError('INTERNAL', 'scripts/temporal/go.mod does not pin the Temporal CLI.')
  return version
}

/** Asks the program itself: it may be absent, broken, for another machine, something else, or too old. */
async function whyUnusable(
  file: string,
  env: Record<string, string | undefined>,
): Promise<string | undefined> {
  const help = await run(file, ['server', 'start-dev', '--help'], { env, timeoutMs: 20_000 })
  if (!help.succeeded) return help.output.slice(-300) || 'it ends with an error'
  const missing = NEEDED_FLAGS.filter((flag) => !help.output.includes(flag))
  return missing.length === 0
    ? undefined
    : `its \`server start-dev\` has no ${missing.join(', ')}; it is too old`
}

function findOnPath(name: string, searchPath: string | undefined): string | undefined {
  for (const folder of (searchPath ?? '').split(path.delimiter)) {
    if (folder === '') continue
    const file = path.join(folder, name)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      continue
    }
  }
  return undefined
}
