/** Threads for the sandbox, in which the code of steps is run. */
import { createThreadPool } from '../threads/pool.ts'
import type { SandboxAnswer, SandboxRequest } from './request.ts'

/** Beside CODE_MEMORY_BYTES, which are the machine's inside. */
const THREAD_HEAP_MB = 64

const threads = createThreadPool<SandboxRequest, SandboxAnswer>({
  entry: new URL('./thread', import.meta.url),
  heapMb: THREAD_HEAP_MB,
})

/** Throws CANCELLED, and ORGANIZATION_BUSY if there is no thread to be had. Organizations take turns. */
export async function inSandbox(
  request: SandboxRequest,
  { organization = '', signal }: { organization?: string; signal?: AbortSignal } = {},
): Promise<SandboxAnswer> {
  const { timeoutMs } = request
  const reply = await threads.ask(request, { owner: organization, timeoutMs, signal })
  if (reply.isAnswered) return reply.answer
  if (reply.over === 'time')
    return { ok: false, code: 'CODE_TIMEOUT', message: `it was stopped after ${timeoutMs} ms`, logs: [] }
  return {
    ok: false,
    code: 'LIMIT_EXCEEDED',
    message: `it took over ${THREAD_HEAP_MB} MB of memory`,
    logs: [],
  }
}
