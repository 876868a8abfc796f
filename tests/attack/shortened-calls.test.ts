/**
 * The attacker has a key with the scope `admin`. While a payment is under way he makes the `timeout` of its connection
 * shorter, so that the second look, which is to come one call's time after the first, comes before the server is through.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { apply } from '../support/apply.ts'
import { policyFor } from '../support/automations.ts'
import { startTestMcpServer, textResult } from '../support/mcp-server.ts'
import { PAYING_SETTINGS, paymentStep, payingTools } from '../support/paying.ts'
import { eventually, startWorld } from '../support/world.ts'

const CALL_TIMEOUT = '3s'
/** After the deadline of the attempt, and before one more call's time is over. */
const PAYS_AFTER_MS = 5_800

test('a time that is made shorter while a payment is under way does not have it made twice', async () => {
  const paid: string[] = []
  const book = {
    add: (about: string) => void paid.push(about),
    count: (about: string) => paid.filter((one) => one === about).length,
  }
  const tools = payingTools(book)
  const pay = tools.find(({ name }) => name === 'pay_checked')
  if (!pay) throw new Error('the server has no such tool')
  let calls = 0
  pay.run = async ({ about }) => {
    calls++
    if (calls === 1) await sleep(PAYS_AFTER_MS)
    book.add(String(about))
    return textResult('paid')
  }
  const server = await startTestMcpServer({ tools })
  const world = await startWorld()
  const bank = (timeout: string) => {
    const http = { type: 'mcp', transport: 'http', url: server.url, allow_private_addresses: true }
    return { kind: 'Connection', name: 'bank', spec: { ...http, tools: PAYING_SETTINGS, timeout } }
  }
  const step = { ...paymentStep('bank', 'pay_checked'), timeout: '1m' }
  await apply(world.admin, bank(CALL_TIMEOUT))
  const paying = { kind: 'Automation', name: 'pay', spec: { steps: [step] } }
  await apply(world.admin, policyFor('pay', { allow: true }), paying)
  const { run_id: runId } = await world.admin.startRun({ name: 'pay', input: { account: 'me' } })
  await eventually(async () => calls > 0)
  await world.admin.applyManifests({ manifests: [bank('500ms')] })
  await eventually(async () => (await world.admin.getRun({ run_id: runId })).state !== 'running', 30_000)
  const { writebacks } = await world.admin.getRun({ run_id: runId })
  expect(paid).toEqual(['me'])
  expect(writebacks.map(({ state }) => state)).toEqual(['applied'])
  await world.close()
  await server.close()
}, 60_000)
