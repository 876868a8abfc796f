/**
 * The attacker can write the worker's file of commands. He does so after a write has passed the door, while something
 * holds it up on its way: a lock on a row, a Temporal that answers slowly, a worker that stands still for a moment.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Executor, Operation, Resolved } from '../../activities/executors/executor.ts'
import { createMcpToolExecutor } from '../../activities/executors/mcp-tool.ts'
import { createTargetResolver } from '../../activities/targets.ts'
import { createToolCatalog } from '../../mcp/catalog.ts'
import { createMcpClient } from '../../mcp/client.ts'
import { claimWaits, lockConnection } from '../support/locked-connection.ts'
import { policyFor } from '../support/automations.ts'
import { PAYING_SETTINGS, paymentStep } from '../support/paying.ts'
import { eventually, startWorld, type World } from '../support/world.ts'

const folder = mkdtempSync(join(tmpdir(), 'other-programs-'))
const [approved, other] = [join(folder, 'approved'), join(folder, 'other')] as const
const script = fileURLToPath(new URL('../support/paying-stdio.ts', import.meta.url))
const program = (file: string) => ({
  command: process.execPath,
  args: ['--import', 'tsx', script, file],
  env: { WHICH: `\${secret:${file === approved ? 'APPROVED' : 'OTHER'}}` },
})
const BANK = { type: 'mcp', transport: 'stdio', command: 'bank', tools: PAYING_SETTINGS, timeout: '20s' }
const paid = (file: string): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1)

let world: World
const lead = () => world.as('lena@acme.example', ['lead'])
const have = (file: string) =>
  writeFileSync(join(world.folder, 'commands.json'), JSON.stringify({ commands: { bank: program(file) } }))

beforeAll(async () => {
  world = await startWorld({
    commands: { bank: program(approved) },
    secrets: { APPROVED: 'a', OTHER: 'b' },
  })
})
beforeEach(() => {
  have(approved)
  for (const file of [approved, other]) writeFileSync(file, '')
})
afterAll(() => world.close())

test('a payment goes to the program that was approved, and not to one that has got its name meanwhile', async () => {
  await world.admin.applyManifests({ manifests: [{ kind: 'Connection', name: 'bank', spec: BANK }] })
  await world.admin.applyManifests({
    manifests: [
      policyFor('pay', { require: { stages: [{ roles: ['lead'], quorum: 1 }] } }),
      { kind: 'Automation', name: 'pay', spec: { steps: [paymentStep('bank', 'pay')] } },
    ],
  })
  const clerk = await world.as('carl@acme.example', [])
  const { run_id: runId } = await clerk.startRun({ name: 'pay', input: { account: 'me' } })
  const approval = await eventually(
    async () => (await (await lead()).listApprovals({ run_id: runId })).items[0],
  )
  // Whoever saves or freezes a connection holds its row for a moment.
  const unlock = await lockConnection(world.database, 'bank')
  const { approval_id, digest } = approval
  await (await lead()).decideApproval({ approval_id, verdict: 'approve', digest })
  await claimWaits(world.database)
  have(other)
  await unlock()
  await eventually(async () => (await world.admin.getRun({ run_id: runId })).state === 'completed', 40_000)
  expect([paid(approved), paid(other)]).toEqual([['me'], []])
}, 90_000)

async function withExecutor(work: (executor: Executor) => Promise<void>): Promise<void> {
  const mcp = createMcpClient()
  const targetOf = createTargetResolver({
    resolveSecret: (_organization, name) => name,
    commandsFile: join(world.folder, 'commands.json'),
  })
  const deps = { mcp, catalog: createToolCatalog(mcp), targetOf, onProgress: () => undefined }
  try {
    await work(createMcpToolExecutor(deps))
  } finally {
    await mcp.close()
  }
}

const limits = () => ({ deadlineAtMs: Date.now() + 20_000, signal: new AbortController().signal })
const operationOf = (operation: string): Operation => ({
  organization: 'acme',
  connection: 'bank',
  spec: { ...BANK, trusted: false } as unknown as Operation['spec'],
  operation,
  arguments: { about: 'me' },
})

type Go = (executor: Executor, operation: Operation, resolved: Resolved) => Promise<unknown>

test.each<[string, string, Go]>([
  [
    'a reading',
    'is_paid',
    (executor, operation, { destination }) => executor.read(operation, { ...limits(), destination }),
  ],
  [
    'a look at what became of a payment',
    'pay_checked',
    (executor, operation, { destination }) =>
      executor.check(operation, { ...limits(), destination, key: 'k', digest: 'd' }),
  ],
])('%s asks the program that was resolved', async (_what, name, go) => {
  writeFileSync(approved, 'me\n')
  await withExecutor(async (executor) => {
    const operation = operationOf(name)
    const resolved = await executor.resolve(operation, limits())
    have(other)
    expect(JSON.stringify(await go(executor, operation, resolved))).toContain('"paid":true')
    const again = await executor.resolve(operation, limits())
    expect(again.endpoint).not.toEqual(resolved.endpoint)
    expect(JSON.stringify(await go(executor, operation, again).catch(String))).not.toContain('"paid":true')
  })
})
