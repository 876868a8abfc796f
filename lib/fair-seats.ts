/**
 * Seats for work that takes a processor or a place from others. Whoever waits is served in turn, owner by owner, however
 * many each has waiting; and one owner never has more than its share, so that another finds a seat at once.
 */
export interface Seats {
  /** Gives the seat back, once. Rejects with the signal's reason if it is aborted before. */
  take: (owner: string, signal?: AbortSignal) => Promise<() => void>
}

interface Room {
  free: number
  readonly perOwner: number
  readonly taken: Map<string, number>
  /** The owner that was served last stands last. */
  readonly queues: Map<string, Set<() => void>>
}

export function createSeats({ total, perOwner }: { total: number; perOwner: number }): Seats {
  const room: Room = { free: total, perOwner, taken: new Map(), queues: new Map() }
  return {
    async take(owner, signal) {
      signal?.throwIfAborted()
      await turn(room, owner, signal)
      let isTaken = true
      return () => {
        if (isTaken) giveBack(room, owner)
        isTaken = false
      }
    },
  }
}

function turn(room: Room, owner: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      leave(room, owner, go)
      reject(signal?.reason as Error)
    }
    const go = (): void => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }
    signal?.addEventListener('abort', stop, { once: true })
    const queue = room.queues.get(owner) ?? new Set()
    room.queues.set(owner, queue.add(go))
    serve(room)
  })
}

function serve(room: Room): void {
  const { taken, queues, perOwner } = room
  for (const [owner, queue] of queues) {
    if (room.free === 0) return
    const [next] = queue
    const has = taken.get(owner) ?? 0
    if (next === undefined || has >= perOwner) continue
    leave(room, owner, next)
    if (queues.delete(owner)) queues.set(owner, queue)
    room.free--
    taken.set(owner, has + 1)
    next()
  }
}

function leave({ queues }: Room, owner: string, waiting: () => void): void {
  const queue = queues.get(owner)
  queue?.delete(waiting)
  if (queue?.size === 0) queues.delete(owner)
}

function giveBack(room: Room, owner: string): void {
  const left = (room.taken.get(owner) ?? 0) - 1
  if (left > 0) room.taken.set(owner, left)
  else room.taken.delete(owner)
  room.free++
  serve(room)
}
