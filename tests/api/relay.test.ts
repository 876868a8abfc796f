/** Deliveries that were accepted and not started are started, once, by whichever API can; one that cannot be holds up none. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WorkflowNotFoundError } from '@temporalio/client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cancelRun } from '../../api/cancel-run.ts'
import { startDelivery } from '../../api/deliveries.ts'
import { startRelay, startWhatIsDue, type Relay } from '../../api/relay.ts'
import { insertDelivery, type DeliveryRow } from '../../db/queries/deliveries.ts'
import { claimDueDeliveries } from '../../db/queries/relay.ts'
import { runWorkflowId } from '../../schemas/names.ts'
import { eventually } from '../support/world.ts'
import { freePort } from './ports.ts'
import { createTestApi, returningAutomation, type TestApi } from './support.ts'

let there: TestApi
let away: TestApi
const relays: Relay[] = []
const running = new AbortController().signal

beforeAll(async () => {
  there = await createTestApi()
  away = await createTestApi({ temporalAddress: `127.0.0.1:${await freePort()}` })
  await there.call({
    method: 'POST',
    url: '/v1/manifests',
    body: { manifests: [returningAutomation('echo')] },
  })
})
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop()))
  await there.database.query('delete from deliveries')
})
afterAll(async () => {
  await Promise.all([there.close(), away.close()])
})

/** As the front door stores it, `revision` being one that may not exist. */
async function store({ revision = 1 } = {}): Promise<DeliveryRow> {
  const id = `dlv_${randomUUID()}`
  const workflowId = runWorkflowId({ organization: 'acme', automation: 'echo', deliveryId: id })
  return insertDelivery(there.database, {
    id,
    organization: 'acme',
    source: 'api/echo',
    dedupeKey: id,
    requestSha256: '',
    requester: { principal: 'carl@acme.example', kind: 'person', onBehalfOf: [] },
    runs: [
      {
        runId: `run_${randomUUID().replaceAll('-', '')}`,
        workflowId,
        automation: 'echo',
        revision,
        input: { id },
      },
    ],
  })
}

async function due(): Promise<void> {
  await there.database.query(`update deliveries set next_attempt_at = now() - interval '1 second'`)
}

async function stateOf({ id }: Pick<DeliveryRow, 'id'>) {
  const { rows } = await there.database.query<{
    state: string
    attempts: number
    last_error: string | null
    wait_s: number
  }>(
    `select state, attempts, last_error, extract(epoch from next_attempt_at - now())::integer as wait_s
     from deliveries where id = $1`,
    [id],
  )
  const [row] = rows
  if (!row) throw new Error(`there is no delivery ${id}`)
  return row
}

function relay(api: TestApi): void {
  relays.push(startRelay({ ...api.deps, database: there.database }))
}

