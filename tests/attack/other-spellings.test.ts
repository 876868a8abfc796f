/**
 * The attacker can start runs, and knows the policy. He writes the value that it denies in another spelling, of those
 * that PostgreSQL takes for the same; or he edits what a plan says that would be stored.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findWriteback, writeFactsOf } from '../../db/queries/writebacks.ts'
import { writeDigest } from '../../lib/write-digest.ts'
import { writebackIdOf } from '../../schemas/names.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import type { Call } from '../../schemas/run.ts'
import {
  approve,
  endingOf,
  finished,
  outcomeOf,
  startAttackWorld,
  startForeignWorker,
  startWriteback,
  ticketOf,
  waitForApproval,
  type AttackWorld,
  type ForeignWorker,
} from '../support/attack-world.ts'
import { eventually } from '../support/world.ts'

let attack: AttackWorld
let foreign: ForeignWorker

beforeAll(async () => {
  attack = await startAttackWorld()
  foreign = await startForeignWorker(attack.world)
  await attack.books.query(LEDGERS_SQL)
  await attack.world.admin.applyManifests({ manifests: MANIFESTS })
})

afterAll(async () => {
  await foreign.close()
  await attack.close()
})

const LEDGERS_SQL = `
create table ledgers (
  id bigint primary key, tenant text not null, waived boolean not null default false, level integer,
  balance numeric, due timestamptz, meta jsonb, owner uuid);
insert into ledgers (id, tenant) select i, 'acme' from generate_series(1, 20) i;
`

const rule = (name: string, when: string) => ({ name, match: { connection: 'vault', when }, deny: true })

const MANIFESTS = [
  {
    kind: 'Connection',
    name: 'vault',
    spec: {
      type: 'postgres',
      url: '${secret:BOOKS_URL}',
      scope: { column: 'tenant', value: 'acme' },
      tables: {
        ledgers: { primary_key: ['id'], writable: ['waived', 'level', 'balance', 'due', 'meta', 'owner'] },
      },
    },
  },
  {
    kind: 'Policy',
    name: 'vault',
    spec: {
      rules: [
        rule('nothing-is-waived', 'has(patch.waived) && patch.waived == true'),
        rule('no-level-9', 'has(patch.level) && patch.level == 9'),
        rule('no-level-at-all', 'has(arguments.set.level) && arguments.set.level in [10, 11]'),
        rule('not-over-1000', 'has(patch.balance) && double(patch.balance) >= 1000.0'),
        rule('no-vip', 'has(patch.meta) && patch.meta == {"vip": 1}'),
        rule('not-to-eve', 'has(patch.owner) && patch.owner == "e0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'),
        {
          name: 'a-lead-sees-7-and-dates',
          match: { connection: 'vault', when: 'target.key.id == 7 || has(patch.due)' },
          require: { stages: [{ roles: ['lead'], quorum: 1 }] },
        },
        { name: 'the-rest', match: { connection: 'vault' }, allow: true },
      ],
    },
  },
  ...['waived', 'level', 'balance', 'due', 'meta', 'owner'].map((column) =>
    automation(`set-${column}`, change(column)),
  ),
  // Its run is over, and has left the write out.
  automation('skip-level', { ...change('level'), if: 'input.id == 0' }),
]

function change(column: string): Record<string, unknown> {
  const key = { id: '${{ input.id }}' }
  const set = { [column]: '${{ input.value }}' }
  return { name: 'change', writeback: { connection: 'vault', update: { table: 'ledgers', key, set } } }
}

function automation(name: string, step: Record<string, unknown>): Record<string, unknown> {
  return { kind: 'Automation', name, spec: { steps: [step] } }
}

async function start(column: string, value: unknown, id: unknown = 3): Promise<string> {
  const { run_id: runId } = await attack.clerk.startRun({
    name: `set-${column}`,
    input: { id, value } as never,
  })
  return runId
}

const columnOf = async (id: number, column: string): Promise<unknown> =>
  (
    await attack.books.query<Record<string, unknown>>(`select ${column}::text from ledgers where id = $1`, [
      id,
    ])
  ).rows[0]?.[column]

describe('a value that a policy denies', () => {
  test.each([
    ['waived', true],
    ['waived', 'true'],
    ['waived', 'on'],
    ['waived', 1],
    ['level', 9],
    ['level', '9'],
    ['level', ' 0x9'],
    ['level', '10'],
    ['balance', 1000],
    ['balance', '1e3'],
    ['balance', 'NaN'],
    ['balance', 'Infinity'],
    ['meta', { vip: 1 }],
    ['meta', { vip: '1' }],
    ['owner', 'e0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['owner', '{E0EEBC999C0B4EF8BB6D6BB9BD380A11}'],
  ])('%s %j is denied in every spelling', async (column, value) => {
    expect(await endingOf(attack.world, await start(column, value))).toBe('POLICY_DENIED')
    expect(await columnOf(3, 'waived')).toBe('false')
    expect(await columnOf(3, 'level')).toBeNull()
    expect(await columnOf(3, 'balance')).toBeNull()
  })

  test('is written where the policy lets it be, and judged as what is stored', async () => {
    expect(await endingOf(attack.world, await start('level', ' 8 ', 4))).toBe('completed')
    expect(await columnOf(4, 'level')).toBe('8')
    expect(await endingOf(attack.world, await start('balance', '999.99', 4))).toBe('completed')
    expect(await columnOf(4, 'balance')).toBe('999.99')
    expect(await endingOf(attack.world, await start('waived', 'off', 4))).toBe('completed')
  })
})

test('a row by another spelling of its key is the same row to policy and people', async () => {
  const ids = [7, '7', ' 07 ']
  const approvals = []
  for (const id of ids) {
    const approval = await waitForApproval(attack.lead, await start('level', 1, id))
    approvals.push(approval)
  }
  expect(new Set(approvals.map(({ preview }) => preview?.target))).toEqual(new Set(['vault/ledgers/id=7']))
  expect(new Set(approvals.map(({ preview }) => JSON.stringify(preview?.changes))).size).toBe(1)
  expect(await columnOf(7, 'level')).toBeNull()
})

test('`now` is approved as a moment, and that moment is written', async () => {
  const runId = await start('due', 'now', 8)
  const approval = await waitForApproval(attack.lead, runId)
  const shown = String(approval.preview?.changes[0]?.after)
  expect(shown).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$/)
  await approve(attack.lead, approval)
  await finished(attack.world, runId)
  const { rows } = await attack.books.query<{ same: boolean }>(
    'select due = $1::timestamptz as same from ledgers where id = 8',
    [shown],
  )
  expect(rows[0]?.same).toBe(true)
})

/** A write that a run which is over has left out waits for people: its call, and the id that may make it. */
async function parkSkipped(id: number): Promise<{ call: Call; callerId: string; approval: ApprovalView }> {
  const started = await attack.clerk.startRun({ name: 'skip-level', input: { id, value: 1 } as never })
  const { run_id: runId, delivery_id: deliveryId, temporal_workflow_id: callerId } = started
  await finished(attack.world, runId)
  const writebackId = writebackIdOf({ runId, path: 'change', round: 1 })
  const call: Call = {
    organization: 'acme',
    connection: 'vault',
    operation: 'update',
    arguments: { table: 'ledgers', key: { id }, guard: {}, set: { level: 1 } },
    raisedToWrite: true,
    timeoutMs: 20_000,
    origin: { deliveryId, runId, automation: 'skip-level', revision: 1, path: 'change', writebackId },
  }
  await startWriteback(attack.world, call)
  const approval = await eventually(async () =>
    (await attack.lead.listApprovals({})).items.find((item) => item.writeback_id === writebackId),
  )
  return { call, callerId, approval }
}

