import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { inTransaction } from '../../db/database.ts'
import {
  findDeliveryByKey,
  findDeliveryOfRun,
  insertDelivery,
  loadOrigin,
  markDeliveryStarted,
  type DeliveredRun,
} from '../../db/queries/deliveries.ts'
import { listDeliveries, listRuns, type RunRow } from '../../db/queries/delivery-lists.ts'
import { insertRevision, lockHead } from '../../db/queries/manifests.ts'
import { ManifestSchema } from '../../schemas/manifests.ts'
import { useTestDatabase } from '../support/database.ts'
import { requester } from '../support/fixtures.ts'

const db = useTestDatabase()
const newOrganization = (): string => `org-${randomUUID().slice(0, 8)}`

function run(over: Partial<DeliveredRun> = {}): DeliveredRun {
  const runId = `run_${randomUUID()}`
  return { runId, workflowId: `run/${runId}`, automation: 'late-fee', revision: 1, input: { n: 1 }, ...over }
}

function delivery(organization: string, over: Partial<Parameters<typeof insertDelivery>[1]> = {}) {
  return {
    id: `dlv_${randomUUID()}`,
    organization,
    source: 'event/billing',
    dedupeKey: randomUUID(),
    requestSha256: 'a'.repeat(64),
    requester: requester(),
    runs: [run()],
    ...over,
  }
}

describe('a delivery', () => {
  it('stands under its source and key', async () => {
    const organization = newOrganization()
    const first = delivery(organization)
    const row = await insertDelivery(db.database, first)
    expect(row).toMatchObject({ id: first.id, state: 'pending', runs: first.runs, requester: requester() })
    const { source, dedupeKey } = first
    expect(await findDeliveryByKey(db.database, { organization, source, dedupeKey })).toEqual(row)
    expect(await findDeliveryByKey(db.database, { organization: 'rival', source, dedupeKey })).toBeUndefined()
  })

  it('that comes again gives the first one back, with what that one started', async () => {
    const organization = newOrganization()
    const first = delivery(organization, { dedupeKey: 'evt_1' })
    await insertDelivery(db.database, first)
    const again = await insertDelivery(
      db.database,
      delivery(organization, { dedupeKey: 'evt_1', requestSha256: 'b' }),
    )
    expect(again).toMatchObject({ id: first.id, request_sha256: first.requestSha256, runs: first.runs })
  })

  it('starts once, however often it arrives at the same time', async () => {
    const organization = newOrganization()
    const rows = await Promise.all(
      Array.from({ length: 20 }, () =>
        insertDelivery(db.database, delivery(organization, { dedupeKey: 'evt_1' })),
      ),
    )
    expect(new Set(rows.map(({ id }) => id)).size).toBe(1)
    expect(await listRuns(db.database, { organization, limit: 50 })).toHaveLength(1)
  })

  it('is another one from another source, or in another organization', async () => {
    const [one, other] = [newOrganization(), newOrganization()]
    const ids = await Promise.all([
      insertDelivery(db.database, delivery(one, { dedupeKey: 'k' })),
      insertDelivery(db.database, delivery(one, { dedupeKey: 'k', source: 'event/crm' })),
      insertDelivery(db.database, delivery(other, { dedupeKey: 'k' })),
    ])
    expect(new Set(ids.map(({ id }) => id)).size).toBe(3)
  })

  it('is marked as started once', async () => {
    const organization = newOrganization()
    const { id } = await insertDelivery(db.database, delivery(organization))
    const startedAt = async (): Promise<unknown> =>
      (await db.database.query('select state, started_at from deliveries where id = $1', [id])).rows[0]
    await markDeliveryStarted(db.database, { id })
    const first = await startedAt()
    expect(first).toMatchObject({ state: 'started', started_at: expect.any(Date) as Date })
    await markDeliveryStarted(db.database, { id })
    expect(await startedAt()).toEqual(first)
  })

  it('is found by a run that it started', async () => {
    const organization = newOrganization()
    const [one, two] = [run(), run()]
    const { id } = await insertDelivery(db.database, delivery(organization, { runs: [one, two] }))
    await insertDelivery(db.database, delivery(organization))
    for (const { runId } of [one, two])
      expect(await findDeliveryOfRun(db.database, { organization, runId })).toMatchObject({ id })
    expect(await findDeliveryOfRun(db.database, { organization: 'rival', runId: one.runId })).toBeUndefined()
    expect(await findDeliveryOfRun(db.database, { organization, runId: 'run_none' })).toBeUndefined()
  })
})

