import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { inTransaction } from '../../db/database.ts'
import {
  findHead,
  findRevision,
  insertRevision,
  listAutomationsForEvent,
  listHeads,
  listHeadSummaries,
  lockHead,
} from '../../db/queries/manifests.ts'
import { loadCallContext } from '../../db/queries/call-facts.ts'
import { ManifestSchema, type Manifest } from '../../schemas/manifests.ts'
import { useTestDatabase } from '../support/database.ts'

const db = useTestDatabase()

const organizationOf = (): string => `org-${randomUUID().slice(0, 8)}`
const automation = (name: string, over: object = {}): Manifest =>
  ManifestSchema.parse({ kind: 'Automation', name, spec: { steps: [{ name: 'end', return: 1 }], ...over } })
const policy = (name: string): Manifest =>
  ManifestSchema.parse({ kind: 'Policy', name, spec: { rules: [{ name: 'all', deny: true }] } })
const connection = (name: string): Manifest =>
  ManifestSchema.parse({
    kind: 'Connection',
    name,
    spec: { type: 'mcp', transport: 'http', url: 'https://x.example' },
  })

/** As the API saves: lock, look, insert. */
function save(organization: string, body: Manifest, number?: number): Promise<number> {
  return inTransaction(db.database, async (tx) => {
    const { last } = await lockHead(tx, { organization, kind: body.kind, name: body.name })
    const next = number ?? last + 1
    const pins = { 'billing/get': 'f'.repeat(64) }
    await insertRevision(tx, { organization, number: next, body, contentSha256: 'c', pins, author: 'alice' })
    return next
  })
}

describe('a revision', () => {
  it('becomes the head, and those before it stay', async () => {
    const organization = organizationOf()
    const first = automation('late-fee')
    const second = automation('late-fee', { description: 'better' })
    expect([await save(organization, first), await save(organization, second)]).toEqual([1, 2])
    const key = { organization, kind: 'Automation' as const, name: 'late-fee' }
    expect(await findHead(db.database, key)).toMatchObject({
      number: 2,
      version: '1.0.0',
      content_sha256: 'c',
      body: second,
      pins: { 'billing/get': 'f'.repeat(64) },
      author: 'alice',
    })
    expect(await findRevision(db.database, { ...key, number: 1 })).toMatchObject({ number: 1, body: first })
    expect(await findRevision(db.database, { ...key, number: 3 })).toBeUndefined()
  })

  it('gets a number of its own, however many are saved at once', async () => {
    const organization = organizationOf()
    const numbers = await Promise.all(
      Array.from({ length: 12 }, () => save(organization, automation('busy'))),
    )
    expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
  })

  it('is never written over', async () => {
    const organization = organizationOf()
    await save(organization, automation('late-fee'))
    await expect(save(organization, automation('late-fee'), 1)).rejects.toMatchObject({ code: '23505' })
  })

  it('that was not saved leaves no manifest', async () => {
    const organization = organizationOf()
    const failing = inTransaction(db.database, async (tx) => {
      await lockHead(tx, { organization, kind: 'Automation', name: 'late-fee' })
      throw new Error('on purpose')
    })
    await expect(failing).rejects.toThrow('on purpose')
    expect(await listHeads(db.database, { organization })).toEqual([])
  })

  it('belongs to one organization and one kind', async () => {
    const [one, other] = [organizationOf(), organizationOf()]
    await save(one, automation('same'))
    await save(one, policy('same'))
    await save(other, automation('same', { description: 'theirs' }))
    expect(
      (await listHeads(db.database, { organization: one })).map(({ kind, name }) => `${kind}/${name}`),
    ).toEqual(['Automation/same', 'Policy/same'])
    const wanted = { organization: one, kind: 'Policy', limit: 10 } as const
    const summaries = await listHeadSummaries(db.database, wanted)
    expect(summaries).toMatchObject([{ kind: 'Policy', number: 1 }])
    expect(summaries[0]).not.toHaveProperty('body')
    const head = await findHead(db.database, { organization: one, kind: 'Automation', name: 'same' })
    expect(head?.body.spec).not.toHaveProperty('description')
    expect(
      await findHead(db.database, { organization: one, kind: 'Connection', name: 'same' }),
    ).toBeUndefined()
  })
})

describe('automations for an event', () => {
  const on = (event: string, from = 'billing'): object => ({
    triggers: [{ type: 'event', connection: from, event }],
  })

  it('are those whose head has such a trigger', async () => {
    const organization = organizationOf()
    await save(organization, automation('b', on('invoice.late')))
    await save(
      organization,
      automation('a', { triggers: [...triggersOf('invoice.paid'), ...triggersOf('invoice.late')] }),
    )
    await save(organization, automation('c', on('invoice.paid')))
    await save(organization, automation('d', on('invoice.late', 'crm')))
    await save(
      organization,
      automation('e', { triggers: [...triggersOf('invoice.paid'), ...triggersOf('invoice.late', 'crm')] }),
    )
    await save(organization, automation('f', on('invoice.late')))
    await save(organization, automation('f'))
    await save(organizationOf(), automation('g', on('invoice.late')))
    const found = await listAutomationsForEvent(db.database, {
      organization,
      connection: 'billing',
      event: 'invoice.late',
    })
    expect(found.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  const triggersOf = (event: string, from = 'billing'): object[] => [
    { type: 'event', connection: from, event },
  ]
})

describe('what the door looks at', () => {
  it('is the connection and the policies of this moment', async () => {
    const organization = organizationOf()
    const ask = () =>
      loadCallContext(db.database, { organization, connection: 'crm', writebackId: 'wb_none' })
    expect(await ask()).toEqual({
      is_ended: false,
      connection: null,
      policies: [],
      writeback: null,
      remaining_ms: null,
    })
    await save(organization, connection('crm'))
    await save(organization, connection('crm'))
    await save(organization, policy('b'))
    await save(organization, policy('a'))
    const context = await ask()
    expect(context.connection).toMatchObject({ number: 2, body: { name: 'crm' } })
    expect(context.policies.map(({ body }) => body.name).toSorted()).toEqual(['a', 'b'])
  })
})
