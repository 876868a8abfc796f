/** Collects garbage while something is under way, as a busy process does: what only a weak reference keeps is gone then. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const INTERVAL_MS = 250

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

export async function whileCollecting<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(collect, INTERVAL_MS)
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}
