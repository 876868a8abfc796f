/** How what talks to the API tries again: a bounded number of times, later each time, and as late as it is told. */

export const MAX_ATTEMPTS = 4
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 5_000
const MAX_RETRY_AFTER_MS = 30_000

/** Empty where the answer does not say it in seconds. */
export function retryAfterOf(response: Response): { retryAfterMs?: number } {
  const seconds = Number(response.headers.get('retry-after') ?? 'none')
  return Number.isFinite(seconds) ? { retryAfterMs: Math.min(seconds * 1_000, MAX_RETRY_AFTER_MS) } : {}
}

/** Doubles, with chance, so that clients that failed together do not come back together. */
export function delayMs(attempt: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS) * (0.5 + Math.random() / 2)
}

/** Throws the signal's reason as soon as it is aborted. */
export function sleep(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, durationMs)
    signal?.addEventListener('abort', stop, { once: true })
  })
}

/** The signal that the work gets is aborted when the caller's is, or when the time is over. */
export async function within<T>(
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal | undefined },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  const stop = (): void => ended.abort(signal?.reason)
  const late = (): void => ended.abort(new DOMException(`no answer in ${timeoutMs} ms`, 'TimeoutError'))
  const timer = setTimeout(late, timeoutMs)
  signal?.addEventListener('abort', stop)
  if (signal?.aborted) stop()
  try {
    return await work(ended.signal)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}
