/**
 * When this execution came out of a Reset. Temporal delivers the end of a child only while an execution of its parent is
 * open: an execution that begins later, by a Reset, is never told (https://github.com/temporalio/temporal/issues/10639).
 */
import { CancellationScope, condition } from '@temporalio/workflow'
import { getActivator } from '@temporalio/workflow/lib/global-attributes.js'

type Listener = () => void

const listeners = new Set<Listener>()
let isWatching = false

/**
 * Calls `react` once, at the Reset that is played after `seed` was current, if there is one. Gives what forgets it.
 * The place is the same whenever the history is played again.
 */
export function onReset(seed: Seed, react: Listener): () => void {
  if (seedNow() !== seed) {
    react()
    return () => undefined
  }
  listeners.add(react)
  if (!isWatching) void CancellationScope.nonCancellable(watch)
  isWatching = true
  return () => listeners.delete(react)
}

type Seed = readonly number[]

/** A Reset gives an execution a new seed for its random numbers; the SDK tells workflow code of it by nothing else. */
export function seedNow(): Seed {
  return getActivator().randomnessSeed
}

/** One for all listeners: the SDK keeps a condition in memory until its scope ends, which here is the run. */
async function watch(): Promise<never> {
  for (;;) {
    const seed = seedNow()
    await condition(() => seedNow() !== seed)
    const told = [...listeners]
    listeners.clear()
    for (const react of told) react()
  }
}
