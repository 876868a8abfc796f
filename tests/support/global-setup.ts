/**
 * One PostgreSQL and one Temporal server per test run, on throwaway data, or those that DATABASE_URL and
 * TEMPORAL_ADDRESS name. What a killed run left behind is ended and removed at the next one.
 */
import type { TestProject } from 'vitest/node'
import { ensureLogin } from '../../scripts/stack/database-roles.ts'
import { startPostgres } from '../../scripts/stack/postgres.ts'
import { startTemporal } from '../../scripts/stack/temporal.ts'
import { findTemporalBinary } from '../../scripts/stack/temporal-binary.ts'
import { LOGINS } from './logins.ts'
import type { TestFolder } from '../stack/test-folder.ts'
import {
  endServersOf,
  makeTestFolder,
  removeFoldersOfDeadRuns,
  removeTestFolder,
} from '../stack/test-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser and maintenance database: make your own with `ensureDatabase(inject('databaseUrl'), name)`. */
    databaseUrl: string
    temporalAddress: string
    /** Empty when TEMPORAL_ADDRESS names a server and no program was looked for. */
    temporalBinary: string
    temporalUiUrl: string
  }
}

const log = (line: string) => process.stderr.write(`[test setup] ${line}\n`)

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeFoldersOfDeadRuns(log)
  const places = makeTestFolder()
  // Vitest ends at once on Ctrl-C, without a teardown.
  const onExit = () => endServersOf(places.folder)
  process.once('exit', onExit)
  const teardown = async () => {
    process.off('exit', onExit)
    await removeTestFolder(places.folder)
  }
  const results = await Promise.allSettled([
    providePostgres(project, places),
    provideTemporal(project, places),
  ])
  const failed = results.find((result) => result.status === 'rejected')
  if (failed === undefined) return teardown
  await teardown()
  throw failed.reason
}

async function providePostgres(project: TestProject, places: TestFolder): Promise<void> {
  const databaseUrl = process.env['DATABASE_URL'] || undefined
  const postgres = await startPostgres({
    dataDir: places.postgresDir,
    databaseUrl,
    throwaway: true,
    log: quiet,
  })
  project.provide('databaseUrl', postgres.url)
  for (const login of Object.values(LOGINS)) await ensureLogin(postgres.url, login)
}

async function provideTemporal(project: TestProject, places: TestFolder): Promise<void> {
  const address = process.env['TEMPORAL_ADDRESS'] || undefined
  const binary = address === undefined ? await findTemporalBinary({ env: process.env, log }) : undefined
  const temporal = await startTemporal({
    address,
    binary: binary?.path,
    dbFile: places.temporalDbFile,
    log: quiet,
  })
  project.provide('temporalAddress', temporal.address)
  project.provide('temporalBinary', binary?.path ?? '')
  project.provide('temporalUiUrl', temporal.uiUrl ?? '')
}

/** A start that goes well needs no words; one that fails throws. */
function quiet(): void {
  return undefined
}
