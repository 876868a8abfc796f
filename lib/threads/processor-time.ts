/**
 * Time that a thread has had of a processor. Limits of work are counted in it: a process that was stopped for a minute,
 * or a machine that gives it a tenth, would else be taken for work that does not end.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/** Where the kernel counts for one thread. Null where it does not, as outside of Linux: then the wall clock counts. */
export type ThreadClock = string | null

const NS_PER_MS = 1_000_000

/** Of the thread that calls it. */
export function ownClock(): ThreadClock {
  try {
    const file = `/proc/${readlinkSync('/proc/thread-self')}/schedstat`
    return readMs(file) > 0 ? file : null
  } catch {
    // What cannot be read is not there.
    return null
  }
}

/** Of a thread of this process, since some beginning; infinite if it has ended. */
export function processorMs(clock: ThreadClock): number {
  if (clock === null) return performance.now()
  try {
    return readMs(clock)
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return Number.POSITIVE_INFINITY
    throw error
  }
}

/**
 * Where a machine is busy, a thread of this process has what the others leave. The kernel that counts for one thread also
 * takes its number for that of a process.
 */
export function letOthersFirst(clock: ThreadClock): void {
  const threadId = Number(clock?.split('/').at(-2))
  const { PRIORITY_BELOW_NORMAL } = constants.priority
  // Nobody may go back before what its process has been given.
  if (threadId > 0) setPriority(threadId, Math.max(PRIORITY_BELOW_NORMAL, getPriority()))
}

function readMs(file: string): number {
  return Number(readFileSync(file, 'utf8').split(' ', 1)[0]) / NS_PER_MS
}
