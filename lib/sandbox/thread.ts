/** The thread in which sources are evaluated: one request after the other, each answered once. */
import { parentPort } from 'node:worker_threads'
import { ownClock } from '../threads/processor-time.ts'
import { evaluate, loadQuickJs } from './evaluate.ts'
import type { SandboxRequest } from './request.ts'

/** Local time is that of Greenwich, wherever the worker stands: the sandbox asks the `Date` of its thread for it. */
const PARTS = ['FullYear', 'Month', 'Date', 'Day', 'Hours', 'Minutes', 'Seconds', 'Milliseconds'] as const
for (const part of PARTS) Object.assign(Date.prototype, { [`get${part}`]: Date.prototype[`getUTC${part}`] })
Object.assign(Date.prototype, { getTimezoneOffset: () => 0 })

const port = parentPort
if (!port) throw new Error('this file is the inside of a thread')
const instantiate = await loadQuickJs()
port.on('message', (request: SandboxRequest) => {
  void instantiate().then((quickJs) => port.postMessage(evaluate(quickJs, request)))
})
port.postMessage(ownClock())
