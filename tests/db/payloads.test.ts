/** Large values outside of histories: stored once, verified when read, and marked as used. */
import { createHash } from 'node:crypto'
import type { Payload, SerializationContext } from '@temporalio/common'
import { describe, expect, it } from 'vitest'
import { createDataConverter } from '../../codec/data-converter.ts'
import { createPayloads, MAX_INLINE_BYTES, type PayloadsOptions } from '../../codec/payloads.ts'
import type { Queryable } from '../../db/database.ts'
import { useTestDatabase } from '../support/database.ts'
import { encodingOf, keysOf, largeValue, payloadOf, valueOf } from '../support/payloads.ts'

const db = useTestDatabase()
const anybody = () => true

/** A process of its own, as far as caches go; counts its statements. */
function freshPayloads(options: Partial<PayloadsOptions> = {}) {
  const counted = { statements: 0 }
  const database: Queryable = {
    query: (text, values) => {
      counted.statements++
      return db.database.query(text, values)
    },
  }
  return Object.assign(createPayloads({ database, ...options }), { counted })
}

async function rowOf(sha256: string) {
  const { rows } = await db.database.query<{ organization: string; size: number; used: boolean }>(
    `select organization, size, last_used_at > now() - interval '1 hour' as used from payloads where sha256 = $1`,
    [sha256],
  )
  return rows[0]
}

const hashOf = (claim: Payload): string => Buffer.from(claim.data ?? []).toString()
const age = (sha256: string) =>
  db.database.query(`update payloads set last_used_at = now() - interval '3 days' where sha256 = $1`, [
    sha256,
  ])

