/**
 * Whether Temporal is there, as far as this process knows: told by whoever asked it last. Only a hint: what is left
 * undone because of it is done by the relay.
 */

/** Believed for so long without being told again; then somebody has to try. The watcher tells more often. */
const BELIEF_MS = 10_000

export interface Presence {
  isAway(): boolean
  note(isThere: boolean): void
  /** Called each time that Temporal has come back; gives the function that ends it. */
  onReturn(listener: () => void): () => void
}

export function createPresence(nowMs: () => number = Date.now): Presence {
  let awaySinceMs: number | undefined
  const listeners = new Set<() => void>()
  return {
    isAway: () => awaySinceMs !== undefined && nowMs() - awaySinceMs < BELIEF_MS,
    note(isThere) {
      const wasAway = awaySinceMs !== undefined
      awaySinceMs = isThere ? undefined : nowMs()
      if (isThere && wasAway) for (const listener of listeners) listener()
    },
    onReturn(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
