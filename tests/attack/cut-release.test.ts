/** A claim had to wait, and is to be given back; the connection to the database breaks right there, for a moment. */
import { afterAll, beforeAll, test } from 'vitest'
import { createDatabase, type Database } from '../../db/database.ts'
import { NOTE } from '../support/automations.ts'
import { claimWaits, lockConnection } from '../support/locked-connection.ts'
import { addressFor } from '../support/logins.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

let s: Scenario
let proxy: TcpProxy
let database: Database
let stop: () => Promise<void>
beforeAll(async () => {
  s = await startScenario({
    worker: false,
    beforeApply: async (world) => {
      const url = addressFor('worker', world.databaseUrl)
      proxy = await startTcpProxy(url)
      database = createDatabase(proxy.urlThrough(url))
      database.on('error', () => undefined)
      stop = await startWorkerHere(world, { database, secrets: {} })
    },
  })
  await s.define('pay-at-once', [NOTE], { allow: true })
})
afterAll(async () => {
  await stop?.()
  await database?.end()
  await proxy?.close()
  await s?.close()
})

test('a write that was let go, and never sent, is sent when the database is back after a moment', async () => {
  const unlock = await lockConnection(s.world.database, 'tools')
  const run = await s.start('pay-at-once')
  await claimWaits(s.world.database)
  await new Promise((resolve) => setTimeout(resolve, 2_300))
  proxy.holdFrom("state = 'planned', deadline_at = null")
  await unlock()
  await proxy.patternSeen()
  proxy.cut()
  proxy.reset()
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'] })
})
