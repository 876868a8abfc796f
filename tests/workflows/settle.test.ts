/** What becomes of a write whose answer was lost, where the target can be looked at, and where policy has changed. */
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { CHANGE, connections, NOTE, ONE_LEAD, policyFor, TOOLS } from '../support/automations.ts'
import { textResult } from '../support/mcp-server.ts'
import { about, refusal, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { eventually } from '../support/world.ts'

let s: Scenario
let toShop: TcpProxy
/** Accounts whose next note is not answered, and whether it is noted all the same. */
const faults = new Map<string, { works: boolean }>()
/** What the server has noted, under the key that came along. */
const noted = new Map<string, unknown>()
const looks: string[] = []
let isLookBroken = false

beforeAll(async () => {
  toShop = await startTcpProxy(inject('databaseUrl'))
  s = await startScenario({ through: { shop: toShop.urlThrough } })
  const note = s.server.tools.find(({ name }) => name === 'note')
  if (!note) throw new Error('the server has no tool note')
  note.run = ({ about: account }, { signal }) => {
    const fault = faults.get(String(account))
    faults.delete(String(account))
    const call = s.server.calls.findLast(({ arguments: args }) => args['about'] === account)
    if (fault?.works !== false) noted.set(String(account), call?.meta?.['countersign/idempotencyKey'])
    if (!fault) return { ...textResult('noted'), structuredContent: { noted: account } }
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('nobody waits any more')))
    })
  }
  s.server.tools.push({
    name: 'find_entry',
    inputSchema: { type: 'object', properties: { about: {}, key: {} }, required: ['about', 'key'] },
    annotations: { readOnlyHint: true },
    run: ({ about: account, key }) => {
      looks.push(String(account))
      if (isLookBroken) return { ...textResult('no index'), isError: true }
      return { ...textResult('looked'), structuredContent: { found: noted.get(String(account)) === key } }
    },
  })
  await useCheck({})
  await s.define('checked', [NOTE], ONE_LEAD)
  await s.define('change', [CHANGE], ONE_LEAD)
})

afterEach(() => toShop.reset())

afterAll(async () => {
  await s.close()
  await toShop.close()
})

async function useCheck(change: JsonObject): Promise<void> {
  const [tools] = connections({ toolsUrl: s.server.url })
  const check = {
    tool: 'find_entry',
    arguments: { about: '${{ arguments.about }}', key: '${{ key }}' },
    applied_if: 'result.found',
    ...change,
  }
  const spec = { ...(tools?.['spec'] as JsonObject), tools: { note: { resend: 'check', check } } }
  await s.apply({ kind: 'Connection', name: TOOLS, spec })
}

/** A run whose approved note is not answered. */
async function lose(fault: { works: boolean }): Promise<StartedRun> {
  const run = await s.park('checked')
  faults.set(run.account, fault)
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await eventually(async () => !faults.has(run.account))
  return run
}

