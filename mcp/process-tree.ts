/**
 * Whether all of a program can be ended: the process that was started, and on Linux what it has started in turn. A write
 * in the pipe of one that stands still and cannot be ended would be made whenever it goes on.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** No such link, and no such process. */
const GONE = new Set<string | undefined>(['ENOENT', 'ESRCH'])

/** False: there is no such group any more, or none of it is ours to end. */
export function signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    return process.kill(-group, signal)
  } catch {
    return false
  }
}

/** False: nobody is left in this group, and its id is free for another one. */
export function isThere(group: number): boolean {
  try {
    return process.kill(-group, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** False: it runs under an account whose programs this process may not end. That of one that is gone is nobody's. */
export function mayEnd(pid: number | undefined): boolean {
  try {
    return pid === undefined || process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM'
  }
}

/** What a process reads, as its kernel names it. Null: no Linux, or we may not look. */
export function inputOf(pid: number): string | null {
  try {
    return readlinkSync(inputPath(pid))
  } catch {
    return null
  }
}

function inputPath(pid: number): string {
  return `/proc/${pid}/fd/0`
}

/**
 * Why not all of a group would end with it: something in it has another account (`not_ours`), or something that was
 * started from it has left the group and reads its input (`out_of_reach`). What has left it and reads something else, as
 * a browser does, gets no write from us. Null: all of it would.
 */
export function whyNotEndable(group: number, input: string | null): 'not_ours' | 'out_of_reach' | null {
  for (const pid of withDescendants(group)) {
    const status = statusOf(pid)
    // Ended, and not looked at yet by its parent.
    if (status?.state === 'Z') continue
    if (!mayEnd(pid)) return 'not_ours'
    if (status && status.group !== group && readsThe(input, pid)) return 'out_of_reach'
  }
  return null
}

/** Also where we may not look. What has closed its input, or is just ending, reads nothing. */
function readsThe(input: string | null, pid: number): boolean {
  try {
    return input === null || readlinkSync(inputPath(pid)) === input
  } catch (error) {
    return !GONE.has((error as NodeJS.ErrnoException).code)
  }
}

/** Only the process itself where the kernel does not tell of children. */
function withDescendants(pid: number): number[] {
  const found = [pid]
  // Grows while it is walked.
  for (const each of found) found.push(...childrenOf(each))
  return found
}

/** Each of its threads may have started some. */
function childrenOf(pid: number): number[] {
  return attempt([], () =>
    readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      attempt([], () =>
        readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
          .split(' ')
          .filter((id) => id !== '')
          .map(Number),
      ),
    ),
  )
}

function statusOf(pid: number): { state: string; group: number } | null {
  return attempt(null, () => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // A name in parentheses may hold anything, also parentheses.
    const [state = '', , group = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state, group: Number(group) }
  })
}

/** A process may end at any time, and then its files are gone. */
function attempt<T>(otherwise: T, read: () => T): T {
  try {
    return read()
  } catch {
    return otherwise
  }
}
