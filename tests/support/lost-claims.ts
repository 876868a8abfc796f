/**
 * Payments whose server answers as a test says, over a ledger that loses their claims: somebody has the address of the
 * database that a worker has, and writes into it that nothing was begun.
 */
import type { ServerResponse } from 'node:http'
import pg from 'pg'
import { connections, NOTE } from './automations.ts'
import { addressFor } from './logins.ts'
import { startWorkerHere } from './own-worker.ts'
import { startScenario, type Scenario, type StartedRun } from './scenario.ts'
import type { World } from './world.ts'

type OnCall = (response: ServerResponse, id: unknown) => void

export interface LostClaims {
  s: Scenario
  /** Calls that have come to the server. */
  sent: number
  /** How long the server takes for its list of tools. */
  listsAfterMs: number
  onCall: OnCall
  /** For the next test: the server lists at once, and hangs up on calls. */
  beginAnew(): void
  /** The ledger says that no attempt was begun. */
  forget(run: StartedRun): Promise<void>
  startWorker(): Promise<void>
  stopWorker(): Promise<void>
  close(): Promise<void>
}

export function answer(response: ServerResponse, message: Record<string, unknown>): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', ...message }))
}

const hangUp: OnCall = (response) => void response.destroy()
const plain = (): Pick<LostClaims, 'sent' | 'listsAfterMs' | 'onCall'> => ({
  sent: 0,
  listsAfterMs: 0,
  onCall: hangUp,
})

/** With the automation `pay-at-once`, which waits for nobody. */
export async function startLostClaims(): Promise<LostClaims> {
  let stopWorker: (() => Promise<void>) | undefined
  const secrets: Record<string, string> = {}
  const startWorker = async (world: World): Promise<void> => {
    stopWorker = await startWorkerHere(world, { database: world.database, secrets })
  }
  const server = plain()
  const s: Scenario = await startScenario({
    worker: false,
    intercept: ({ method, id }, response) => {
      if (method === 'tools/list' && server.listsAfterMs > 0) {
        const tools = s.server.tools.map(({ run: _run, ...tool }) => tool)
        setTimeout(() => answer(response, { id, result: { tools } }), server.listsAfterMs)
        return true
      }
      if (method !== 'tools/call') return false
      server.sent++
      server.onCall(response, id)
      return true
    },
    beforeApply: startWorker,
  })
  Object.assign(secrets, s.secrets)
  const short = connections({ toolsUrl: s.server.url })
  await s.apply(...short.map((each) => ({ ...each, spec: { ...(each['spec'] as object), timeout: '4s' } })))
  await s.define('pay-at-once', [NOTE], { allow: true })
  const stolen = new pg.Pool({ connectionString: addressFor('worker', s.world.databaseUrl) })
  return Object.assign(server, {
    s,
    beginAnew: () => void Object.assign(server, plain()),
    forget: async ({ runId }: StartedRun) => {
      const nothing = `state = 'planned', deadline_at = null, attempt = 0`
      await stolen.query(`update writebacks set ${nothing} where run_id = $1`, [runId])
    },
    startWorker: () => startWorker(s.world),
    stopWorker: async () => stopWorker?.(),
    close: async () => {
      await stolen.end()
      await stopWorker?.()
      await s.close()
    },
  })
}
