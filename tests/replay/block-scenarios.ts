/** What is recorded of steps with steps inside, and of the other steps that may wait by themselves. */
import { test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { CHANGE, LOOK, needs, NOTE, NOTE_AGAIN, ONE_LEAD } from '../support/automations.ts'
import { textResult } from '../support/mcp-server.ts'
import { about, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

interface Recording {
  scenario: () => Scenario
  over: (run: StartedRun) => Promise<void>
  record: (run: StartedRun, name: string) => Promise<void>
}

const LOOP: JsonObject = {
  name: 'each',
  for_each: { items: '["a", "b", "c"]', steps: [LOOK, NOTE], concurrency: 2 },
}
const FAN: JsonObject = { name: 'fan', parallel: { branches: { left: [NOTE], right: [LOOK, CHANGE] } } }
const CHOICE: JsonObject = {
  name: 'pick',
  choose: {
    branches: [
      { when: 'input.balance > 100', steps: [LOOK] },
      { when: 'input.balance > 5', steps: [NOTE] },
    ],
    otherwise: [{ name: 'stop', fail: { code: 'TOO_LITTLE', message: 'only ${{ input.balance }}' } }],
  },
}
const NAP: JsonObject = { name: 'nap', sleep: { for: '4s' } }

export function recordBlocks({ scenario, over, record }: Recording): void {
  const waiting = async (run: StartedRun, count: number) =>
    eventually(async () => {
      const { items } = await scenario().world.admin.listApprovals({ run_id: run.runId, state: 'waiting' })
      return items.length === count && items
    })
  const decideAll = async (run: StartedRun, count: number, verdict: 'approve' | 'reject'): Promise<void> => {
    for (const approval of await waiting(run, count))
      await scenario().lena.decideApproval({ ...about(approval), verdict })
  }
  const parked = async (name: string, steps: JsonObject[], count: number): Promise<StartedRun> => {
    const s = scenario()
    await s.define(name, steps, ONE_LEAD)
    const run = await s.start(name)
    await waiting(run, count)
    await record(run, `${name}-waiting`)
    return run
  }
  const finish = async (run: StartedRun, name: string): Promise<void> => {
    await over(run)
    await record(run, name)
  }

  test('waits in the items of a loop', async () => {
    const run = await parked('for-each', [LOOP], 2)
    const [one] = await waiting(run, 2)
    if (!one) throw new Error('an approval was expected')
    await scenario().lena.decideApproval({ ...about(one), verdict: 'approve' })
    await eventually(async () => (await scenario().look(run)).writebacks.length === 3)
    await decideAll(run, 2, 'approve')
    await finish(run, 'for-each-approved')
    const cancelled = await scenario().start('for-each')
    await waiting(cancelled, 2)
    await scenario().world.admin.cancelRun({ run_id: cancelled.runId })
    await finish(cancelled, 'for-each-withdrawn-by-cancel')
  })

  test('waits in branches, of which one may end the other', async () => {
    const run = await parked('parallel', [FAN], 2)
    await decideAll(run, 2, 'approve')
    await finish(run, 'parallel-approved')
    const rejected = await scenario().start('parallel')
    const [first] = await waiting(rejected, 2)
    if (!first) throw new Error('an approval was expected')
    await scenario().lena.decideApproval({ ...about(first), verdict: 'reject' })
    await finish(rejected, 'parallel-rejected')
  })

  test('waits in the branch of a choice, and fails in another', async () => {
    const run = await parked('choose', [CHOICE], 1)
    await decideAll(run, 1, 'approve')
    await finish(run, 'choose-approved')
    const poor = { ...CHOICE, choose: { ...(CHOICE['choose'] as JsonObject), branches: [] } }
    const branches = [{ when: 'input.balance > 100', steps: [LOOK] }]
    await scenario().define('choose-none', [{ ...poor, choose: { ...poor.choose, branches } }], ONE_LEAD)
    await finish(await scenario().start('choose-none'), 'choose-failed')
  })

  test('sleeps', async () => {
    const s = scenario()
    await s.define('sleep', [NAP, LOOK], ONE_LEAD)
    const run = await s.start('sleep')
    await hasTimer(s, run)
    await record(run, 'sleep-waiting')
    await finish(run, 'sleep-over')
  })

  test('waits for another run', async () => {
    const inner: JsonObject = { account: '${{ input.account }}', balance: '${{ input.balance }}' }
    const step = { name: 'sub', run_automation: { automation: 'gated-call', input: inner } }
    const s = scenario()
    await s.define('run-automation', [step, LOOK], ONE_LEAD)
    const run = await s.start('run-automation')
    const approval = await eventually(async () => {
      const { items } = await s.world.admin.listApprovals({ state: 'waiting' })
      return items.find(({ preview }) => JSON.stringify(preview).includes(run.account))
    })
    await record(run, 'run-automation-waiting')
    await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
    await finish(run, 'run-automation-approved')
  })

  test('tries again, after a wait, as a new round', async () => {
    const s = scenario()
    await s.define('retry', [{ ...NOTE_AGAIN, retry: { max_attempts: 3, backoff: '3s' } }], ONE_LEAD)
    const note = s.server.tools.find(({ name }) => name === 'note_again')
    if (!note) throw new Error('there is a tool note_again')
    const { run: good } = note
    note.run = () => ({ ...textResult('out of order'), isError: true })
    const run = await s.park('retry')
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await hasTimer(s, run)
    note.run = good
    await record(run, 'retry-before-the-next-try')
    await waiting(run, 1)
    await record(run, 'retry-waiting')
    await decideAll(run, 1, 'approve')
    await finish(run, 'retry-approved')
  })

  test('asks, and is answered, or not', async () => {
    const s = scenario()
    const form = { type: 'object', properties: { tier: { enum: ['gold', 'plain'] } }, required: ['tier'] }
    const ask = {
      title: 'Which tier has ${{ input.account }}?',
      markdown: 'They **ask**.',
      form,
      of: { roles: ['lead'] },
    }
    await s.define('ask', [{ name: 'tier', ask }], ONE_LEAD)
    const run = await s.park('ask')
    await scenario()
      .lena.answerAsk({ ...about(run.approval), answer: { tier: 'tin' } })
      .catch(() => undefined)
    await record(run, 'ask-waiting')
    await s.lena.answerAsk({ ...about(run.approval), answer: { tier: 'gold' } })
    await finish(run, 'ask-answered')
    const cancelled = await s.park('ask')
    await s.world.admin.cancelRun({ run_id: cancelled.runId })
    await finish(cancelled, 'ask-withdrawn')
    await s.define('ask-hasty', [{ name: 'tier', ask: { ...ask, expires_after: '1s' } }], ONE_LEAD)
    await finish(await s.start('ask-hasty'), 'ask-expired')
  })

  test('computes, and tries again', async () => {
    const s = scenario()
    const code = {
      source: 'export default (ctx) => { console.log("at", ctx.input.balance); return Math.random() }',
    }
    await s.define('code', [{ name: 'sum', code }], ONE_LEAD)
    await finish(await s.start('code'), 'code-done')
    const source = 'export default () => { console.warn("no"); throw new Error("not today") }'
    const step = { name: 'sum', code: { source }, retry: { max_attempts: 2, backoff: '100ms' } }
    await s.define('code-fails', [step], ONE_LEAD)
    await finish(await s.start('code-fails'), 'code-failed')
  })

  test('goes on after a failure', async () => {
    const run = await parked('on-error', [{ ...NOTE, on_error: 'continue' }, LOOK], 1)
    await decideAll(run, 1, 'reject')
    await finish(run, 'on-error-rejected')
  })

  test('is planned anew inside of a loop, and tried again behind those rounds', async () => {
    const s = scenario()
    const step = { ...CHANGE, retry: { max_attempts: 2, backoff: '100ms' } }
    const loop = { name: 'each', for_each: { items: '["a"]', steps: [step] } }
    await s.define('rounds-in-loop', [loop], needs([{ roles: ['lead'] }]))
    const run = await s.park('rounds-in-loop')
    for (let round = 1; round <= 3; round++) {
      const [approval] = await eventually(async () => {
        const items = await waiting(run, 1)
        return items[0]?.writeback_id.endsWith(`.${round}`) && items
      })
      await s.shop.query('update accounts set balance = $2 where id = $1', [run.account, 50 + round])
      if (!approval) throw new Error('an approval was expected')
      await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
    }
    await eventually(async () => (await waiting(run, 1))[0]?.writeback_id.endsWith('.each.0.change.4'))
    await record(run, 'rounds-in-loop-waiting')
    await decideAll(run, 1, 'approve')
    await finish(run, 'rounds-in-loop-approved')
  })
}

async function hasTimer(s: Scenario, run: StartedRun): Promise<void> {
  await eventually(async () => {
    const { events } = await s.world.temporal.workflow.getHandle(run.workflowId).fetchHistory()
    return events?.some(({ timerStartedEventAttributes: timer }) => timer)
  })
}
