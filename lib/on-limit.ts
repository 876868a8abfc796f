export interface Limit {
  timeoutMs: number
  signals: readonly (AbortSignal | undefined)[]
}

/**
 * Calls `end` once, when the time is over or one of the signals is aborted, also if that was before; gives what stops the
 * watching. In the place of `AbortSignal.any`, from which Node 20 loses time-outs when it collects garbage.
 */
export function onLimit({ timeoutMs, signals }: Limit, end: () => void): () => void {
  const stop = (): void => {
    clearTimeout(timer)
    for (const signal of signals) signal?.removeEventListener('abort', reach)
  }
  const reach = (): void => {
    stop()
    end()
  }
  const timer = setTimeout(reach, Math.max(0, timeoutMs))
  for (const signal of signals) signal?.addEventListener('abort', reach)
  if (timeoutMs <= 0 || signals.some((signal) => signal?.aborted)) reach()
  return stop
}
