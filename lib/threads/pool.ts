/**
 * Threads for what others have written and our main thread must not do: programs, schemas, checks of manifests. A
 * thread does one request at a time and is kept for the next one, for starting it costs far more than a call. The
 * deadline is kept inside as far as it can be; a little later the thread is ended from outside. Whoever waits may give
 * up: then the thread is ended too.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { CodedError } from '../../schemas/errors.ts'
import { createSeats } from '../fair-seats.ts'
import { onLimit } from '../on-limit.ts'

export interface ThreadPool<Request, Answer> {
  /**
   * Null: it was not answered in time, or the thread had not the memory for it. Throws CANCELLED, and UNAVAILABLE if
   * there is no thread to be had. `timeoutMs` counts from its turn.
   */
  ask: (
    request: Request,
    options: { owner: string; timeoutMs: number; signal?: AbortSignal | undefined },
  ) => Promise<Answer | null>
}

const PROCESSORS = availableParallelism()
/** Each may take a processor. */
const MAX_THREADS = Math.max(4, PROCESSORS)
/** Of one organization: it leaves half of the processors, and threads, to others. */
const MAX_THREADS_OF_OWNER = Math.max(1, Math.floor(PROCESSORS / 2))
const GRACE_MS = 1_000
/** What takes no longer has a thread more for each organization, which then rests for nine times as long. */
const SHORT_MS = 1_000
const REST_FACTOR = 9
/** Who waits longer gives its place in the worker to others, such as writes that were approved, and comes back. */
const SEAT_TIMEOUT_MS = 10_000
const COME_BACK_MS = 1_000
/** What Node says is the id of a thread that has ended. */
const ENDED = -1

/** Of all pools of the process: one organization with code and patterns takes no more than one with code alone. */
const seats = createSeats({ total: MAX_THREADS, perOwner: MAX_THREADS_OF_OWNER })
/** So that code of an organization that goes on for a minute does not hold up the checks of its other calls. */
const shortSeats = createSeats({ total: MAX_THREADS, perOwner: 1 })

/** `entry`: the module that is run in the thread, without its ending. It says `ready`, and answers each request once. */
export function createThreadPool<Request, Answer>({
  entry,
  heapMb,
}: {
  entry: URL
  heapMb: number
}): ThreadPool<Request, Answer> {
  const idle: Worker[] = []

  return {
    async ask(request, { owner, timeoutMs, signal }) {
      const giveBack = await takeSeat(owner, { isShort: timeoutMs <= SHORT_MS, signal })
      try {
        const thread = idleThread(idle) ?? (await startThread(entry, heapMb))
        const answer = await answerOf<Answer>(thread, request, { timeoutMs: timeoutMs + GRACE_MS, signal })
        if (answer !== null) {
          idle.push(thread)
          return answer
        }
        await thread.terminate()
        if (signal?.aborted) throw new CodedError('CANCELLED', 'it was stopped')
        return null
      } finally {
        giveBack()
      }
    },
  }
}

async function takeSeat(
  owner: string,
  { isShort, signal }: { isShort: boolean; signal: AbortSignal | undefined },
): Promise<() => void> {
  const gone = new AbortController()
  const stopWatching = onLimit({ timeoutMs: SEAT_TIMEOUT_MS, signals: [signal] }, () => gone.abort())
  const offers = [seats.take(owner, gone.signal), ...(isShort ? [takeShortSeat(owner, gone.signal)] : [])]
  try {
    const giveBack = await Promise.race(offers)
    for (const offer of offers)
      void offer.then(
        (other) => other !== giveBack && other(),
        () => undefined,
      )
    return giveBack
  } catch (error) {
    if (signal?.aborted) throw new CodedError('CANCELLED', 'it was not begun')
    if (!gone.signal.aborted) throw error
    const message = `it has waited ${SEAT_TIMEOUT_MS} ms for a thread`
    throw new CodedError('ORGANIZATION_BUSY', message, { nextRetryDelayMs: COME_BACK_MS })
  } finally {
    stopWatching()
    gone.abort()
  }
}

async function takeShortSeat(owner: string, signal: AbortSignal): Promise<() => void> {
  const giveBack = await shortSeats.take(owner, signal)
  const takenAt = performance.now()
  return () => void setTimeout(giveBack, REST_FACTOR * (performance.now() - takenAt)).unref()
}

/** One that has ended while nobody looked is nobody's failure. */
function idleThread(idle: Worker[]): Worker | undefined {
  for (let thread = idle.pop(); thread; thread = idle.pop()) if (thread.threadId !== ENDED) return thread
  return undefined
}

async function answerOf<Answer>(
  thread: Worker,
  request: unknown,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal | undefined },
): Promise<Answer | null> {
  thread.ref()
  let stopWatching = (): void => undefined
  const stopped = new Promise<null>((resolve) => {
    stopWatching = onLimit({ timeoutMs, signals: [signal] }, () => resolve(null))
  })
  try {
    const answered = nextMessage<Answer>(thread)
    thread.postMessage(request)
    return await Promise.race([answered, stopped])
  } finally {
    stopWatching()
    // One that waits for work keeps no process alive.
    thread.unref()
  }
}

/** Null if it had not the memory; rejects with what may be tried again for all else that is about the machine. */
function nextMessage<Message>(thread: Worker): Promise<Message | null> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      thread.off('message', onMessage).off('error', onError).off('exit', onExit)
    }
    const onMessage = (message: Message): void => {
      settle()
      resolve(message)
    }
    const onError = (error: unknown): void => {
      settle()
      if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') return resolve(null)
      const reason = error instanceof Error ? error.message : String(error)
      reject(new CodedError('UNAVAILABLE', `a thread failed: ${reason}`, { cause: error }))
    }
    const onExit = (): void => onError(new Error('it ended'))
    thread.on('message', onMessage).on('error', onError).on('exit', onExit)
  })
}

async function startThread(entry: URL, heapMb: number): Promise<Worker> {
  const isSource = import.meta.url.endsWith('.ts')
  const file = new URL(`${entry.href}.${isSource ? 'ts' : 'js'}`)
  const options = {
    // Nothing of the process is handed in: no environment, no arguments, no loaders.
    env: {},
    argv: [],
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  }
  const thread = isSource
    ? new Worker(fromSource(file), { ...options, eval: true })
    : new Worker(file, options)
  // Who waits for an answer hears of it; without a listener an idle one that fails would end the process.
  thread.on('error', () => undefined)
  await nextMessage(thread)
  thread.unref()
  return thread
}

/** Node does not read TypeScript in a thread, whatever loader the process has. The loader is ours, wherever we run. */
function fromSource(file: URL): string {
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  return `import(${loader}).then(({ register }) => { register(); return import(${JSON.stringify(file.href)}) })`
}
