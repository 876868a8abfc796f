/** A deadline and a signal around any piece of work, kept by our own timer: the SDK's total limit only looks at the clock when progress arrives. */
import { setMaxListeners } from 'node:events'
import { LocalFailure } from './errors.ts'
import type { CallLimits } from './port.ts'

/** Beyond this, setTimeout fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1
/** Our timer always fires first; the SDK's default would cut every call after 60 s. */
const SDK_TIMER_MARGIN_MS = 60_000

/**
 * Rejects with the LocalFailure 'deadline' or 'cancelled' as soon as that happens, and aborts the signal given to
 * `work`. What `work` does afterwards is ignored, so it must end by itself on that signal.
 */
export async function withinLimits<T>(
  limits: CallLimits,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController()
  // The SDK adds a listener for each request and removes none; a listing has many pages.
  setMaxListeners(0, stop.signal)
  const stopped = new Promise<never>((_resolve, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason))
  })
  stopped.catch(() => {})
  const cancel = () => stop.abort(new LocalFailure('cancelled'))
  const timer = setTimeout(() => stop.abort(new LocalFailure('deadline')), remainingMs(limits))
  limits.signal.addEventListener('abort', cancel)
  try {
    if (limits.signal.aborted) cancel()
    // A timer would let the work begin first, of whoever comes too late.
    if (limits.deadlineAtMs <= Date.now()) stop.abort(new LocalFailure('deadline'))
    stop.signal.throwIfAborted()
    return await Promise.race([work(stop.signal), stopped])
  } finally {
    clearTimeout(timer)
    limits.signal.removeEventListener('abort', cancel)
  }
}

export function wasStopped(error: unknown): boolean {
  return error instanceof LocalFailure && (error.kind === 'deadline' || error.kind === 'cancelled')
}

export function sdkTimeoutMs(limits: CallLimits): number {
  return Math.min(remainingMs(limits) + SDK_TIMER_MARGIN_MS, MAX_TIMER_MS)
}

/** Waits for `work`, at most `limitMs`, and does not mind how it ends. */
export async function settleWithin(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs)
  })
  await Promise.race([work.catch(() => {}), limit])
  clearTimeout(timer)
}

function remainingMs(limits: CallLimits): number {
  return Math.min(Math.max(limits.deadlineAtMs - Date.now(), 0), MAX_TIMER_MS)
}
