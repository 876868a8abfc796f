/** Small things to read: many of them at one stretch are one large thing. */

const STRETCH_MS = 5

interface Stretch {
  endsAtMs: number
  /** In the order in which they came. */
  waiting: (() => void)[]
}

const stretches = new Map<string, Stretch>()

/** At once, unless this owner has had a few milliseconds of this round of the event loop: then in the next one. */
export function inStretch<T>(owner: string, read: () => T): T | Promise<T> {
  const stretch = stretches.get(owner) ?? begin(owner)
  if (stretch.waiting.length === 0 && performance.now() < stretch.endsAtMs) return read()
  return new Promise((resolve, reject) => {
    stretch.waiting.push(() => {
      try {
        resolve(read())
      } catch (error) {
        reject(error as Error)
      }
    })
  })
}

function begin(owner: string): Stretch {
  const stretch: Stretch = { endsAtMs: performance.now() + STRETCH_MS, waiting: [] }
  stretches.set(owner, stretch)
  setImmediate(() => void goOn(owner, stretch))
  return stretch
}

async function goOn(owner: string, stretch: Stretch): Promise<void> {
  const { waiting } = stretch
  if (waiting.length === 0) return void stretches.delete(owner)
  const begunAtMs = performance.now()
  stretch.endsAtMs = begunAtMs + STRETCH_MS
  while (waiting.length > 0 && performance.now() < stretch.endsAtMs) {
    waiting.shift()?.()
    // What follows from it counts as well: a socket goes on with the next tick.
    await new Promise<void>((resolve) => process.nextTick(resolve))
  }
  const tookMs = performance.now() - begunAtMs
  const next = () => void goOn(owner, stretch)
  // What is not as small as it looks is followed by a rest.
  if (tookMs > 2 * STRETCH_MS) setTimeout(next, tookMs)
  else setImmediate(next)
}
