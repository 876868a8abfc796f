/**
 * The note of which processes a supervisor has started, for the next start after a `kill -9`. It names its owner too:
 * children of an owner that still runs are no leftovers.
 */
import * as fs from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { CodedError } from '../../schemas/errors.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { endProcess, identify, identitySchema, isStillRunning, signalProcess } from './process-identity.ts'
import type { Log } from './waiting.ts'

const entrySchema = z.object({ name: z.string(), identity: identitySchema })
const stateSchema = z.object({ owner: identitySchema, processes: z.array(entrySchema) })

type Entry = z.infer<typeof entrySchema>

export interface ProcessNotes {
  add(name: string, identity: ProcessIdentity): void
  remove(identity: ProcessIdentity): void
  running(): ProcessIdentity[]
  clear(): void
}

export function createNotes(stateFile: string): ProcessNotes {
  let processes: Entry[] = []
  const write = (changed: Entry[]) => {
    processes = changed
    writeState(stateFile, processes)
  }
  return {
    add: (name, identity) => write([...processes, { name, identity }]),
    remove: (identity) => write(processes.filter((entry) => entry.identity !== identity)),
    running: () => processes.map((entry) => entry.identity),
    clear: () => fs.rmSync(stateFile, { force: true }),
  }
}

/** Ends what a dead owner left behind, last started first, and makes us the owner. Refuses while the owner runs. */
export async function takeOverFrom(options: {
  stateFile: string
  graceMs: number
  log: Log
}): Promise<string[]> {
  const { stateFile, graceMs, log } = options
  const state = readState(stateFile)
  if (state !== undefined && state.owner.pid !== process.pid && isStillRunning(state.owner)) {
    const detail = `This is running already (pid ${state.owner.pid}, noted in ${stateFile}). Stop that one first.`
    throw new CodedError('UNAVAILABLE', detail)
  }
  const leftovers = (state?.processes ?? []).filter((entry) => isStillRunning(entry.identity))
  for (const { name, identity } of leftovers.toReversed()) {
    log(`ending ${name} (pid ${identity.pid}), which an earlier start left behind`)
    const gone = await endProcess(identity, { group: true, graceMs })
    if (!gone) {
      const detail = `${name} (pid ${identity.pid}), which an earlier start left behind, does not end. End it with \`kill -9\`.`
      throw new CodedError('UNAVAILABLE', detail)
    }
    // What the process itself had started: the group's number is not given to another one while a member lives.
    signalProcess(identity.pid, 'SIGKILL', true)
  }
  writeState(stateFile, [])
  return leftovers.map((entry) => entry.name)
}

function readState(stateFile: string): z.infer<typeof stateSchema> | undefined {
  try {
    return stateSchema.parse(JSON.parse(fs.readFileSync(stateFile, 'utf8')))
  } catch {
    return undefined
  }
}

function writeState(stateFile: string, processes: Entry[]): void {
  fs.mkdirSync(path.dirname(stateFile), { recursive: true })
  const state = { owner: identify(process.pid), processes }
  fs.writeFileSync(`${stateFile}.new`, JSON.stringify(state, undefined, 2), { mode: 0o600 })
  fs.renameSync(`${stateFile}.new`, stateFile)
}
