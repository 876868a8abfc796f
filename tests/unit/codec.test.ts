/** The parts of the codec that need no database: frames, keys, encryption, the bounded cache. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Payload } from '@temporalio/common'
import { afterAll, describe, expect, it } from 'vitest'
import { createByteCache } from '../../codec/byte-cache.ts'
import { decrypt, encrypt, loadEncryptionKeys, type EncryptionKeys } from '../../codec/encryption.ts'
import { loadConfig } from '../../config.ts'
import { fromFrame, sizeOf, toFrame } from '../../codec/frame.ts'
import { organizationOfWorkflow, runWorkflowId, writebackWorkflowId } from '../../schemas/names.ts'
import { keysOf, payloadOf, textOf } from '../support/payloads.ts'

const framed = { organization: 'acme', payload: payloadOf({ fee: 4200 }) }

describe('a frame', () => {
  it('gives back what went in', () => {
    const again = fromFrame(toFrame(framed))
    expect(again.organization).toBe('acme')
    expect(textOf(again.payload)).toBe('{"fee":4200}')
    expect(Buffer.from(again.payload.metadata?.['encoding'] ?? '').toString()).toBe('json/plain')
  })

  it('is the same for the same payload, whatever the order of its metadata', () => {
    const one = { metadata: { a: Buffer.from('1'), b: Buffer.from('2') }, data: Buffer.from('x') }
    const other = { metadata: { b: Buffer.from('2'), a: Buffer.from('1') }, data: Buffer.from('x') }
    expect(toFrame({ organization: 'acme', payload: one })).toEqual(
      toFrame({ organization: 'acme', payload: other }),
    )
    expect(toFrame({ organization: 'other', payload: one })).not.toEqual(
      toFrame({ organization: 'acme', payload: one }),
    )
  })

  it('takes a payload that has nothing', () => {
    expect(fromFrame(toFrame({ organization: '', payload: {} })).payload.data?.byteLength).toBe(0)
    expect(sizeOf({})).toBe(0)
    expect(sizeOf({ metadata: { encoding: Buffer.from('abc') }, data: Buffer.from('12345') })).toBe(16)
  })
})

describe('an encrypted payload', () => {
  const keys = keysOf('k1')

  it('is read with the key that its id names, also when another one is active by now', () => {
    const encrypted = encrypt(framed, keys, { repeatable: false })
    const rotated: EncryptionKeys = { active: 'k2', keys: new Map([...keys.keys, ...keysOf('k2').keys]) }
    expect(decrypt(encrypted, rotated)).toMatchObject({ organization: 'acme' })
    expect(textOf(decrypt(encrypted, rotated).payload)).toBe('{"fee":4200}')
    const fresh = encrypt(framed, rotated, { repeatable: false })
    expect(Buffer.from(fresh.metadata?.['key'] ?? '').toString()).toBe('k2')
  })

  it('shows nothing of its value, nor of its encoding', () => {
    const { metadata, data } = encrypt(framed, keys, { repeatable: false })
    const shown = JSON.stringify(metadata) + Buffer.from(data ?? []).toString('latin1')
    expect(shown).not.toContain('4200')
    expect(shown).not.toContain('json/plain')
  })

  it('is another one each time, unless it is to be stored once', () => {
    const twice = (repeatable: boolean) => [1, 2].map(() => encrypt(framed, keys, { repeatable }).data)
    const [one, other] = twice(false)
    expect(one).not.toEqual(other)
    const [first, second] = twice(true)
    expect(first).toEqual(second)
    const elsewhere = encrypt({ ...framed, organization: 'other' }, keys, { repeatable: true }).data
    expect(Buffer.from(elsewhere ?? []).subarray(0, 12)).not.toEqual(Buffer.from(first ?? []).subarray(0, 12))
  })

  const good = encrypt(framed, keys, { repeatable: false })
  const changed = (change: (copy: { metadata: Record<string, Buffer>; data: Buffer }) => void): Payload => {
    const copy = {
      metadata: Object.fromEntries(
        Object.entries(good.metadata ?? {}).map(([name, value]) => [name, Buffer.from(value)]),
      ),
      data: Buffer.from(good.data ?? []),
    }
    change(copy)
    return copy
  }

  it.each<[string, Payload, string]>([
    ['a changed byte', changed(({ data }) => void (data[20] = (data[20] ?? 0) ^ 1)), 'changed since'],
    [
      'a changed tag',
      changed(({ data }) => void (data[data.length - 1] = (data.at(-1) ?? 0) ^ 1)),
      'changed since',
    ],
    ['a cut end', changed((copy) => void (copy.data = copy.data.subarray(0, 10))), 'changed since'],
    ['no bytes at all', changed((copy) => void (copy.data = Buffer.alloc(0))), 'changed since'],
    [
      'another organization',
      changed(({ metadata }) => void (metadata['organization'] = Buffer.from('other'))),
      'changed since',
    ],
    ['an unknown key', changed(({ metadata }) => void (metadata['key'] = Buffer.from('k9'))), '"k9"'],
  ])('is refused with %s', (_what, payload, words) => {
    expect(() => decrypt(payload, keys)).toThrow(
      expect.objectContaining({
        code: 'PAYLOAD_UNAVAILABLE',
        message: expect.stringContaining(words) as string,
      }),
    )
  })

  it('is refused where there are no keys', () => {
    expect(() => decrypt(good, undefined)).toThrow(/no encryption key "k1"/)
  })
})

describe('the file of keys', () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-keys-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'keys.json')
  const load = (content: unknown) => {
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
    return loadEncryptionKeys(file)
  }
  const key = Buffer.alloc(32, 7).toString('base64')

  it('holds several keys, one of them active', () => {
    const { active, keys } = load({ active: 'b', keys: { a: key, b: key } })
    expect(active).toBe('b')
    expect([...keys.keys()]).toEqual(['a', 'b'])
  })

  it.each<[string, unknown, RegExp]>([
    ['is no JSON', '{', /not JSON/],
    ['names an active key that is not there', { active: 'c', keys: { a: key } }, /there is no key c/],
    ['has a key of another length', { active: 'a', keys: { a: 'c2hvcnQ=' } }, /32 bytes/],
    ['has an id that would not fit', { active: 'a b', keys: { 'a b': key } }, /key id/],
  ])('is refused when it %s, without quoting it', (_what, content, words) => {
    expect(() => load(content)).toThrow(words)
    expect(() => load(content)).not.toThrow(key)
  })

  it('is missed', () => {
    expect(() => loadEncryptionKeys(join(folder, 'none.json'))).toThrow(/cannot be read/)
  })
})

describe('a token for the codec endpoint', () => {
  const load = (more: Record<string, string>) => loadConfig({}, { DATABASE_URL: 'postgres://x', ...more })

  it('is for an API that listens on loopback', () => {
    const COUNTERSIGN_CODEC_TOKEN = 'x'.repeat(32)
    expect(load({ COUNTERSIGN_CODEC_TOKEN }).codecToken).toBe(COUNTERSIGN_CODEC_TOKEN)
    expect(() => load({ COUNTERSIGN_CODEC_TOKEN, HOST: '0.0.0.0' })).toThrow(
      /COUNTERSIGN_CODEC_TOKEN.*loopback/,
    )
    expect(() => load({ COUNTERSIGN_CODEC_TOKEN: 'short' })).toThrow(/COUNTERSIGN_CODEC_TOKEN/)
    expect(load({ HOST: '0.0.0.0' }).codecToken).toBeUndefined()
  })
})

describe('the cache', () => {
  const entry = (bytes: number) => ({ bytes: Buffer.alloc(bytes), notedAtMs: 0 })

  it('keeps what was used last, within its bytes', () => {
    const cache = createByteCache(100)
    cache.set('a', entry(40))
    cache.set('b', entry(40))
    cache.get('a')
    cache.set('c', entry(40))
    expect(['a', 'b', 'c'].filter((name) => cache.get(name))).toEqual(['a', 'c'])
  })

  it('does not count a value twice that is set again, and takes none that is larger than it', () => {
    const cache = createByteCache(100)
    for (let i = 0; i < 5; i++) cache.set('a', entry(60))
    cache.set('b', entry(40))
    cache.set('huge', entry(101))
    expect(['a', 'b', 'huge'].filter((name) => cache.get(name))).toEqual(['a', 'b'])
  })
})

describe('the organization of a workflow', () => {
  it('is in its id, if it is one of ours', () => {
    const organization = 'acme'
    expect(
      organizationOfWorkflow(runWorkflowId({ organization, automation: 'late-fee', deliveryId: 'd' })),
    ).toBe('acme')
    expect(organizationOfWorkflow(writebackWorkflowId({ organization, writebackId: 'wb_1' }))).toBe('acme')
    expect(organizationOfWorkflow('order/acme/7')).toBe('')
    expect(organizationOfWorkflow('run')).toBe('')
  })
})
