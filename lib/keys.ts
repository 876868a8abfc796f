/**
 * Key files of one deployment. Two private keys, because two parties vouch for two things: the API for who decided,
 * the worker for what was done. `public.json` holds what both, and anybody who checks a receipt, need; a new key is
 * added there before it signs, an old one stays while documents signed by it matter.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SigningKey, TrustedKey } from './dsse.ts'

type Purpose = TrustedKey['purpose']

interface PublicKeyEntry {
  keyId: string
  purpose: Purpose
  /** SPKI, PEM. */
  publicKey: string
}

/** Makes what is missing in the folder; an existing key is never touched. Private files get mode 0600. */
export function ensureKeys(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const purpose of ['decision', 'receipt'] as const) {
    const file = privateKeyFile(folder, purpose)
    if (!existsSync(file)) {
      const { privateKey } = generateKeyPairSync('ed25519')
      writeAtomically(file, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
    }
    publish(folder, purpose, createPublicKey(readFileSync(file, 'utf8')))
  }
}

export function loadSigningKey(folder: string, purpose: Purpose): SigningKey {
  const privateKey = createPrivateKey(readFileSync(privateKeyFile(folder, purpose), 'utf8'))
  return { keyId: keyIdOf(createPublicKey(privateKey)), privateKey }
}

/** Reads `public.json`, or the file given. */
export function loadTrustedKeys(path: string): TrustedKey[] {
  const entries = JSON.parse(readFileSync(path, 'utf8')) as PublicKeyEntry[]
  return entries.map(({ purpose, publicKey }) => {
    const key = createPublicKey(publicKey)
    return { keyId: keyIdOf(key), purpose, publicKey: key }
  })
}

export function publicKeysFile(folder: string): string {
  return join(folder, 'public.json')
}

/** The id follows from the key itself, so a file cannot give a key another key's name. */
export function keyIdOf(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest('hex').slice(0, 16)
}

function publish(folder: string, purpose: Purpose, publicKey: KeyObject): void {
  const file = publicKeysFile(folder)
  const entries = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as PublicKeyEntry[]) : []
  const keyId = keyIdOf(publicKey)
  if (entries.some((known) => known.keyId === keyId)) return
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  writeAtomically(file, JSON.stringify([...entries, { keyId, purpose, publicKey: pem }], null, 2), 0o644)
}

function privateKeyFile(folder: string, purpose: Purpose): string {
  return join(folder, `${purpose}.key.pem`)
}

function writeAtomically(file: string, content: string, mode = 0o600): void {
  const temporary = `${file}.${process.pid}`
  writeFileSync(temporary, content, { mode })
  chmodSync(temporary, mode)
  renameSync(temporary, file)
}