/** He goes on as the run would, past the approval, with what people have signed for the plan as it stands now. */
describe('a plan that was edited together with its digest', () => {
  const setText = (path: string, text: string): string =>
    `plan = jsonb_set(plan, '{stored,${path}}', to_jsonb('${text}'::text))`
  const named = (id: number): string =>
    `plan = jsonb_set(jsonb_set(plan, '{target}', '"vault/ledgers/id=${id}"'), '{stored,key,id}', to_jsonb('["7", ${id}]'::text)),
     preview = jsonb_set(preview, '{target}', '"vault/ledgers/id=${id}"')`

  test.each([
    ['sends another value than people have seen', setText('set,level', '["1000", 1]'), true],
    ['is judged by another row than the one it changes', named(3), false],
  ])('is not carried out: it %s', async (_what, edit, isSigned) => {
    const { call, callerId, approval } = await parkSkipped(7)
    const about = { organization: 'acme', writebackId: approval.writeback_id }
    const { database } = attack.world
    await database.query(`update writebacks set ${edit} where writeback_id = $1`, [about.writebackId])
    const row = await findWriteback(database, about)
    if (!row) throw new Error('the row is gone')
    const digest = writeDigest(writeFactsOf(row))
    for (const table of ['writebacks', 'approvals'])
      await database.query(`update ${table} set digest = $2 where writeback_id = $1`, [
        about.writebackId,
        digest,
      ])
    const tickets = isSigned ? [await ticketOf(attack.lead, { ...approval, digest })] : []
    const result = await foreign.callAs(callerId, 'perform', call, tickets)
    expect(await columnOf(7, 'level')).toBeNull()
    expect(outcomeOf(result).status).toBe('conflict')
  })
})

test('a row over 2^53 is not asked for in a way that names its neighbour', async () => {
  const startWith = (id: string): Promise<Response> =>
    fetch(`${attack.world.apiUrl}/v1/automations/set-level/runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${attack.clerk.apiKey}`, 'content-type': 'application/json' },
      body: `{"input": {"id": ${id}, "value": 1}}`,
    })
  await attack.books.query(`insert into ledgers (id, tenant) values (9007199254740992, 'acme')`)
  await attack.books.query(`insert into ledgers (id, tenant) values (9007199254740993, 'acme')`)
  const refused = await startWith('9007199254740993')
  expect(refused.status).toBe(400)
  expect(await refused.json()).toMatchObject({ code: 'INVALID_INPUT', errors: [{ path: 'input.id' }] })
  const accepted = (await (await startWith('"9007199254740993"')).json()) as { run_id: string }
  // Such an id is a text to policies, and nobody can say that it is not 7: so somebody is asked, and sees which row it is.
  const approval = await waitForApproval(attack.lead, accepted.run_id)
  expect(approval.preview?.target).toBe('vault/ledgers/id=9007199254740993')
  await approve(attack.lead, approval)
  expect(await endingOf(attack.world, accepted.run_id)).toBe('completed')
  const { rows } = await attack.books.query('select id from ledgers where id > 100 and level = 1')
  expect(rows).toEqual([{ id: '9007199254740993' }])
})
