/**
 * What `countersign dev` notes in its data folder for the other commands: where the API is, and the admin's key. The
 * file holds keys and the database's address, so only its owner may read it.
 */
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { UsageError } from '../errors.ts'

export const DEFAULT_DATA_DIR = '.countersign'

const DevStateSchema = z.object({
  url: z.url(),
  /** The one whose key the CLI uses. */
  organization: z.string(),
  /** Admin keys, by organization. */
  keys: z.record(z.string(), z.string()),
  temporalAddress: z.string(),
  temporalUiUrl: z.string(),
  databaseUrl: z.string(),
  /** Empty once everything was stopped in an orderly way. */
  pids: z.record(z.string(), z.number()),
})

export type DevState = z.infer<typeof DevStateSchema>

/** Undefined when `countersign dev` has never been started there. */
export function readDevState(dataDir: string): DevState | undefined {
  const file = devStateFile(dataDir)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  try {
    return DevStateSchema.parse(JSON.parse(text))
  } catch {
    throw new UsageError(
      `${file} does not have the expected form.`,
      'Remove it and start `countersign dev` again.',
    )
  }
}

export function writeDevState(dataDir: string, state: DevState): void {
  const file = devStateFile(dataDir)
  const temporary = `${file}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  // The mode above is for a new file only.
  chmodSync(temporary, 0o600)
  renameSync(temporary, file)
}

/** For whoever wants to look at the process, or end it. */
export function noteNewPid(dataDir: string, name: string, pid: number): void {
  const state = readDevState(dataDir)
  if (state?.pids[name] === undefined) return
  writeDevState(dataDir, { ...state, pids: { ...state.pids, [name]: pid } })
}

function devStateFile(dataDir: string): string {
  return join(dataDir, 'dev.json')
}
