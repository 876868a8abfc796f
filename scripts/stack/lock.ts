/**
 * A lock between processes on one machine, held by a file that names its owner.
 * It appears with its content in one step (hard link), and is taken over only from an owner that is gone.
 */
import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { CodedError } from '../../schemas/errors.ts'
import { identify, identitySchema, isStillRunning } from './process-identity.ts'
import type { Log } from './waiting.ts'
import { isErrno, until } from './waiting.ts'

const TELL_EVERY_MS = 5_000
const TAKEOVER_MAX_AGE_MS = 10_000

export interface LockOptions {
  file: string
  /** What the owner does, for the line that a waiting process prints. */
  purpose: string
  timeoutMs: number
  log: Log
}

export async function withLock<Value>(options: LockOptions, work: () => Promise<Value>): Promise<Value> {
  mkdirSync(path.dirname(options.file), { recursive: true })
  const startedAt = Date.now()
  let nextTell = startedAt
  const taken = await until(
    () => {
      if (tryTake(options.file)) return true
      if (Date.now() >= nextTell) {
        const waitedSeconds = Math.round((Date.now() - startedAt) / 1000)
        options.log(`another process is at work: ${options.purpose}; waiting (${waitedSeconds} s)`)
        nextTell = Date.now() + TELL_EVERY_MS
      }
      return undefined
    },
    { timeoutMs: options.timeoutMs, intervalMs: 100 },
  )
  if (!taken) {
    const detail = `Another process has held ${options.file} for ${options.timeoutMs / 1000} s (${options.purpose}).`
    throw new CodedError('UNAVAILABLE', detail)
  }
  try {
    return await work()
  } finally {
    rmSync(options.file, { force: true })
  }
}

function tryTake(file: string): boolean {
  if (createWithOwner(file)) return true
  if (ownerIsAlive(file)) return false
  // Only one process at a time may remove a dead owner's file, else the second would remove the first one's new lock.
  const takeover = `${file}.takeover`
  if (!createWithOwner(takeover)) {
    if (ageMs(takeover) > TAKEOVER_MAX_AGE_MS) rmSync(takeover, { force: true })
    return false
  }
  try {
    if (ownerIsAlive(file)) return false
    rmSync(file, { force: true })
    return createWithOwner(file)
  } finally {
    rmSync(takeover, { force: true })
  }
}

function createWithOwner(file: string): boolean {
  const own = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  writeFileSync(own, JSON.stringify(identify(process.pid)))
  try {
    linkSync(own, file)
    return true
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

function ownerIsAlive(file: string): boolean {
  try {
    const owner = identitySchema.safeParse(JSON.parse(readFileSync(file, 'utf8')))
    return owner.success && isStillRunning(owner.data)
  } catch {
    return false
  }
}

function ageMs(file: string): number {
  return Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
}