test('a reading that shows it ends as applied, and nothing is sent again', async () => {
  const run = await lose({ works: true })
  await s.expectEnding(run, {
    state: 'completed',
    result: { found: true },
    writebacks: ['applied'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    notes: 1,
  })
  expect(looks.filter((account) => account === run.account)).toHaveLength(1)
  expect((await s.statements(run)).at(-1)?.predicate).toMatchObject({ how: 'checked', attempt: 1 })
})

test('a reading that does not show it, twice, has it sent once more', async () => {
  const run = await lose({ works: false })
  await s.expectEnding(run, {
    state: 'completed',
    result: { noted: run.account },
    writebacks: ['applied'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    notes: 2,
  })
  expect(looks.filter((account) => account === run.account)).toHaveLength(2)
  expect(noted.has(run.account)).toBe(true)
})

test('what is late, and shows at the second look, is not sent again', async () => {
  const run = await lose({ works: false })
  await eventually(async () => looks.includes(run.account))
  const call = s.notes(run)[0]
  noted.set(run.account, call?.meta?.['countersign/idempotencyKey'])
  await s.expectEnding(run, { state: 'completed', result: { found: true }, notes: 1 })
})

test('what nobody wants any more is looked at, and not sent again', async () => {
  const run = await lose({ works: false })
  await eventually(async () => looks.includes(run.account))
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, {
    writebacks: ['failed'],
    receipts: ['approve by lena@acme.example', 'outcome failed'],
    notes: 1,
  })
  expect((await s.statements(run)).at(-1)?.predicate).toMatchObject({ code: 'NOT_APPLIED' })
})

test('a policy that denies meanwhile has it refused, if a reading shows that it was not done', async () => {
  const run = await lose({ works: false })
  await s.apply(policyFor('checked', { deny: true }))
  await s.expectEnding(run, { state: 'failed', code: 'POLICY_DENIED', writebacks: ['refused'], notes: 1 })
  await s.apply(policyFor('checked', ONE_LEAD))
})

test('a reading that cannot tell leaves it to a person', async () => {
  isLookBroken = true
  const run = await lose({ works: true })
  await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'], notes: 1 })
  const [writeback] = (await s.world.admin.getRun({ run_id: run.runId })).writebacks
  expect(writeback?.outcome?.message).toMatch(/look at tools\.note; find_entry could not tell: .*no index/)
  isLookBroken = false
  await s.lena.resolveWriteback({ writeback_id: writeback?.writeback_id ?? '', resolution: 'applied' })
  await s.expectEnding(run, { state: 'completed' })
})

test('a check that names a writing tool is no reading, and is not called', async () => {
  await useCheck({ tool: 'note_again', arguments: { about: 'x' } })
  const run = await lose({ works: true })
  await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'] })
  expect(s.server.calls.filter(({ tool }) => tool === 'note_again')).toEqual([])
  await s.clerk.cancelRun({ run_id: run.runId })
  await useCheck({})
})

test('a check that compares values of different kinds tells nothing, and nothing is sent again', async () => {
  await useCheck({ applied_if: 'result.found == "true"' })
  const run = await lose({ works: true })
  await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'], notes: 1 })
  await s.clerk.cancelRun({ run_id: run.runId })
  await useCheck({})
})

test('expressions of a check are looked at when the connection is saved', async () => {
  expect(await refusal(useCheck({ applied_if: 'output.found' }))).toBe('422 INVALID_MANIFEST')
  expect(await refusal(useCheck({ arguments: { about: '${{ result.x }}' } }))).toBe('422 INVALID_MANIFEST')
})

/** An approved change of a row, lost as told, and denied by policy before anybody settles it. */
async function loseChange(lose: () => void): Promise<StartedRun> {
  const run = await s.park('change')
  lose()
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await toShop.patternSeen()
  await s.apply(policyFor('change', { deny: true }))
  return run
}

test('a database’s receipt says that it was done, though policy would not let it be sent again', async () => {
  const run = await loseChange(() => toShop.swallowAnswersAfter('commit'))
  await eventually(async () => (await s.look(run)).changes === 1)
  toShop.reset()
  await s.expectEnding(run, {
    state: 'completed',
    result: { balance: '7' },
    writebacks: ['applied'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    changes: 1,
  })
  await s.apply(policyFor('change', ONE_LEAD))
})

test('without a receipt in the database it was not done, and what policy denies by now is refused', async () => {
  const run = await loseChange(() => toShop.swallowAnswersAfter('insert into countersign_receipts'))
  await eventually(async () => (await s.look(run)).writebacks[0] === 'sending')
  toShop.reset()
  await s.expectEnding(run, {
    state: 'failed',
    code: 'POLICY_DENIED',
    writebacks: ['refused'],
    receipts: ['approve by lena@acme.example', 'outcome refused'],
    changes: 0,
  })
  await s.apply(policyFor('change', ONE_LEAD))
})