describe('the origin of a call', () => {
  it('is the delivery with the revision that the call names', async () => {
    const organization = newOrganization()
    const body = ManifestSchema.parse({
      kind: 'Automation',
      name: 'late-fee',
      spec: { steps: [{ name: 'end', return: 1 }] },
    })
    await inTransaction(db.database, async (tx) => {
      await lockHead(tx, { organization, kind: 'Automation', name: 'late-fee' })
      const pins = { 'billing/get': 'hash' }
      await insertRevision(tx, { organization, number: 1, body, contentSha256: 'c', pins, author: 'alice' })
    })
    const { id, runs } = await insertDelivery(db.database, delivery(organization))
    const asked = { organization, deliveryId: id, automation: 'late-fee', revision: 1 }
    expect(await loadOrigin(db.database, asked)).toEqual({
      requester: requester(),
      runs,
      spec: body.spec,
      pins: { 'billing/get': 'hash' },
    })
    expect(await loadOrigin(db.database, { ...asked, revision: 2 })).toMatchObject({
      runs,
      spec: null,
      pins: null,
    })
    expect(await loadOrigin(db.database, { ...asked, deliveryId: 'dlv_none' })).toBeUndefined()
    expect(await loadOrigin(db.database, { ...asked, organization: 'rival' })).toBeUndefined()
  })
})

describe('lists', () => {
  it('of runs go newest first, page by page, across deliveries with several', async () => {
    const organization = newOrganization()
    const counts = [3, 1, 2]
    for (const count of counts) {
      const runs = Array.from({ length: count }, (_, i) =>
        run({ automation: i === 0 ? 'late-fee' : 'other' }),
      )
      await insertDelivery(db.database, delivery(organization, { runs }))
    }
    await insertDelivery(db.database, delivery(organization, { runs: [] }))
    const seen: RunRow[] = []
    for (;;) {
      const last = seen.at(-1)
      const before = last && {
        receivedAt: last.received_at,
        deliveryId: last.delivery_id,
        ordinal: last.ordinal,
      }
      const page = await listRuns(db.database, { organization, limit: 2, before })
      if (page.length === 0) break
      seen.push(...page)
    }
    expect(seen.map(({ ordinal }) => ordinal)).toEqual([2, 1, 1, 3, 2, 1])
    expect(new Set(seen.map(({ run_id }) => run_id)).size).toBe(6)
    expect(await listRuns(db.database, { organization, automation: 'late-fee', limit: 50 })).toHaveLength(3)
    expect(await listRuns(db.database, { organization: 'rival', limit: 50 })).toEqual([])
  })

  it('of deliveries hold those that started nothing too, and give them by automation', async () => {
    const organization = newOrganization()
    const first = await insertDelivery(db.database, delivery(organization))
    const second = await insertDelivery(db.database, delivery(organization))
    const skipped = [{ automation: 'idle', code: 'AUTOMATION_PAUSED', detail: 'paused' }]
    const third = await insertDelivery(db.database, { ...delivery(organization, { runs: [] }), skipped })
    const listed = await listDeliveries(db.database, { organization, limit: 10 })
    expect(listed.map(({ id }) => id)).toEqual([third.id, second.id, first.id])
    const idle = await listDeliveries(db.database, { organization, automation: 'idle', limit: 10 })
    expect(idle).toMatchObject([{ id: third.id, skipped }])
  })
})
