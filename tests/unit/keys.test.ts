/** Signing keys are changed by making a new one: the old public key stays, and what it signed still verifies. */
import { mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { openEnvelope, openEvidence, signEnvelope } from '../../lib/dsse.ts'
import { ensureKeys, loadSigningKey, loadTrustedKeys, publicKeysFile, retireKey } from '../../lib/keys.ts'

const TYPE = 'text/plain'
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-keys-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

it('a new key is added to the public ones, and the old one is kept', () => {
  ensureKeys(folder)
  const old = loadSigningKey(folder, 'receipt')
  const signed = signEnvelope(TYPE, { by: 'old' }, old)
  unlinkSync(join(folder, 'receipt.key.pem'))
  ensureKeys(folder)
  const current = loadSigningKey(folder, 'receipt')
  expect(current.keyId).not.toBe(old.keyId)
  const trusted = loadTrustedKeys(publicKeysFile(folder))
  expect(trusted.filter(({ purpose }) => purpose === 'receipt').map(({ keyId }) => keyId)).toEqual([
    old.keyId,
    current.keyId,
  ])
  for (const envelope of [signed, signEnvelope(TYPE, { by: 'new' }, current)]) {
    expect(openEnvelope(envelope, { payloadType: TYPE, purpose: 'receipt' }, trusted)).not.toBeNull()
    expect(openEnvelope(envelope, { payloadType: TYPE, purpose: 'decision' }, trusted)).toBeNull()
  }
})

it('making keys again changes nothing', () => {
  ensureKeys(folder)
  const before = readFileSync(publicKeysFile(folder), 'utf8')
  ensureKeys(folder)
  expect(readFileSync(publicKeysFile(folder), 'utf8')).toBe(before)
})

describe('a key that was retired', () => {
  const expected = { payloadType: TYPE, purpose: 'decision' } as const
  const lost = new Date('2026-11-02T08:00:00.000Z')
  /** The key that was replaced, and what public.json says after its end. */
  function replaced() {
    ensureKeys(folder)
    const old = loadSigningKey(folder, 'decision')
    unlinkSync(join(folder, 'decision.key.pem'))
    ensureKeys(folder)
    return { old, keys: retireKey(folder, { keyId: old.keyId, at: lost }) }
  }

  test('lets nothing happen, and is evidence for what is dated up to then', () => {
    const { old, keys } = replaced()
    expect(loadTrustedKeys(publicKeysFile(folder))).toEqual(keys)
    const datedAt = (document: unknown) => [(document as { at?: unknown }).at]
    const opened = (document: unknown) => {
      const envelope = signEnvelope(TYPE, document, old)
      expect(openEnvelope(envelope, expected, keys)).toBeNull()
      return openEvidence(envelope, { ...expected, datedAt }, keys) !== null
    }
    expect(opened({ at: '2026-11-02T08:00:00.000Z' })).toBe(true)
    for (const at of ['2026-11-02T08:00:00.001Z', 'before', undefined, 0]) expect(opened({ at })).toBe(false)
    expect(openEvidence(signEnvelope(TYPE, {}, old), { ...expected, datedAt: () => [] }, keys)).toBeNull()
  })

  test('keeps the earlier of two times', () => {
    const { old } = replaced()
    const at = (keys: ReturnType<typeof retireKey>) => keys.find((key) => key.keyId === old.keyId)?.retiredAt
    expect(at(retireKey(folder, { keyId: old.keyId, at: new Date() }))).toBe(lost.toISOString())
    const earlier = new Date(lost.getTime() - 1)
    expect(at(retireKey(folder, { keyId: old.keyId, at: earlier }))).toBe(earlier.toISOString())
  })

  test('is not signed with by a process that starts', () => {
    ensureKeys(folder)
    const file = join(folder, 'decision.key.pem')
    const old = readFileSync(file)
    unlinkSync(file)
    const { keyId } = loadSigningKeyAfter(() => ensureKeys(folder))
    writeFileSync(file, old)
    const lostId = loadSigningKey(folder, 'decision').keyId
    expect(lostId).not.toBe(keyId)
    retireKey(folder, { keyId: lostId, at: lost })
    expect(() => loadSigningKey(folder, 'decision')).toThrow(
      /was retired at 2026-11-02T08.*countersign keys init/s,
    )
  })

  test('is not signed with by a process that starts if nobody else knows it', () => {
    ensureKeys(folder)
    const known = readFileSync(publicKeysFile(folder))
    for (const purpose of ['decision', 'receipt']) unlinkSync(join(folder, `${purpose}.key.pem`))
    ensureKeys(folder)
    writeFileSync(publicKeysFile(folder), known)
    for (const purpose of ['decision', 'receipt'] as const)
      expect(() => loadSigningKey(folder, purpose)).toThrow(/does not have for .*s: nobody would believe/)
  })

  test('is never the last one of its purpose, nor one that is not there', () => {
    ensureKeys(folder)
    const { keyId } = loadSigningKey(folder, 'receipt')
    expect(() => retireKey(folder, { keyId, at: lost })).toThrow(/is the last key for receipts.*keys init/s)
    expect(() => retireKey(folder, { keyId: 'none', at: lost })).toThrow(`it has `)
    const { old } = replaced()
    const current = loadSigningKey(folder, 'decision')
    expect(current.keyId).not.toBe(old.keyId)
    expect(() => retireKey(folder, { keyId: current.keyId, at: lost })).toThrow(
      'is the last key for decisions',
    )
  })

  test('is not taken for one in use because its time cannot be read', () => {
    replaced()
    const file = publicKeysFile(folder)
    writeFileSync(file, readFileSync(file, 'utf8').replace(lost.toISOString(), 'yesterday'))
    expect(() => loadTrustedKeys(file)).toThrow('retiredAt is not a time: yesterday')
  })

  function loadSigningKeyAfter(work: () => void) {
    work()
    return loadSigningKey(folder, 'decision')
  }
})
