/** What a run would do is told, and nothing else happens: no row of ours, no row of the target, no writing tool. */
import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { signEnvelope } from '../../lib/dsse.ts'
import { loadSigningKey } from '../../lib/keys.ts'
import { DRY_RUN_PAYLOAD_TYPE, type DryRunGrant, type DryRunResult } from '../../schemas/dry-run.ts'
import { dryRunWorkflowId, WORKFLOW_TYPES } from '../../schemas/names.ts'
import { codeOf } from '../support/attack-world.ts'
import { CHANGE, LOOK, needs, NOTE, ONE_LEAD } from '../support/automations.ts'
import { runCli } from '../support/cli.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'

const ACCOUNT = 'account-dry'
const INPUT = { account: ACCOUNT, balance: 7 }
const AFTER: JsonObject = { name: 'after', return: { balance: '${{ steps.change.output.balance }}' } }

let s: Scenario
let before: unknown

beforeAll(async () => {
  s = await startScenario()
  await s.shop.query('insert into accounts (id) values ($1)', [ACCOUNT])
})

afterAll(() => s.close())

/** Every row of every table of ours, and what the target has. */
async function everything(): Promise<unknown> {
  const { rows: tables } = await s.world.database.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'public' order by 1`,
  )
  const ours = new Map<string, unknown>()
  for (const { name } of tables) {
    const { rows } = await s.world.database.query(
      `select count(*)::int as rows, md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as md5 from ${name} t`,
    )
    ours.set(name, rows[0])
  }
  const { rows: accounts } = await s.shop.query('select * from accounts order by id')
  const { rows: changes } = await s.shop.query('select * from changes')
  const { rows: kept } = await s.shop.query('select * from countersign_receipts')
  const written = s.server.calls.filter(({ tool }) => tool !== 'look').length
  return { ours: Object.fromEntries(ours), accounts, changes, kept, written }
}

const dry = (name: string, more: { answers?: Record<string, string | JsonObject> } = {}) =>
  s.clerk.dryRun({ name, input: INPUT, ...more })

describe('leaves everything as it was, and', () => {
  beforeEach(() => {
    before = undefined
  })

  async function told(
    name: string,
    steps: JsonObject[],
    effect: JsonObject,
    answers?: Record<string, JsonObject>,
  ) {
    await s.define(name, steps, effect)
    before = await everything()
    const answer = await dry(name, answers ? { answers } : {})
    expect(await everything()).toEqual(before)
    return answer
  }

  test('tells what would be written, how, and who would be asked', async () => {
    const reads = s.server.calls.length
    const answer = await told(
      'dry-asks',
      [LOOK, CHANGE, NOTE, AFTER],
      needs([{ roles: ['lead'], quorum: 2 }]),
    )
    const [look, change, note, after] = answer.steps
    expect(look).toMatchObject({ path: 'look', state: 'completed', output: { about: ACCOUNT, level: 3 } })
    expect(s.server.calls.slice(reads).map(({ tool }) => tool)).toEqual(['look'])
    expect(change).toMatchObject({
      state: 'would_write',
      output: null,
      would_write: {
        preview: {
          executor: 'sql',
          connection: 'shop',
          target: `shop/accounts/id=${ACCOUNT}`,
          changes: [{ field: 'balance', before: 100, after: 7 }],
          guard: 'atomic',
        },
        rule: 'dry-asks/writes',
        asks: [{ roles: ['lead'], people: [], quorum: 2 }],
        refused: null,
        held_because: null,
      },
    })
    expect(note).toMatchObject({ state: 'would_write', would_write: { preview: { operation: 'note' } } })
    expect(after).toMatchObject({ path: 'after', state: 'stopped', needs: ['change'] })
    expect(answer).toMatchObject({
      state: 'stopped',
      output: null,
      problems: [{ path: 'after', message: 'it needs the output of change, which would be written' }],
    })
  })

  test('goes on with what the caller says that a write gives', async () => {
    const answer = await told('dry-answered', [CHANGE, AFTER], ONE_LEAD, { change: { balance: '7' } })
    expect(answer).toMatchObject({ state: 'completed', output: { balance: '7' }, problems: [] })
    expect(answer.steps[0]).toMatchObject({ state: 'would_write', output: { balance: '7' } })
  })

  test('tells what policy denies, and fails as the run would', async () => {
    const answer = await told('dry-denied', [CHANGE, LOOK], { deny: true })
    expect(answer).toMatchObject({ state: 'failed', failure: { code: 'POLICY_DENIED' } })
    const refused = { code: 'POLICY_DENIED', message: 'rule dry-denied/writes denies it' }
    expect(answer.steps).toMatchObject([
      { path: 'change', state: 'failed', would_write: { asks: [], refused } },
    ])
  })

  test('tells that nobody could approve', async () => {
    const answer = await told('dry-nobody', [CHANGE], needs([{ roles: ['astronaut'] }]))
    expect(answer.failure?.code).toBe('NO_ELIGIBLE_APPROVER')
    expect(answer.steps[0]?.would_write?.asks).toEqual([{ roles: ['astronaut'], people: [], quorum: 1 }])
  })

  test('does not wait for people, time or other runs', async () => {
    const ask = { title: 'Who?', markdown: 'Tell', form: { type: 'object' }, of: { roles: ['lead'] } }
    const answer = await told(
      'dry-waits',
      [
        { name: 'nap', sleep: { for: '30d' } },
        { name: 'tier', ask },
        { name: 'sub', run_automation: { automation: 'dry-asks', input: { a: 1 } } },
        { name: 'sum', code: { source: 'export default (ctx) => 1' }, if: 'steps.nap.status == "completed"' },
      ],
      ONE_LEAD,
    )
    const [nap, tier, sub, sum] = answer.steps
    expect(nap).toMatchObject({ state: 'completed', would_sleep_ms: 30 * 86_400_000 })
    expect(tier?.would_ask).toEqual({
      title: 'Who?',
      markdown: 'Tell',
      asks: [{ roles: ['lead'], people: [], quorum: 1 }],
    })
    expect(sub).toMatchObject({
      state: 'would_start',
      would_start: { automation: 'dry-asks', input: { a: 1 } },
    })
    // Code is given all that came before it.
    expect(sum).toMatchObject({ state: 'stopped', needs: ['tier'] })
    const all = await dry('dry-waits', { answers: { tier: {}, sub: {} } })
    expect(all).toMatchObject({ state: 'completed', output: 1 })
  })

  test('goes through loops and branches, and stops only where something is missing', async () => {
    const loop = { name: 'each', for_each: { items: '["a", "b"]', steps: [{ ...CHANGE, name: 'set' }] } }
    const end = { name: 'end', return: 'done' }
    const looped = await told('dry-loop', [loop, end], ONE_LEAD)
    expect(looped).toMatchObject({ state: 'completed', output: 'done' })
    const written = looped.steps.filter(({ would_write: write }) => write).map(({ path }) => path)
    expect(written.sort()).toEqual(['each[0].set', 'each[1].set'])
    const fork = {
      name: 'fork',
      parallel: {
        branches: {
          one: [CHANGE, { ...LOOK, name: 'blocked', if: 'steps.change.output != null' }],
          two: [CHANGE, LOOK],
        },
      },
    }
    const answer = await told('dry-fork', [fork, end], ONE_LEAD)
    expect(answer.state).toBe('stopped')
    expect(answer.steps.map(({ path, state }) => [path, state])).toEqual([
      ['fork', 'stopped'],
      ['fork.one.change', 'would_write'],
      ['fork.two.change', 'would_write'],
      ['fork.two.look', 'completed'],
      ['fork.one.blocked', 'stopped'],
    ])
  })

  test('tells of a write that could not be planned, of a tool that fails, and of a frozen connection', async () => {
    const update = { table: 'accounts', key: { id: 'nobody' }, set: { balance: 1 } }
    const missing = { name: 'missing', writeback: { connection: 'shop', update }, on_error: 'continue' }
    await s.world.admin.freezeConnection({ name: 'shop', reason: 'month end' })
    const answer = await told('dry-missing', [missing, CHANGE], ONE_LEAD)
    await s.world.admin.thawConnection({ name: 'shop' })
    expect(answer.steps).toMatchObject([
      { path: 'missing', state: 'failed', error: { code: 'WRITE_CONFLICT' } },
      {
        path: 'change',
        state: 'would_write',
        would_write: { held_because: expect.stringContaining('month end') },
      },
    ])
  })

  test('lets policy judge readings, with who asks', async () => {
    await s.define('dry-reads', [LOOK], { allow: true })
    const match = {
      automation: 'dry-reads',
      class: 'read',
      when: 'requester.principal == "carl@acme.example"',
    }
    await s.apply({
      kind: 'Policy',
      name: 'a-readers',
      spec: { rules: [{ name: 'not-carl', match, deny: true }] },
    })
    const reads = s.server.calls.length
    expect((await dry('dry-reads')).failure?.message).toContain('a-readers/not-carl')
    expect(s.server.calls).toHaveLength(reads)
    expect((await s.lena.dryRun({ name: 'dry-reads', input: INPUT })).state).toBe('completed')
  })
})

test('an answer is for a step that a dry run does not do, and fits', async () => {
  const ask = {
    title: 'T',
    markdown: 'M',
    form: { type: 'object', required: ['a'] },
    of: { roles: ['lead'] },
  }
  await s.define('dry-form', [LOOK, { name: 'tier', ask }], ONE_LEAD)
  expect(await codeOf(dry('dry-form', { answers: { tier: {} } }))).toBe('INVALID_ANSWER')
  const { problems } = await dry('dry-form', { answers: { look: {}, tier: { a: 1 } } })
  expect(problems).toMatchObject([{ path: 'look', message: expect.stringContaining('not used') }])
  expect(await codeOf(dry('dry-form', { answers: { other: {} } }))).toBe('INVALID_INPUT')
  expect(await codeOf(dry('no-such'))).toBe('NOT_FOUND')
})

describe('somebody who can start workflows', () => {
  const grantOf = (workflowId: string, changes: Partial<DryRunGrant> = {}): DryRunGrant => ({
    organization: 'acme',
    automation: 'dry-forged',
    revision: 1,
    requester: { principal: 'lena@acme.example', kind: 'person', onBehalfOf: [] },
    workflowId,
    expiresAt: new Date(Date.now() + 60_000).toISOString(),
    ...changes,
  })

  async function forge(key: 'decision' | 'receipt', changes: Partial<DryRunGrant> = {}, step = LOOK) {
    const workflowId = dryRunWorkflowId({
      organization: 'acme',
      automation: 'dry-forged',
      dryRunId: `dry_${randomBytes(16).toString('hex')}`,
    })
    const call = step['tool_call'] as JsonObject
    const { connection, tool } = call as { connection: string; tool: string }
    const planned = { connection, operation: tool, arguments: { about: 'x' }, raisedToWrite: false }
    const plan = {
      automation: 'dry-forged',
      revision: 1,
      steps: [{ type: 'call', name: String(step['name']), timeoutMs: 1_000, call: planned }],
    }
    const grant = signEnvelope(
      DRY_RUN_PAYLOAD_TYPE,
      grantOf(workflowId, changes),
      loadSigningKey(s.world.keysFolder, key),
    )
    const result = (await s.world.temporal.workflow.execute(WORKFLOW_TYPES.dryRun, {
      workflowId,
      taskQueue: s.world.taskQueue,
      args: [{ grant, input: INPUT, run: { id: randomUUID() }, answers: {} }, plan],
    })) as DryRunResult
    return result.error?.code ?? result.state
  }

  test('reads nothing by a dry run that no API has granted', async () => {
    await s.define('dry-forged', [LOOK], ONE_LEAD)
    // The control: what the others change one thing of.
    expect(await forge('decision')).toBe('completed')
    const reads = s.server.calls.length
    expect(await forge('receipt')).toBe('DRY_RUN_NOT_GRANTED')
    expect(await forge('decision', { workflowId: 'dry-run/acme/another' })).toBe('DRY_RUN_NOT_GRANTED')
    expect(await forge('decision', { expiresAt: '2020-01-01T00:00:00.000Z' })).toBe('DRY_RUN_NOT_GRANTED')
    expect(await forge('decision', { revision: 99 })).toBe('DRY_RUN_NOT_GRANTED')
    expect(await forge('decision', { organization: 'rival' })).toBe('DRY_RUN_NOT_GRANTED')
    expect(await forge('decision', {}, { ...LOOK, name: 'elsewhere' })).toBe('DRY_RUN_NOT_GRANTED')
    expect(await forge('decision', {}, { ...NOTE, name: 'look' })).toBe('DRY_RUN_NOT_GRANTED')
    expect(s.server.calls).toHaveLength(reads)
  })
})

test('the command line tells it in words, with the change as a table', async () => {
  await s.define('dry-cli', [LOOK, CHANGE, AFTER], ONE_LEAD)
  const environment = { COUNTERSIGN_URL: s.world.apiUrl, COUNTERSIGN_API_KEY: s.clerk.apiKey }
  const cli = (...more: string[]) =>
    runCli(['run', 'dry-cli', '--dry-run', '--input', JSON.stringify(INPUT), ...more], {
      cwd: s.world.folder,
      environment,
    })
  const { code, stdout, stderr } = await cli()
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('look: done: {')
  expect(stdout).toContain(
    `change: would write: shop · update · shop/accounts/id=${ACCOUNT} (rule dry-cli/writes); would be asked: 1 of role lead`,
  )
  expect(stdout).toMatch(/field +before +after\n +balance +100 +7\n/)
  expect(stdout).toContain('after: it needs the output of change, which would be written')
  expect(stdout).toContain('Nothing was written, and nobody was asked.')
  const answered = await cli('--answer', 'change={"balance": "7"}', '--json')
  expect(JSON.parse(answered.stdout)).toMatchObject({ state: 'completed', output: { balance: '7' } })
  expect((await cli('--answer', 'nonsense')).code).toBe(2)
})
