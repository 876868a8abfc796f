/**
 * Key files of one deployment. Two private keys, because two parties vouch for two things: the API for who decided,
 * the worker for what was done. `public.json` holds what both, and anybody who checks a receipt, need; a new key is
 * added there before it signs, an old one stays while documents signed by it matter, with the time it was retired at.
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
import { isInUse, type SigningKey, type TrustedKey } from './dsse.ts'

type Purpose = TrustedKey['purpose']

interface PublicKeyEntry {
  keyId: string
  purpose: Purpose
  /** SPKI, PEM. */
  publicKey: string
  /** ISO 8601. */
  retiredAt?: string
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

/** Throws, with what to do, if it is not there, was retired, or is not among the keys that others know. */
export function loadSigningKey(folder: string, purpose: Purpose): SigningKey {
  const file = privateKeyFile(folder, purpose)
  const privateKey = createPrivateKey(readKeyFile(file))
  const keyId = keyIdOf(createPublicKey(privateKey))
  const trusted = loadTrustedKeys(publicKeysFile(folder))
  if (isTrusted(trusted, { keyId, purpose })) return { keyId, privateKey }
  const retired = trusted.find((key) => key.keyId === keyId && !isInUse(key))
  if (!retired) {
    throw new Error(
      `${file} holds key ${keyId}, which ${publicKeysFile(folder)} does not have for ${purpose}s: nobody would believe ` +
        'what it signs. Add it there with `countersign keys init`, and hand out that file to all processes',
    )
  }
  throw new Error(
    `${file} holds key ${keyId}, which was retired at ${retired.retiredAt}: nobody would believe what it signs. Move ` +
      'it away, make a new one with `countersign keys init`, and hand out both files',
  )
}

/** Whether what is signed with this key now would be believed. */
export function isTrusted(
  keys: readonly TrustedKey[],
  { keyId, purpose }: Pick<TrustedKey, 'keyId' | 'purpose'>,
): boolean {
  return keys.some((key) => key.keyId === keyId && key.purpose === purpose && isInUse(key))
}

/** Reads `public.json`, or the file given. */
export function loadTrustedKeys(path: string): TrustedKey[] {
  const entries = JSON.parse(readKeyFile(path)) as PublicKeyEntry[]
  return entries.map(trustedKeyOf)
}

/** Throws for a key or a time that cannot be read: a retired key is never taken for one in use. */
export function trustedKeyOf({
  purpose,
  publicKey,
  retiredAt,
}: Pick<PublicKeyEntry, 'purpose' | 'publicKey'> & { retiredAt?: string | null | undefined }): TrustedKey {
  const key = createPublicKey(publicKey)
  const keyId = keyIdOf(key)
  if (retiredAt === undefined || retiredAt === null) return { keyId, purpose, publicKey: key }
  if (Number.isNaN(Date.parse(retiredAt)))
    throw new Error(`key ${keyId}: retiredAt is not a time: ${retiredAt}`)
  return { keyId, purpose, publicKey: key, retiredAt }
}

/**
 * From `at` on, nothing that this key signs counts. A key that was retired before keeps the earlier time. Throws, with
 * what to do, for a key that is not there, and for the last one of its purpose.
 */
export function retireKey(folder: string, params: { keyId: string; at: Date }): TrustedKey[] {
  const { keyId, at } = params
  const file = publicKeysFile(folder)
  const entries = JSON.parse(readKeyFile(file)) as PublicKeyEntry[]
  const keys = entries.map(trustedKeyOf)
  const key = keys.find((candidate) => candidate.keyId === keyId)
  if (!key)
    throw new Error(`${file} has no key ${keyId}: it has ${keys.map((each) => each.keyId).join(', ')}`)
  if (!keys.some((other) => other.keyId !== keyId && other.purpose === key.purpose && isInUse(other))) {
    throw new Error(
      `${keyId} is the last key for ${key.purpose}s that is in use: without one nothing more could be signed. Move ` +
        `${privateKeyFile(folder, key.purpose)} away, make a new key with \`countersign keys init\`, and retire this ` +
        'one when the processes have the new one',
    )
  }
  const retiredAt = new Date(
    Math.min(at.getTime(), Date.parse(key.retiredAt ?? '') || Infinity),
  ).toISOString()
  const changed = entries.map((entry, index) => (keys[index] === key ? { ...entry, retiredAt } : entry))
  replacePublicKeys(file, changed)
  return changed.map(trustedKeyOf)
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
  replacePublicKeys(file, [...known, ...missing])
}

/** At once and whole: running processes read it. */
function replacePublicKeys(file: string, entries: readonly PublicKeyEntry[]): void {
  renameSync(writeTemporary(file, JSON.stringify(entries, null, 2), 0o644), file)
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
