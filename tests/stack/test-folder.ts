/**
 * Throwaway folders of the test runs, each with the servers whose data is in it. What a killed run could not clean up
 * is ended and removed by the next one: a folder names the process it belongs to.
 */
import * as fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { discardPostgres, postgresServerOf } from '../../scripts/stack/postgres.ts'
import {
  endProcess,
  identify,
  identitySchema,
  isStillRunning,
  signalProcess,
} from '../../scripts/stack/process-identity.ts'
import { temporalServerOf } from '../../scripts/stack/temporal.ts'

const PREFIX = 'countersign-test-'
const OWNERLESS_MAX_AGE_MS = 60_000

export interface TestFolder {
  folder: string
  postgresDir: string
  temporalDbFile: string
}

export function makeTestFolder(): TestFolder {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), PREFIX))
  // PostgreSQL runs as another user when this is root, and has to pass through.
  fs.chmodSync(folder, 0o755)
  fs.writeFileSync(ownerFile(folder), JSON.stringify(identify(process.pid)))
  return placesIn(folder)
}

/** Ends the servers whose data is in it first. */
export async function removeTestFolder(folder: string): Promise<void> {
  const { postgresDir, temporalDbFile } = placesIn(folder)
  await discardPostgres(postgresDir)
  const temporal = temporalServerOf(temporalDbFile)
  if (temporal !== undefined) await endProcess(temporal, { firstSignal: 'SIGKILL' })
  fs.rmSync(folder, { recursive: true, force: true })
}

/** For a process that is exiting and can wait for nothing: the servers end; the next run removes the folder. */
export function endServersOf(folder: string): void {
  const { postgresDir, temporalDbFile } = placesIn(folder)
  const postgres = postgresServerOf(postgresDir)
  const temporal = temporalServerOf(temporalDbFile)
  if (postgres !== undefined) signalProcess(postgres.pid, 'SIGQUIT')
  if (temporal !== undefined) signalProcess(temporal.pid, 'SIGKILL')
}

export async function removeFoldersOfDeadRuns(log: (line: string) => void): Promise<void> {
  for (const name of fs.readdirSync(os.tmpdir())) {
    const folder = path.join(os.tmpdir(), name)
    if (!name.startsWith(PREFIX) || !belongsToDeadRun(folder)) continue
    await removeTestFolder(folder).catch((error: unknown) => log(`${folder} stays: ${String(error)}`))
  }
}

/** Somebody else's folders are theirs, and a new one without an owner may be one that another run is just making. */
function belongsToDeadRun(folder: string): boolean {
  const found = fs.statSync(folder, { throwIfNoEntry: false })
  if (found === undefined || found.uid !== process.getuid?.()) return false
  try {
    const owner = identitySchema.parse(JSON.parse(fs.readFileSync(ownerFile(folder), 'utf8')))
    return !isStillRunning(owner)
  } catch {
    return Date.now() - found.mtimeMs > OWNERLESS_MAX_AGE_MS
  }
}

function placesIn(folder: string): TestFolder {
  return {
    folder,
    postgresDir: path.join(folder, 'postgres'),
    temporalDbFile: path.join(folder, 'temporal.db'),
  }
}

function ownerFile(folder: string): string {
  return path.join(folder, 'owner.json')
}
