/** Waiting while things die: an error is only the last word when the time is over. */
import { setTimeout as sleep } from 'node:timers/promises'

const INTERVAL_MS = 150

/** Until `look` gives something. Throws what stood in the way last, or that `what` did not happen. */
export async function patiently<T>(
  what: string,
  patienceMs: number,
  look: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadlineMs = Date.now() + patienceMs
  let last = ''
  for (;;) {
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
      last = ''
    } catch (error) {
      last = `: ${error instanceof Error ? error.message : String(error)}`
    }
    if (Date.now() > deadlineMs) throw new Error(`${what}: not within ${patienceMs / 1000} s${last}`)
    await sleep(INTERVAL_MS)
  }
}
