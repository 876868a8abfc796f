/** X.509 certificates for a day, by an authority of their own: node reads certificates, but makes none. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

export interface Certificate {
  name: string
  /** PEM, as is the key. */
  cert: string
  key: string
  privateKey: KeyObject
}

const DAY_MS = 24 * 60 * 60 * 1_000
const TAGS = { boolean: 1, integer: 2, bits: 3, octets: 4, utf8: 12, sequence: 0x30, set: 0x31, time: 0x17 }
/** Tags whose meaning depends on where they are. */
const PLACED = { version: 0xa0, extensions: 0xa3, dnsName: 0x82 }
/** Whole, with tag and length. */
const IDS = {
  ecdsaWithSha256: Buffer.from('06082a8648ce3d040302', 'hex'),
  commonName: Buffer.from('0603550403', 'hex'),
  basicConstraints: Buffer.from('0603551d13', 'hex'),
  subjectAltName: Buffer.from('0603551d11', 'hex'),
}

/** Without an issuer it is an authority that vouches for itself, which needs a key on a curve. */
export function makeCertificate(name: string, issuer?: Certificate, kind: 'ec' | 'rsa' = 'ec'): Certificate {
  const { privateKey, publicKey } =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const algorithm = der(TAGS.sequence, IDS.ecdsaWithSha256)
  const content = der(
    TAGS.sequence,
    der(PLACED.version, der(TAGS.integer, Buffer.from([2]))),
    der(TAGS.integer, Buffer.from([1]), randomBytes(8)),
    algorithm,
    nameOf(issuer?.name ?? name),
    der(TAGS.sequence, time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(PLACED.extensions, extensionsOf(name, issuer === undefined)),
  )
  const signature = sign('sha256', content, issuer?.privateKey ?? privateKey)
  const whole = der(TAGS.sequence, content, algorithm, der(TAGS.bits, Buffer.from([0]), signature))
  const lines = whole.toString('base64').replaceAll(/.{64}/g, '$&\n')
  return {
    name,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    privateKey,
  }
}

function extensionsOf(name: string, isAuthority: boolean): Buffer {
  const yes = der(TAGS.boolean, Buffer.from([0xff]))
  const constraints = der(TAGS.sequence, ...(isAuthority ? [yes] : []))
  const names = der(TAGS.sequence, der(PLACED.dnsName, Buffer.from(name)))
  return der(
    TAGS.sequence,
    der(TAGS.sequence, IDS.basicConstraints, yes, der(TAGS.octets, constraints)),
    der(TAGS.sequence, IDS.subjectAltName, der(TAGS.octets, names)),
  )
}

function nameOf(name: string): Buffer {
  const attribute = der(TAGS.sequence, IDS.commonName, der(TAGS.utf8, Buffer.from(name)))
  return der(TAGS.sequence, der(TAGS.set, attribute))
}

/** YYMMDDhhmmssZ */
function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replaceAll(/\D/g, '').slice(2, 14)
  return der(TAGS.time, Buffer.from(`${digits}Z`))
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts)
  const { length } = value
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), value])
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), value])
}
