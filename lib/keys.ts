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
  randomUUID,
  type KeyObject,
} from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { SigningKey, TrustedKey } from './dsse.ts'

type Purpose = TrustedKey['purpose']

interface PublicKeyEntry {
  keyId: string
  purpose: Purpose
  /** SPKI, PEM. */
  publicKey: string
}

const PURPOSES = ['decision', 'receipt'] as const

/**
 * Makes what is missing in the folder; an existing key is never touched, also by several processes at once. Private
 * files get mode 0600.
 */
export function ensureKeys(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const purpose of PURPOSES) ensurePrivateKey(privateKeyFile(folder, purpose))
  publish(folder)
}

/** Throws, with what to do, if it is not there. */
export function loadSigningKey(folder: string, purpose: Purpose): SigningKey {
  const privateKey = createPrivateKey(readKeyFile(privateKeyFile(folder, purpose)))
  return { keyId: keyIdOf(createPublicKey(privateKey)), privateKey }
}

/** Reads `public.json`, or the file given. */
export function loadTrustedKeys(path: string): TrustedKey[] {
  const entries = JSON.parse(readKeyFile(path)) as PublicKeyEntry[]
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

/** Whoever comes second takes the key of the first: the file appears at once and whole, or not at all. */
function ensurePrivateKey(file: string): void {
  if (existsSync(file)) return
  const { privateKey } = generateKeyPairSync('ed25519')
  const temporary = writeTemporary(file, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 0o600)
  try {
    linkSync(temporary, file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Both at once, so that two processes at the same time write the same. */
function publish(folder: string): void {
  const file = publicKeysFile(folder)
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as PublicKeyEntry[]) : []
  const own = PURPOSES.map((purpose): PublicKeyEntry => {
    const publicKey = createPublicKey(readFileSync(privateKeyFile(folder, purpose), 'utf8'))
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
    return { keyId: keyIdOf(publicKey), purpose, publicKey: pem }
  })
  const missing = own.filter(({ keyId }) => !known.some((entry) => entry.keyId === keyId))
  if (missing.length === 0) return
  renameSync(writeTemporary(file, JSON.stringify([...known, ...missing], null, 2), 0o644), file)
}

function readKeyFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new Error(
      `${file} cannot be read (${reason}): set COUNTERSIGN_KEYS_DIR to the folder that has it, or make keys, once for ` +
        'all processes, with `countersign keys init --folder <folder>`',
      { cause: error },
    )
  }
}

function privateKeyFile(folder: string, purpose: Purpose): string {
  return join(folder, `${purpose}.key.pem`)
}

function writeTemporary(file: string, content: string, mode: number): string {
  // Containers that share a volume have the same process ids.
  const temporary = `${file}.${randomUUID()}`
  writeFileSync(temporary, content, { mode })
  chmodSync(temporary, mode)
  return temporary
}
