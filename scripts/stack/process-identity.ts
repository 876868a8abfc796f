/**
 * Tells whether a pid noted earlier is still the same process, so that nothing foreign is ever signalled.
 * Linux: start time in clock ticks plus the boot's id. Elsewhere (no /proc): start time and command from `ps`.
 * A zombie counts as gone: it holds no port, no file and no lock, but answers signals until its parent reaps it.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { isErrno, until } from './waiting.ts'

export const identitySchema = z.object({ pid: z.number(), startedAt: z.string(), command: z.string() })

export type ProcessIdentity = z.infer<typeof identitySchema>

const HAS_PROC = existsSync('/proc/self/stat')

/** Undefined when there is no such process, or only its zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined
  return HAS_PROC ? identifyFromProc(pid) : identifyFromPs(pid)
}

export function isStillRunning(identity: ProcessIdentity): boolean {
  const current = identify(identity.pid)
  if (current === undefined || current.startedAt !== identity.startedAt) return false
  return HAS_PROC || current.command === identity.command
}

function identifyFromProc(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the name in brackets and may itself hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, startTicks] = [fields[0], fields[19]]
    if (startTicks === undefined || state === 'Z' || state === 'X') return undefined
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()
    return { pid, startedAt: `${bootId}/${startTicks}`, command }
  } catch {
    return undefined
  }
}

function identifyFromPs(pid: number): ProcessIdentity | undefined {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=,command=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { PATH: '/bin:/usr/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return identityFromPsLine(pid, line)
  } catch {
    return undefined
  }
}

/** One line of `ps -o stat=,lstart=,command=`; `lstart` is five words such as `Fri Nov 20 23:59:45 2026`. */
export function identityFromPsLine(pid: number, line: string): ProcessIdentity | undefined {
  const [state, ...words] = line.trim().split(/\s+/)
  if (state === undefined || state.startsWith('Z') || words.length < 6) return undefined
  return { pid, startedAt: words.slice(0, 5).join(' '), command: words.slice(5).join(' ') }
}

export interface EndOptions {
  /** Also signal the process group that the process leads. */
  group?: boolean
  firstSignal?: NodeJS.Signals
  graceMs?: number
}

/** Asks, waits `graceMs`, then kills. True when the process is gone afterwards (also when it was before). */
export async function endProcess(identity: ProcessIdentity, options: EndOptions = {}): Promise<boolean> {
  const steps = [
    { signal: options.firstSignal ?? 'SIGTERM', waitMs: options.graceMs ?? 10_000 },
    { signal: 'SIGKILL', waitMs: 5_000 },
  ] as const
  for (const { signal, waitMs } of steps) {
    if (!isStillRunning(identity)) return true
    signalProcess(identity.pid, signal, options.group)
    const gone = await until(() => (isStillRunning(identity) ? undefined : true), { timeoutMs: waitMs })
    if (gone) return true
  }
  return !isStillRunning(identity)
}

/** A process that ended between look and signal is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals, group = false): void {
  try {
    process.kill(group ? -pid : pid, signal)
  } catch (error) {
    if (!isErrno(error, 'ESRCH') && !isErrno(error, 'EPERM')) throw error
  }
}
