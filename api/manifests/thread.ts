/** The thread in which manifests are checked: one request after the other, each answered once. */
import { parentPort } from 'node:worker_threads'
import { ownClock } from '../../lib/threads/processor-time.ts'
import { plainPlaces } from '../../manifests/check.ts'
import type { Document } from '../../manifests/document.ts'
import type { Known } from '../../manifests/known.ts'
import { toolPlaces, type ToolsByConnection } from './tools.ts'

/** `tools`: what servers have said; without, all that can be checked without asking one. */
export type CheckRequest = { documents: readonly Document[] } & (
  { known: Known } | { tools: ToolsByConnection }
)

parentPort?.on('message', (request: CheckRequest) => {
  const { documents } = request
  parentPort?.postMessage(
    'tools' in request ? toolPlaces(documents, request.tools) : plainPlaces(documents, request.known),
  )
})
parentPort?.postMessage(ownClock())
