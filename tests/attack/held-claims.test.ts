/**
 * Somebody with our database holds what a claim has to lock, until everybody may conclude that the attempt is gone. What
 * is let go then sends nothing.
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { finished } from '../support/attack-world.ts'
import { claimWaits, lockConnection } from '../support/locked-connection.ts'
import { CALL_TIMEOUT, ONE_LEAD } from '../support/automations.ts'
import { PAYING_SETTINGS, paymentStep } from '../support/paying.ts'
import { about, startScenario, type Scenario } from '../support/scenario.ts'

/** Longer than a call may take, and than the ledger waits for one. */
const HELD_MS = 4_000

let s: Scenario
let folder: string
let file: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-held-'))
  file = join(folder, 'payments')
  appendFileSync(file, '')
  const script = fileURLToPath(new URL('../support/paying-stdio.ts', import.meta.url))
  s = await startScenario({
    commands: { paying: { command: process.execPath, args: ['--import', 'tsx', script, file] } },
  })
  const common = { type: 'mcp', tools: PAYING_SETTINGS, timeout: CALL_TIMEOUT }
  await s.apply({
    kind: 'Connection',
    name: 'paying',
    spec: { ...common, transport: 'stdio', command: 'paying' },
  })
  await s.define('pay', [paymentStep('paying', 'pay')], ONE_LEAD)
})

afterAll(async () => {
  await s?.close()
  rmSync(folder, { recursive: true, force: true })
})

test('a claim that is held for longer than the call may take is followed by no call', async () => {
  const run = await s.park('pay')
  const unlock = await lockConnection(s.world.database, 'paying')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await claimWaits(s.world.database)
  await new Promise((resolve) => setTimeout(resolve, HELD_MS))
  await unlock()
  // Not sent, and known to be: it is claimed again, and sent in time.
  expect((await finished(s.world, run.runId)).state).toBe('completed')
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
  })
  expect(readFileSync(file, 'utf8')).toBe(`${run.account}\n`)
  const { rows } = await s.world.database.query<{ attempt: number }>(
    'select attempt from writebacks where run_id = $1',
    [run.runId],
  )
  expect(rows.map(({ attempt }) => `sent by attempt ${attempt}`)).toEqual(['sent by attempt 2'])
})
