/**
 * Synchronous work that may not end, such as a regular expression that somebody else wrote. The engine stops it, also in
 * the middle of one match; without that it would hold the whole thread, and everything else that the process does.
 */
import { createContext, Script } from 'node:vm'

const slot: { work: () => unknown } = { work: () => undefined }
const context = createContext(slot)
const script = new Script('work()')

/** What the work throws is thrown. */
export function withinTime<T>(
  work: () => T,
  timeoutMs: number,
): { ended: true; value: T } | { ended: false } {
  slot.work = work
  try {
    return { ended: true, value: script.runInContext(context, { timeout: timeoutMs }) as T }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return { ended: false }
    throw error
  } finally {
    slot.work = () => undefined
  }
}
