/**
 * The attacker has a key with the scope `admin` and edits manifests while people look at a write, or he starts workflows
 * and says that his call is one that another rule is meant for.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writebackIdOf } from '../../schemas/names.ts'
import type { Call } from '../../schemas/run.ts'
import {
  adjustment,
  approve,
  askedAgain,
  AUTOMATION,
  booksConnection,
  codeOf,
  endingOf,
  finished,
  outcomeOf,
  startAttackWorld,
  startForeignWorker,
  type AttackWorld,
  type ForeignWorker,
  type Parked,
} from '../support/attack-world.ts'
import { startTestMcpServer, textResult, type TestMcpServer } from '../support/mcp-server.ts'
import type { Client as ApiClient } from '../../sdk/client/index.ts'

/** An automation whose writes nobody has to approve. */
const ROUTINE = 'routine'
const LOOK = 'look'

let attack: AttackWorld
let foreign: ForeignWorker
let server: TestMcpServer

beforeAll(async () => {
  server = await startTestMcpServer({
    tools: [
      {
        name: LOOK,
        inputSchema: { type: 'object' },
        annotations: { readOnlyHint: true },
        run: () => textResult('seen'),
      },
    ],
  })
  attack = await startAttackWorld()
  foreign = await startForeignWorker(attack.world)
  await apply(...manifests(server.url))
})

afterAll(async () => {
  await foreign.close()
  await attack.close()
  await server.close()
})

const apply = (...documents: Record<string, unknown>[]) =>
  attack.world.admin.applyManifests({ manifests: documents })

function manifests(url: string): Record<string, unknown>[] {
  const call = { name: LOOK, tool_call: { connection: 'library', tool: LOOK } }
  const rules = [
    { name: 'routine-is-free', match: { automation: ROUTINE }, allow: true },
    {
      name: 'no-agent-reads',
      match: { connection: 'library', when: 'requester.kind == "agent"' },
      deny: true,
    },
  ]
  const http = { type: 'mcp', transport: 'http', url, allow_private_addresses: true, trusted: true }
  return [
    { kind: 'Connection', name: 'library', spec: http },
    // Before `books`, which has a rule for everything.
    { kind: 'Policy', name: 'a-first', spec: { rules } },
    adjustment(ROUTINE),
    { kind: 'Automation', name: LOOK, spec: { steps: [call] } },
  ]
}

async function expectLeadDecides(parked: Parked): Promise<void> {
  expect(await approve(attack.lead, parked.approval)).toBe('approved')
  expect((await finished(attack.world, parked.runId)).state).toBe('completed')
  expect(await attack.amountOf(parked)).toBe(7)
}

describe('while people look at a write,', () => {
  test('a connection that is edited to lead elsewhere takes the approval with it', async () => {
    const parked = await attack.park()
    await apply(booksConnection('BOOKS_AGAIN'))
    try {
      const again = await askedAgain(attack, parked)
      expect(again).toMatchObject({
        writeback_id: expect.not.stringMatching(parked.approval.writeback_id) as string,
      })
      expect(await attack.amountOf(parked)).toBe(100)
      const run = await attack.world.admin.getRun({ run_id: parked.runId })
      expect(run.writebacks.map(({ outcome }) => outcome?.message)).toContain(
        'connection books was changed since the write was planned: url',
      )
      await expectLeadDecides({ ...parked, approval: again as Parked['approval'] })
    } finally {
      await apply(booksConnection('BOOKS_URL'))
    }
    await expectLeadDecides(await attack.park())
  })

  test('an automation that is edited changes nothing of the run that they see', async () => {
    const parked = await attack.park()
    const edited = JSON.parse(
      JSON.stringify(adjustment(AUTOMATION))
        .replace('input.amount', '1000000')
        .replace('"change"', '"raise"'),
    )
    await apply(edited as Record<string, unknown>)
    try {
      await expectLeadDecides(parked)
    } finally {
      await apply(adjustment(AUTOMATION))
    }
  })
})

describe('a rule that is meant for other calls', () => {
  test('is not had by saying that the call is such a one', async () => {
    const old = await attack.oldRun()
    const borrowed: Call = {
      ...old.call,
      origin: { ...old.call.origin, automation: ROUTINE, revision: 1 },
    }
    expect(await codeOf(foreign.callAs(old.callerId, 'perform', borrowed, []))).toBe('UNKNOWN_ORIGIN')
    expect(await attack.amountOf(old)).toBe(100)
    await expectLeadDecides(await attack.park())
  })

  test('is had by those calls', async () => {
    const account = 'account-routine'
    await attack.books.query(`insert into accounts (id, tenant, amount) values ($1, 'acme', 100)`, [account])
    const started = await attack.clerk.startRun({ name: ROUTINE, input: { account, amount: 7 } })
    expect((await finished(attack.world, started.run_id)).state).toBe('completed')
    expect(await attack.amountOf({ account })).toBe(7)
  })
})

describe('a rule about who may read', () => {
  const readBy = async (client: ApiClient) => {
    const started = await client.startRun({ name: LOOK })
    return { started, ending: await endingOf(attack.world, started.run_id) }
  }

  test('keeps those out whom it names, and lets others read', async () => {
    const agent = await attack.world.as('assistant', [], 'agent')
    server.calls.length = 0
    expect((await readBy(agent)).ending).toBe('POLICY_DENIED')
    expect(server.calls).toEqual([])
    expect((await readBy(attack.clerk)).ending).toBe('completed')
    expect(server.calls).toHaveLength(1)
  })

  test('asks our records who it is, and not the workflow', async () => {
    const { started } = await readBy(attack.clerk)
    const call: Call = {
      organization: 'acme',
      connection: 'library',
      operation: LOOK,
      arguments: {},
      raisedToWrite: false,
      timeoutMs: 10_000,
      origin: {
        deliveryId: started.delivery_id,
        runId: started.run_id,
        automation: LOOK,
        revision: 1,
        path: LOOK,
        writebackId: writebackIdOf({ runId: started.run_id, path: LOOK, round: 1 }),
      },
    }
    const perform = (from: Partial<Call['origin']>) =>
      foreign.callAs(
        started.temporal_workflow_id,
        'perform',
        { ...call, origin: { ...call.origin, ...from } },
        [],
      )
    for (const from of [{ deliveryId: 'dlv_made_up' }, { runId: 'run_made_up' }, { path: 'elsewhere' }]) {
      expect(await codeOf(perform(from))).toBe('UNKNOWN_ORIGIN')
    }
    expect(outcomeOf(await perform({}))).toMatchObject({ kind: 'read' })
  })
})