describe('the relay', () => {
  it('leaves what was just stored to whoever stored it', async () => {
    const delivery = await store()
    await startWhatIsDue(there.deps, running)
    expect(await stateOf(delivery)).toMatchObject({ state: 'pending' })
    expect((await stateOf(delivery)).wait_s).toBeGreaterThan(0)
  })

  it('starts each delivery once, with two of them at work', async () => {
    const deliveries = await Promise.all(Array.from({ length: 30 }, () => store()))
    await due()
    relay(there)
    relay(there)
    await eventually(async () => {
      const states = await Promise.all(deliveries.map(stateOf))
      return states.every(({ state }) => state === 'started')
    })
    for (const delivery of deliveries) {
      const [run] = delivery.runs
      const description = await there.client.workflow.getHandle(run?.workflowId ?? '').describe()
      expect(description.status.name).toBe('RUNNING')
    }
  })

  it('hears of a delivery that another process could not start, without waiting for its next look', async () => {
    relay(there)
    await eventually(async () => {
      const { rows } = await there.database.query(
        `select 1 from pg_stat_activity where query like 'listen %' and datname = current_database()`,
      )
      return rows.length > 0
    })
    await sleep(300)
    const delivery = await store()
    // Known to be away, so that it is left at once: the relay looks again after five seconds.
    const elsewhere = { ...away.deps, database: there.database }
    elsewhere.temporal.presence.note(false)
    expect(await startDelivery(elsewhere, delivery)).toBe('pending')
    await eventually(async () => (await stateOf(delivery)).state === 'started', 3_000)
  })

  it('answers at once when Temporal is known to be away, and takes none of the work of others', async () => {
    const deps = { ...away.deps, database: there.database }
    deps.temporal.presence.note(false)
    const deliveries = await Promise.all(Array.from({ length: 20 }, () => store()))
    const startedAtMs = Date.now()
    for (const delivery of deliveries) expect(await startDelivery(deps, delivery)).toBe('pending')
    expect(Date.now() - startedAtMs).toBeLessThan(10_000)
    await startWhatIsDue(deps, running)
    expect(await claimDueDeliveries(there.database, { limit: 100, leaseMs: 1 })).toHaveLength(20)
  })

  it('starts what has gathered as soon as Temporal is back', async () => {
    const { presence } = there.deps.temporal
    presence.note(false)
    relay(there)
    const deliveries = await Promise.all(Array.from({ length: 5 }, () => store()))
    await due()
    await sleep(200)
    expect(await stateOf(deliveries[0]!)).toMatchObject({ state: 'pending' })
    presence.note(true)
    await eventually(async () => {
      const states = await Promise.all(deliveries.map(stateOf))
      return states.every(({ state }) => state === 'started')
    }, 4_000)
  })

  it('tries one that is refused ever more rarely, says why, and goes on with the others', async () => {
    const broken = await store({ revision: 99 })
    const good = await store()
    await due()
    await startWhatIsDue(there.deps, running)
    expect(await stateOf(good)).toMatchObject({ state: 'started' })
    const first = await stateOf(broken)
    expect(first).toMatchObject({ state: 'pending', attempts: 1 })
    expect(first.last_error).toContain('revision 99')
    const shown = await there.call({ url: `/v1/runs/${broken.runs[0]?.runId}` })
    expect(shown.body).toMatchObject({ state: 'pending', held_up_by: [{ path: null, attempt: 1 }] })
    const [held] = shown.body['held_up_by'] as { summary: string }[]
    expect(held?.summary).toMatch(
      /Temporal refuses to start the run: attempt 1 .*revision 99.* \(the next comes at /s,
    )
    await there.database.query('update deliveries set attempts = 30 where id = $1', [broken.id])
    await due()
    await startWhatIsDue(there.deps, running)
    expect((await stateOf(broken)).wait_s).toBeGreaterThan(500)
    expect((await stateOf(broken)).wait_s).toBeLessThanOrEqual(600)
    const { body } = await there.call({ url: '/v1/health/details' })
    const checks = body['checks'] as { name: string; status: string; summary: string }[]
    const check = checks.find(({ name }) => name === 'deliveries')
    expect(check).toMatchObject({ status: 'fail' })
    expect(check?.summary).toContain(broken.id)
  })

  it('gives back what it holds when it is stopped', async () => {
    const before = there.database.totalCount - there.database.idleCount
    relay(there)
    await eventually(async () => there.database.totalCount - there.database.idleCount > before)
    await Promise.all(relays.splice(0).map((each) => each.stop()))
    expect(there.database.totalCount - there.database.idleCount).toBe(before)
  })
})

describe('cancelling', () => {
  const cancel = (api: TestApi, { runs: [run] }: DeliveryRow) =>
    cancelRun({ ...api.deps, database: there.database }, { organization: 'acme', runId: run?.runId ?? '' })
  const handleOf = ({ runs: [run] }: DeliveryRow) => there.client.workflow.getHandle(run?.workflowId ?? '')
  const shown = async ({ runs: [run] }: DeliveryRow) =>
    (await there.call({ url: `/v1/runs/${run?.runId}` })).body

  it('a run that is pending keeps it from ever being started, also while Temporal is away', async () => {
    const deliveries = [await store(), await store()] as const
    await cancel(there, deliveries[0])
    await cancel(away, deliveries[1])
    await due()
    await startWhatIsDue(there.deps, running)
    for (const delivery of deliveries) {
      expect(await stateOf(delivery)).toMatchObject({ state: 'started' })
      await expect(handleOf(delivery).describe()).rejects.toThrow(WorkflowNotFoundError)
      expect(await shown(delivery)).toMatchObject({ state: 'cancelled', failure: { code: 'CANCELLED' } })
      // Once more is the same.
      await cancel(there, delivery)
    }
    const { body } = await there.call({ url: '/v1/runs' })
    expect(body['items']).toMatchObject([{ state: 'cancelled' }, { state: 'cancelled' }])
  })

  it('leaves the other runs of the same delivery alone', async () => {
    const [first, second] = [await store(), await store()]
    const runs = [...first.runs, ...second.runs]
    await there.database.query('delete from deliveries where id = $1', [second.id])
    await there.database.query('update deliveries set runs = $2::jsonb where id = $1', [
      first.id,
      JSON.stringify(runs),
    ])
    await cancel(there, second)
    await due()
    await startWhatIsDue(there.deps, running)
    expect((await handleOf(first).describe()).status.name).toBe('RUNNING')
    await expect(handleOf(second).describe()).rejects.toThrow(WorkflowNotFoundError)
  })

  it('reaches a start that did not know of it', async () => {
    const delivery = await store()
    await cancel(there, delivery)
    // Read before the cancellation, and started after it.
    expect(await startDelivery(there.deps, delivery)).toBe('started')
    const { events } = await handleOf(delivery).fetchHistory()
    expect(events?.some((event) => event.workflowExecutionCancelRequestedEventAttributes)).toBe(true)
  })

  it('a run that is over is refused with a code of its own', async () => {
    const delivery = await store()
    await startDelivery(there.deps, delivery)
    await handleOf(delivery).terminate()
    const url = `/v1/runs/${delivery.runs[0]?.runId}/cancel`
    expect(await there.call({ method: 'POST', url })).toMatchObject({
      status: 409,
      body: { code: 'RUN_OVER' },
    })
  })
})
