/**
 * Threads for the sandbox. A thread does one request at a time and is kept for the next one, for starting it costs far
 * more than a call. The deadline is kept inside; where that fails, since one expensive built-in is not interrupted, the
 * thread is ended from outside a little later. Whoever waits may give up: then the thread is ended too.
 */
import { Worker } from 'node:worker_threads'
import { CodedError } from '../../schemas/errors.ts'
import type { SandboxAnswer, SandboxRequest } from './request.ts'

/** Each may take a processor and CODE_MEMORY_BYTES. */
const MAX_THREADS = 4
const GRACE_MS = 1_000
/** Who waits longer gives its place in the worker to others, such as writes that were approved, and comes back. */
const SEAT_TIMEOUT_MS = 1_000
const THREAD_HEAP_MB = 64

/** What Node says is the id of a thread that has ended. */
const ENDED = -1

const idle: Worker[] = []
const waiting = new Set<() => void>()
let taken = 0

/** Throws CANCELLED, and UNAVAILABLE if there is no thread to be had. */
export async function inSandbox(request: SandboxRequest, signal?: AbortSignal): Promise<SandboxAnswer> {
  await takeSeat(signal)
  try {
    const thread = idleThread() ?? (await startThread())
    const answer = await ask(thread, request, signal)
    if (answer === null) {
      await thread.terminate()
      if (signal?.aborted) throw new CodedError('CANCELLED', 'the code was stopped')
      const message = `it was stopped after ${request.timeoutMs} ms`
      return { ok: false, code: 'CODE_TIMEOUT', message, logs: [] }
    }
    idle.push(thread)
    return answer
  } finally {
    freeSeat()
  }
}

async function takeSeat(signal?: AbortSignal): Promise<void> {
  const late = AbortSignal.timeout(SEAT_TIMEOUT_MS)
  const giveUp = signal ? AbortSignal.any([signal, late]) : late
  while (taken >= MAX_THREADS) {
    if (signal?.aborted) throw new CodedError('CANCELLED', 'the code was not started')
    if (late.aborted) throw new CodedError('UNAVAILABLE', 'every thread of the sandbox is busy')
    await seatOrSignal(giveUp)
  }
  taken++
}

async function seatOrSignal(giveUp: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const go = (): void => {
      waiting.delete(go)
      giveUp.removeEventListener('abort', go)
      resolve()
    }
    waiting.add(go)
    giveUp.addEventListener('abort', go)
  })
}

function freeSeat(): void {
  taken--
  const [next] = waiting
  next?.()
}

/** One that has ended while nobody looked is nobody's failure. */
function idleThread(): Worker | undefined {
  for (let thread = idle.pop(); thread; thread = idle.pop()) if (thread.threadId !== ENDED) return thread
  return undefined
}

/** Null: it was not answered in time, or nobody wants to know any more. */
async function ask(
  thread: Worker,
  request: SandboxRequest,
  signal?: AbortSignal,
): Promise<SandboxAnswer | null> {
  thread.ref()
  let giveUp = (): void => undefined
  const stopped = new Promise<null>((resolve) => {
    giveUp = () => resolve(null)
  })
  const timer = setTimeout(giveUp, request.timeoutMs + GRACE_MS)
  signal?.addEventListener('abort', giveUp)
  if (signal?.aborted) giveUp()
  try {
    const answered = nextMessage<SandboxAnswer>(thread)
    thread.postMessage(request)
    return await Promise.race([answered, stopped])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
    // One that waits for work keeps no process alive.
    thread.unref()
  }
}

/** Rejects, like everything here that is about the machine and not about the code, with what may be tried again. */
function nextMessage<Message>(thread: Worker): Promise<Message> {
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
      const reason = error instanceof Error ? error.message : String(error)
      reject(new CodedError('UNAVAILABLE', `the thread of the sandbox failed: ${reason}`, { cause: error }))
    }
    const onExit = (): void => onError(new Error('it ended'))
    thread.on('message', onMessage).on('error', onError).on('exit', onExit)
  })
}

async function startThread(): Promise<Worker> {
  const isSource = import.meta.url.endsWith('.ts')
  const entry = new URL(`./thread.${isSource ? 'ts' : 'js'}`, import.meta.url)
  const options = {
    // Nothing of the process is handed in: no environment, no arguments, no loaders.
    env: {},
    argv: [],
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB },
  }
  const thread = isSource
    ? new Worker(fromSource(entry), { ...options, eval: true })
    : new Worker(entry, options)
  // Who waits for an answer hears of it; without a listener an idle one that fails would end the process.
  thread.on('error', () => undefined)
  await nextMessage(thread)
  thread.unref()
  return thread
}

/** Node does not read TypeScript in a thread, whatever loader the process has. The loader is ours, wherever we run. */
function fromSource(entry: URL): string {
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  return `import(${loader}).then(({ register }) => { register(); return import(${JSON.stringify(entry.href)}) })`
}
