/** The emergency brake and the word of a person by the CLI; and what a run's own result says of its receipts. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { publicKeysFile } from '../../lib/keys.ts'
import type { Envelope } from '../../schemas/run.ts'
import { receiptDigest } from '../../lib/receipts.ts'
import { NOTE } from '../support/automations.ts'
import { openDesk, runCli, type Desk } from '../support/cli.ts'
import { openTerminal, type Terminal } from '../support/terminal.ts'
import { eventually } from '../support/world.ts'

let desk: Desk
let isBroken = false
const terminals: Terminal[] = []

beforeAll(async () => {
  desk = await openDesk({
    intercept: ({ method }, response) => {
      if (method !== 'tools/call' || !isBroken) return false
      response.destroy()
      return true
    },
  })
  await desk.scenario.define('note', [NOTE], { allow: true })
})

afterAll(async () => {
  for (const each of terminals) each.close()
  await desk?.close()
})

function terminal(args: string[], key: string): Terminal {
  const environment = { COUNTERSIGN_URL: desk.scenario.world.apiUrl, COUNTERSIGN_API_KEY: key }
  const opened = openTerminal(args, { cwd: desk.folder, environment })
  terminals.push(opened)
  return opened
}

it('a connection is frozen, shown with what it holds, and thawed', async () => {
  const { scenario, cli } = desk
  expect(await cli(['connections', 'freeze', 'tools', '--reason', 'too many'])).toMatchObject({ code: 0 })
  const run = await scenario.start('note')
  const shown = await eventually(async () => {
    const { stdout } = await cli(['connections', 'show', 'tools'])
    return /wb_\S+ .*held/.test(stdout) && stdout
  })
  expect(shown).toMatch(/Writes +held: the connection is frozen/)
  expect(shown).toMatch(/Reason +too many/)
  const { code, stdout } = await cli(['connections', 'thaw', 'tools'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'tools: writes go through again.\n' })
  await scenario.expectEnding(run, { state: 'completed', notes: 1 })
  expect(await cli(['connections', 'freeze', 'nothing'])).toMatchObject({ code: 1 })
})

it('a write of unknown outcome is resolved, and its receipts verify against the run’s own result', async () => {
  const { scenario, cli } = desk
  isBroken = true
  const run = await scenario.start('note')
  await scenario.expectEnding(run, { state: 'waiting_for_resolution' })
  isBroken = false
  const [writeback] = (await scenario.world.admin.getRun({ run_id: run.runId })).writebacks
  const id = writeback?.writeback_id ?? ''
  expect((await cli(['writebacks', 'show', id])).stderr).toContain('writebacks resolve')
  const olga = await scenario.world.as('olga@acme.example', ['operator'])
  const resolve = ['writebacks', 'resolve', id, '--as', 'applied', '--comment', 'seen']
  expect(await cli(resolve, { key: scenario.lena.apiKey })).toMatchObject({ code: 1 })
  const ticket = await cli([...resolve, '--ticket'], { key: olga.apiKey })
  expect(JSON.parse(ticket.stdout)).toHaveProperty('ticket.payload')
  // It cannot be taken back: somebody at a terminal is asked, unless they have said that they mean it.
  const asked = terminal(['writebacks', 'resolve', id, '--as', 'applied'], olga.apiKey)
  await asked.until(/Say for good that it is applied\? \[y\/N\]/)
  asked.type('n\r')
  await asked.until(/Nothing was said\./)
  expect(await asked.ended()).toBe(1)
  expect(await scenario.look(run)).toMatchObject({ state: 'waiting_for_resolution' })
  const meant = terminal([...resolve, '--yes'], olga.apiKey)
  await meant.until(/: applied\. olga@acme\.example found it applied: seen/)
  expect(await meant.ended()).toBe(0)
  expect(meant.text()).not.toContain('Say for good')
  await scenario.expectEnding(run, { state: 'completed' })

  const file = join(desk.folder, 'receipts.json')
  await cli(['receipts', 'export', '--run', run.runId, '-o', file])
  interface Exported {
    receipts: Envelope[]
    head: unknown
    run: { count: number; sha256: string }
  }
  const exported = JSON.parse(readFileSync(file, 'utf8')) as Exported
  const [first, second] = exported.receipts
  if (!first || !second) throw new Error('there are not two receipts')
  expect(exported.run).toEqual({ count: 2, sha256: receiptDigest(second) })
  const keys = publicKeysFile(scenario.world.keysFolder)
  const verify = (content: unknown) =>
    runCli(['receipts', 'verify', desk.file('check.json', content), '--keys', keys], { cwd: desk.folder })
  expect(await verify(exported)).toMatchObject({ code: 0 })
  // Whoever has the database can cut the tail and its head; the run's result still knows.
  const cut = { ...exported, receipts: [first], head: { seq: 1, sha256: receiptDigest(first) } }
  const found = await verify(cut)
  expect(found.code).toBe(1)
  expect(found.stdout).toContain('the run’s result says that receipt 2 is')
  const { run: _removed, ...withoutRun } = exported
  expect((await verify(withoutRun)).stderr).toContain('as the database said when it was exported')
})

it('a failed run says it too; one that was cancelled does not', async () => {
  const { scenario } = desk
  const rejected = await scenario.park('change')
  const { approval_id, digest } = rejected.approval
  await scenario.lena.decideApproval({ approval_id, digest, verdict: 'reject' })
  await scenario.expectEnding(rejected, { state: 'failed', code: 'REJECTED' })
  const shown = await scenario.world.admin.getRun({ run_id: rejected.runId })
  expect(shown.receipts_head).toEqual({ count: 2, sha256: shown.receipts[1]?.sha256 })
  const cancelled = await scenario.park('change')
  await scenario.clerk.cancelRun({ run_id: cancelled.runId })
  await scenario.expectEnding(cancelled, { state: 'cancelled' })
  expect((await scenario.world.admin.getRun({ run_id: cancelled.runId })).receipts_head).toBeNull()
})
