/** The thread in which sources are evaluated: one request after the other, each answered once. */
import { parentPort } from 'node:worker_threads'
import { evaluate, loadQuickJs } from './evaluate.ts'
import type { SandboxRequest } from './request.ts'

const port = parentPort
if (!port) throw new Error('this file is the inside of a thread')
const instantiate = await loadQuickJs()
port.on('message', (request: SandboxRequest) => {
  void instantiate().then((quickJs) => port.postMessage(evaluate(quickJs, request)))
})
port.postMessage('ready')
