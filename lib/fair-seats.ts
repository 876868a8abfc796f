/**
 * Seats for work that takes a processor or a place from others. Whoever waits is served in turn, owner by owner, however
 * many each has waiting; and one owner never has more than its share, so that another finds a seat at once.
 */
export interface Seats {
  /** Gives the seat back, once. Rejects with the signal's reason if it is aborted before. */
  take: (owner: string, signal?: AbortSignal) => Promise<() => void>
}

export function createSeats({ total, perOwner }: { total: number; perOwner: number }): Seats {
  const taken = new Map<string, number>()
  /** The owner that was served last stands last. */
  const queues = new Map<string, Set<() => void>>()
  let free = total

  function giveBack(owner: string): void {
    const left = (taken.get(owner) ?? 0) - 1
    if (left > 0) taken.set(owner, left)
    else taken.delete(owner)
    free++
    serve()
  }

  function serve(): void {
    for (const [owner, queue] of queues) {
      if (free === 0) return
      const [next] = queue
      if (next === undefined || (taken.get(owner) ?? 0) >= perOwner) continue
      leave(owner, next)
      const rest = queues.get(owner)
      if (rest !== undefined) {
        queues.delete(owner)
        queues.set(owner, rest)
      }
      free--
      taken.set(owner, (taken.get(owner) ?? 0) + 1)
      next()
    }
  }

  function leave(owner: string, waiting: () => void): void {
    const queue = queues.get(owner)
    queue?.delete(waiting)
    if (queue?.size === 0) queues.delete(owner)
  }

  async function take(owner: string, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        leave(owner, go)
        reject(signal?.reason as Error)
      }
      const go = (): void => {
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      signal?.addEventListener('abort', stop, { once: true })
      const queue = queues.get(owner) ?? new Set()
      queues.set(owner, queue.add(go))
      serve()
    })
    let isTaken = true
    return () => {
      if (isTaken) giveBack(owner)
      isTaken = false
    }
  }

  return { take }
}