describe('a payload', () => {
  it('stays where it is up to 16 KB, without a statement', async () => {
    const payloads = freshPayloads()
    const small = payloadOf(largeValue(MAX_INLINE_BYTES - 100))
    const encoded = await payloads.encode(small, 'acme')
    expect(encoded).toBe(small)
    expect(await payloads.decode(encoded, anybody)).toBe(small)
    expect(payloads.counted.statements).toBe(0)
  })

  it('leaves its hash in its place above', async () => {
    const payloads = freshPayloads()
    const value = largeValue(60_000, 'above')
    const claim = await payloads.encode(payloadOf(value), 'acme')
    expect(hashOf(claim)).toMatch(/^[0-9a-f]{64}$/)
    expect(await rowOf(hashOf(claim))).toMatchObject({ organization: 'acme', used: true })
    expect(valueOf(await payloads.decode(claim, anybody))).toEqual(value)
    expect(payloads.counted.statements).toBe(1)
    const other = freshPayloads()
    for (let i = 0; i < 3; i++) expect(valueOf(await other.decode(claim, anybody))).toEqual(value)
    expect(other.counted.statements).toBe(1)
  })

  it('is stored once, whoever sends it and however many at once', async () => {
    const payloads = freshPayloads()
    const value = largeValue(60_000, 'ten thousand runs')
    const claims = await Promise.all(
      Array.from({ length: 50 }, () => payloads.encode(payloadOf(value), 'acme')),
    )
    expect(payloads.counted.statements).toBe(1)
    const again = await freshPayloads().encode(payloadOf(value), 'acme')
    expect(new Set([...claims, again].map(hashOf)).size).toBe(1)
    const elsewhere = await payloads.encode(payloadOf(value), 'other')
    expect(hashOf(elsewhere)).not.toBe(hashOf(again))
  })

  it('is given to its own organization only', async () => {
    const claim = await freshPayloads().encode(payloadOf(largeValue(60_000, 'secret')), 'acme')
    await expect(freshPayloads().decode(claim, (owner) => owner === 'other')).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
  })

  it.each(['acme', ''])('is encrypted in the table too (organization %j)', async (organization) => {
    const encryption = keysOf('k1')
    const value = largeValue(60_000, 'a planted secret')
    const claim = await freshPayloads({ encryption }).encode(payloadOf(value), organization)
    const { rows } = await db.database.query<{ bytes: Buffer }>(
      'select bytes from payloads where sha256 = $1',
      [hashOf(claim)],
    )
    expect(rows[0]?.bytes.includes('planted')).toBe(false)
    expect(valueOf(await freshPayloads({ encryption }).decode(claim, anybody))).toEqual(value)
    const again = await freshPayloads({ encryption }).encode(payloadOf(value), organization)
    expect(hashOf(again)).toBe(hashOf(claim))
    await expect(freshPayloads().decode(claim, anybody)).rejects.toMatchObject({
      code: 'PAYLOAD_UNAVAILABLE',
    })
  })

  it('is encrypted when it is small, and read without a statement', async () => {
    const payloads = freshPayloads({ encryption: keysOf('k1') })
    const encoded = await payloads.encode(payloadOf('a planted secret'), 'acme')
    expect(encodingOf(encoded)).toBe('binary/countersign-encrypted')
    expect(Buffer.from(encoded.data ?? []).includes('planted')).toBe(false)
    expect(valueOf(await payloads.decode(encoded, anybody))).toBe('a planted secret')
    await expect(payloads.decode(encoded, () => false)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(payloads.counted.statements).toBe(0)
  })

  it('that was written before encryption was switched on is read as it is', async () => {
    const before = freshPayloads()
    const value = largeValue(60_000, 'old')
    const [small, large] = await Promise.all([
      before.encode(payloadOf(1), 'acme'),
      before.encode(payloadOf(value), 'acme'),
    ])
    const after = freshPayloads({ encryption: keysOf('k1') })
    expect(valueOf(await after.decode(small, anybody))).toBe(1)
    expect(valueOf(await after.decode(large, anybody))).toEqual(value)
  })
})

describe('a stored payload', () => {
  const stored = async (seed: string) => {
    const value = largeValue(60_000, seed)
    return { value, claim: await freshPayloads().encode(payloadOf(value), 'acme') }
  }

  it('that is gone is missed by name, and found again once it is back', async () => {
    const { value, claim } = await stored('gone')
    const { rows } = await db.database.query<{ bytes: Buffer }>(
      'delete from payloads where sha256 = $1 returning bytes',
      [hashOf(claim)],
    )
    const payloads = freshPayloads()
    await expect(payloads.decode(claim, anybody)).rejects.toMatchObject({
      code: 'PAYLOAD_UNAVAILABLE',
      message: expect.stringContaining(hashOf(claim).slice(0, 12)) as string,
    })
    await db.database.query('insert into payloads (sha256, organization, bytes) values ($1, $2, $3)', [
      hashOf(claim),
      'acme',
      rows[0]?.bytes,
    ])
    expect(valueOf(await payloads.decode(claim, anybody))).toEqual(value)
  })

  it('that was changed is not believed, and is mended by whoever has the right bytes', async () => {
    const { value, claim } = await stored('changed')
    await db.database.query(`update payloads set bytes = set_byte(bytes, 5000, 33) where sha256 = $1`, [
      hashOf(claim),
    ])
    await expect(freshPayloads().decode(claim, anybody)).rejects.toMatchObject({
      code: 'PAYLOAD_UNAVAILABLE',
    })
    await freshPayloads().encode(payloadOf(value), 'acme')
    expect(valueOf(await freshPayloads().decode(claim, anybody))).toEqual(value)
  })

  it('that another one’s hash names is not believed either', async () => {
    const { claim } = await stored('moved')
    const bytes = Buffer.from('something else')
    const sha256 = createHash('sha256').update('not these bytes').digest('hex')
    await db.database.query('insert into payloads (sha256, organization, bytes) values ($1, $2, $3)', [
      sha256,
      'acme',
      bytes,
    ])
    await expect(
      freshPayloads().decode({ ...claim, data: Buffer.from(sha256) }, anybody),
    ).rejects.toMatchObject({ code: 'PAYLOAD_UNAVAILABLE' })
    await expect(
      freshPayloads().decode({ ...claim, data: Buffer.from('no hash') }, anybody),
    ).rejects.toMatchObject({ code: 'PAYLOAD_UNAVAILABLE' })
  })

  it('is marked as used by who writes it again and by who reads it, once a day', async () => {
    const { value, claim } = await stored('used')
    const clock = { nowMs: Date.now() }
    const payloads = freshPayloads({ nowMs: () => clock.nowMs })
    await age(hashOf(claim))
    await payloads.decode(claim, anybody)
    expect(await rowOf(hashOf(claim))).toMatchObject({ used: true })
    await age(hashOf(claim))
    await payloads.decode(claim, anybody)
    await payloads.encode(payloadOf(value), 'acme')
    expect(await rowOf(hashOf(claim))).toMatchObject({ used: false })
    clock.nowMs += 25 * 3_600_000
    await payloads.encode(payloadOf(value), 'acme')
    expect(await rowOf(hashOf(claim))).toMatchObject({ used: true })
    await age(hashOf(claim))
    clock.nowMs += 25 * 3_600_000
    await payloads.decode(claim, anybody)
    expect(await rowOf(hashOf(claim))).toMatchObject({ used: true })
  })
})

describe('the codec', () => {
  const at = (workflowId: string): SerializationContext => ({
    type: 'workflow',
    namespace: 'default',
    workflowId,
  })
  const codecOf = () => {
    const [codec] = createDataConverter({ database: db.database }).payloadCodecs ?? []
    if (!codec) throw new Error('there is no codec')
    return codec
  }

  it('goes by the organization in the workflow’s id, and serves no history that names another one’s value', async () => {
    const payload = payloadOf(largeValue(60_000, 'theirs'))
    const claims = await codecOf().encode([payload], at('run/acme/late-fee/dlv_1'))
    expect(await codecOf().decode(claims, at('writeback/acme/wb_1'))).toHaveLength(1)
    await expect(codecOf().decode(claims, at('run/other/late-fee/dlv_2'))).rejects.toMatchObject({
      name: 'FORBIDDEN',
    })
    await expect(codecOf().decode(claims, at('order-7'))).rejects.toMatchObject({ name: 'FORBIDDEN' })
  })

  it('carries values of workflows that are not ours', async () => {
    const payload = payloadOf(largeValue(60_000, 'foreign'))
    const claims = await codecOf().encode([payload], at('order-7'))
    const [again] = await codecOf().decode(claims, at('order-7'))
    expect(again && valueOf(again)).toEqual(valueOf(payload))
  })
})

describe('bytes', () => {
  it('that somebody writes into do not change what the next one gets', async () => {
    const payloads = freshPayloads()
    const claim = await payloads.encode(payloadOf(new Uint8Array(60_000)), 'acme')
    const first = valueOf(await payloads.decode(claim, anybody)) as Uint8Array
    first.fill(7)
    expect((valueOf(await payloads.decode(claim, anybody)) as Uint8Array)[0]).toBe(0)
  })
})
