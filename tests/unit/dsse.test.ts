import { generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEnvelope, signEnvelope } from '../../lib/dsse.ts'
import { ensureKeys, keyIdOf, loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { makeKeys, seededRandom } from '../support/fixtures.ts'

const TYPE = 'application/vnd.test+json'
const keys = makeKeys()
const document = { n: 1, text: 'ü "quoted"', list: [null, true] }
const envelope = signEnvelope(TYPE, document, keys.decision)
const open = (over: Partial<typeof envelope>, expected = {}): ReturnType<typeof openEnvelope> =>
  openEnvelope(
    { ...envelope, ...over },
    { payloadType: TYPE, purpose: 'decision', ...expected },
    keys.trusted,
  )
const [signature = { keyid: '', sig: '' }] = envelope.signatures

describe('a signed document', () => {
  it('comes out as it went in, with the key that signed it', () => {
    expect(open({})).toEqual({ document, keyId: keys.decision.keyId })
  })

  it('is signed over its type and length too, as DSSE says', () => {
    const foreign = signEnvelope('application/vnd.other+json', document, keys.decision)
    expect(open({ signatures: foreign.signatures })).toBeNull()
    expect(open({}, { payloadType: 'application/vnd.other+json' })).toBeNull()
    expect(
      open({ payloadType: 'application/vnd.other+json' }, { payloadType: 'application/vnd.other+json' }),
    ).toBeNull()
  })

  it('counts for the purpose of its key only', () => {
    expect(open({}, { purpose: 'receipt' })).toBeNull()
    const byReceiptKey = signEnvelope(TYPE, document, keys.receipt)
    expect(open(byReceiptKey)).toBeNull()
    expect(open(byReceiptKey, { purpose: 'receipt' })).toMatchObject({ keyId: keys.receipt.keyId })
  })

  it('of a stranger is none, also under a name that we know', () => {
    const stranger = makeKeys().decision
    expect(open(signEnvelope(TYPE, document, stranger))).toBeNull()
    expect(open(signEnvelope(TYPE, document, { ...stranger, keyId: keys.decision.keyId }))).toBeNull()
  })

  it('needs one good signature among several', () => {
    const bad = { keyid: 'unknown', sig: 'AAAA' }
    expect(open({ signatures: [bad, signature] })).toMatchObject({ document })
    expect(open({ signatures: [bad] })).toBeNull()
    expect(open({ signatures: [] })).toBeNull()
  })

  it('may hold what is no JSON, signed as DSSE says by somebody else’s program', () => {
    const payload = Buffer.from('no json')
    const message = `DSSEv1 ${TYPE.length} ${TYPE} ${payload.length} no json`
    const sig = sign(null, Buffer.from(message), keys.decision.privateKey).toString('base64')
    const signatures = [{ keyid: keys.decision.keyId, sig }]
    expect(open({ payload: payload.toString('base64'), signatures })).toEqual({
      document: null,
      keyId: keys.decision.keyId,
    })
  })
})

describe('a changed envelope', () => {
  it('is found, whichever character of payload or signature it is', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/='
    const random = seededRandom(7)
    const change = (text: string, position: number): string => {
      const others = [...alphabet].filter((character) => character !== text[position])
      const other = others[Math.floor(random() * others.length)] ?? ''
      return text.slice(0, position) + other + text.slice(position + 1)
    }
    for (let i = 0; i < envelope.payload.length; i++)
      expect(open({ payload: change(envelope.payload, i) })).toBeNull()
    for (let i = 0; i < signature.sig.length; i++) {
      for (let round = 0; round < 3; round++) {
        expect(open({ signatures: [{ ...signature, sig: change(signature.sig, i) }] })).toBeNull()
      }
    }
  })

  it.each<[string, (text: string) => string]>([
    [
      'bits that base64 does not need',
      (text) => text.replace(/.==$/, (end) => `${nextInAlphabet(end[0] ?? '')}==`),
    ],
    ['spaces', (text) => `${text.slice(0, 8)} ${text.slice(8)}`],
    ['a line end', (text) => `${text}\n`],
    ['no padding', (text) => text.replace(/=+$/, '')],
    ['the URL’s alphabet', (text) => text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')],
  ])('is found though its bytes are the same: %s', (_how, change) => {
    const sig = change(signature.sig)
    expect(sig).not.toBe(signature.sig)
    expect(open({ signatures: [{ ...signature, sig }] })).toBeNull()
    const padded = signEnvelope(TYPE, { pad: 'x' }, keys.decision)
    const payload = change(padded.payload)
    expect(open({ ...padded, payload: payload === padded.payload ? `${payload} ` : payload })).toBeNull()
  })
})

function nextInAlphabet(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) + 1)
}

describe('key files', () => {
  let folder: string
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'countersign-keys-'))))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('are made once, private ones for their owner alone', () => {
    ensureKeys(folder)
    const before = readFileSync(join(folder, 'decision.key.pem'), 'utf8')
    ensureKeys(folder)
    expect(readFileSync(join(folder, 'decision.key.pem'), 'utf8')).toBe(before)
    for (const file of ['decision.key.pem', 'receipt.key.pem'])
      expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600)
    expect(readFileSync(publicKeysFile(folder), 'utf8')).not.toContain('PRIVATE')
  })

  it('open what they sign', () => {
    ensureKeys(folder)
    const trusted = loadTrustedKeys(publicKeysFile(folder))
    expect(trusted.map(({ purpose }) => purpose)).toEqual(['decision', 'receipt'])
    for (const purpose of ['decision', 'receipt'] as const) {
      const signed = signEnvelope(TYPE, document, loadSigningKey(folder, purpose))
      expect(openEnvelope(signed, { payloadType: TYPE, purpose }, trusted)).toMatchObject({ document })
    }
  })

  it('keep an old key when a new one is added', () => {
    ensureKeys(folder)
    const signed = signEnvelope(TYPE, document, loadSigningKey(folder, 'decision'))
    rmSync(join(folder, 'decision.key.pem'))
    ensureKeys(folder)
    const trusted = loadTrustedKeys(publicKeysFile(folder))
    expect(trusted).toHaveLength(3)
    expect(openEnvelope(signed, { payloadType: TYPE, purpose: 'decision' }, trusted)).not.toBeNull()
  })

  it('cannot give a key another one’s name', () => {
    ensureKeys(folder)
    const { publicKey } = generateKeyPairSync('ed25519')
    const known = loadSigningKey(folder, 'decision').keyId
    const entry = {
      keyId: known,
      purpose: 'decision',
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }),
    }
    writeFileSync(publicKeysFile(folder), JSON.stringify([entry]))
    expect(loadTrustedKeys(publicKeysFile(folder))).toMatchObject([{ keyId: keyIdOf(publicKey) }])
  })
})
