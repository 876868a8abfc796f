/**
 * Checks of manifests, away from the thread that serves everybody: an expression without variables is evaluated at save,
 * and a schema, also one of a server, is compiled.
 */
import { createThreadPool } from '../../lib/threads/pool.ts'
import { sourcePlaces } from '../../manifests/check.ts'
import { place, type Document } from '../../manifests/document.ts'
import type { Known } from '../../manifests/known.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import type { CheckRequest } from './thread.ts'
import type { ToolsByConnection } from './tools.ts'

const TIMEOUT_MS = 10_000
const THREAD_HEAP_MB = 256

const threads = createThreadPool<CheckRequest, ProblemPlace[]>({
  entry: new URL('./thread', import.meta.url),
  heapMb: THREAD_HEAP_MB,
})

export async function checkDocuments(
  documents: readonly Document[],
  known: Known,
  organization: string,
): Promise<ProblemPlace[]> {
  const [plain, sources] = await Promise.all([
    inThread({ documents, known }, organization),
    sourcePlaces(documents, organization),
  ])
  return [...plain, ...sources]
}

/** Of servers that nobody has asked nothing is said. */
export async function checkTools(
  documents: readonly Document[],
  tools: ToolsByConnection,
  organization: string,
): Promise<ProblemPlace[]> {
  return tools.size === 0 ? [] : inThread({ documents, tools }, organization)
}

async function inThread(request: CheckRequest, organization: string): Promise<ProblemPlace[]> {
  if (request.documents.length === 0) return []
  const reply = await threads.ask(request, { owner: organization, timeoutMs: TIMEOUT_MS })
  if (reply.isAnswered) return reply.answer
  const most = reply.over === 'time' ? `${TIMEOUT_MS / 1_000} s` : `${THREAD_HEAP_MB} MB of memory`
  const hint =
    'Look for constant expressions and for schemas that are expensive; save fewer manifests at once.'
  return [place('limit', 'manifests', `cannot be checked within ${most}`, hint)]
}
