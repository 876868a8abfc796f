/** Signing keys are changed by making a new one: the old public key stays, and what it signed still verifies. */
import { mkdtempSync, readFileSync, rmSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openEnvelope, signEnvelope } from '../../lib/dsse.ts'
import { ensureKeys, loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'

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
