/**
 * Threads for what others have written and our main thread must not do: programs, schemas, checks of manifests. A
 * thread does one request at a time and is kept for the next one, for starting it costs far more than a call. The limit
 * of time is kept inside as far as it can be; a little later the thread is ended from outside. Both count what it has had
 * of a processor. Whoever waits may give up: then the thread is ended too.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { CodedError } from '../../schemas/errors.ts'
import { createSeats } from '../fair-seats.ts'
import { onLimit } from '../on-limit.ts'
import { letOthersFirst, processorMs, type ThreadClock } from './processor-time.ts'

/** What it went over: its time, or the thread's memory. */
export type Reply<Answer> =
  { isAnswered: true; answer: Answer } | { isAnswered: false; over: 'time' | 'memory' }

export interface ThreadPool<Request, Answer> {
  /**
   * Throws CANCELLED, ORGANIZATION_BUSY, and UNAVAILABLE if there is no thread to be had. `timeoutMs` counts from its
   * turn, in time of a processor.
   */
  ask: (
    request: Request,
    options: { owner: string; timeoutMs: number; signal?: AbortSignal | undefined },
  ) => Promise<Reply<Answer>>
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

interface Thread {
  worker: Worker
  clock: ThreadClock
}

/**
 * `entry`: the module that is run in the thread, without its ending. It says where its clock is when it is ready, and
 * answers each request once.
 */
export function createThreadPool<Request, Answer>({
  entry,
  heapMb,
}: {
  entry: URL
  heapMb: number
}): ThreadPool<Request, Answer> {
  const idle: Thread[] = []

  return {
    async ask(request, { owner, timeoutMs, signal }) {
      const giveBack = await takeSeat(owner, { isShort: timeoutMs <= SHORT_MS, signal })
      try {
        const thread = idleThread(idle) ?? (await startThread(entry, heapMb))
        const reply = await replyOf<Answer>(thread, request, { timeoutMs: timeoutMs + GRACE_MS, signal })
        if (reply.isAnswered) {
          idle.push(thread)
          return reply
        }
        await thread.worker.terminate()
        if (signal?.aborted) throw new CodedError('CANCELLED', 'it was stopped')
        return reply
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
function idleThread(idle: Thread[]): Thread | undefined {
  for (let thread = idle.pop(); thread; thread = idle.pop())
    if (thread.worker.threadId !== ENDED) return thread
  return undefined
}

async function replyOf<Answer>(
  { worker, clock }: Thread,
  request: unknown,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal | undefined },
): Promise<Reply<Answer>> {
  worker.ref()
  let stopWatching = (): void => undefined
  const endsAtMs = processorMs(clock) + timeoutMs
  const stopped = new Promise<Reply<Answer>>((resolve) => {
    const watch = (restMs: number): void => {
      stopWatching = onLimit({ timeoutMs: restMs, signals: [signal] }, () => {
        const leftMs = Math.ceil(endsAtMs - processorMs(clock))
        if (leftMs <= 0 || signal?.aborted) resolve({ isAnswered: false, over: 'time' })
        else watch(leftMs)
      })
    }
    watch(timeoutMs)
  })
  try {
    const answered = nextReply<Answer>(worker)
    worker.postMessage(request)
    return await Promise.race([answered, stopped])
  } finally {
    stopWatching()
    // One that waits for work keeps no process alive.
    worker.unref()
  }
}

/** Rejects with what may be tried again for all that is about the machine. */
function nextReply<Answer>(worker: Worker): Promise<Reply<Answer>> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit)
    }
    const onMessage = (answer: Answer): void => {
      settle()
      resolve({ isAnswered: true, answer })
    }
    const onError = (error: unknown): void => {
      settle()
      if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY')
        return resolve({ isAnswered: false, over: 'memory' })
      const reason = error instanceof Error ? error.message : String(error)
      reject(new CodedError('UNAVAILABLE', `a thread failed: ${reason}`, { cause: error }))
    }
    const onExit = (): void => onError(new Error('it ended'))
    worker.on('message', onMessage).on('error', onError).on('exit', onExit)
  })
}

async function startThread(entry: URL, heapMb: number): Promise<Thread> {
  const isSource = import.meta.url.endsWith('.ts')
  const file = new URL(`${entry.href}.${isSource ? 'ts' : 'js'}`)
  const options = {
    // Nothing of the process is handed in: no environment, no arguments, no loaders.
    env: {},
    argv: [],
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  }
  const worker = isSource
    ? new Worker(fromSource(file), { ...options, eval: true })
    : new Worker(file, options)
  // Who waits for an answer hears of it; without a listener an idle one that fails would end the process.
  worker.on('error', () => undefined)
  const ready = await nextReply<ThreadClock>(worker)
  worker.unref()
  const clock = ready.isAnswered ? ready.answer : null
  letOthersFirst(clock)
  return { worker, clock }
}

/** Node does not read TypeScript in a thread, whatever loader the process has. The loader is ours, wherever we run. */
function fromSource(file: URL): string {
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  return `import(${loader}).then(({ register }) => { register(); return import(${JSON.stringify(file.href)}) })`
}
