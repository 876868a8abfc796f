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
const PLACED = { version: 0xa0, extensions: 0xa3, dnsName: 0x82, excluded: 0xa1 }
/** Whole, with tag and length. */
const IDS = {
  ecdsaWithSha256: Buffer.from('06082a8648ce3d040302', 'hex'),
  commonName: Buffer.from('0603550403', 'hex'),
  basicConstraints: Buffer.from('0603551d13', 'hex'),
  subjectAltName: Buffer.from('0603551d11', 'hex'),
  nameConstraints: Buffer.from('0603551d1e', 'hex'),
}

const YES = Buffer.from([TAGS.boolean, 1, 0xff])

/** Without an issuer it is an authority that vouches for itself, which needs a key on a curve. */
export function makeCertificate(name: string, issuer?: Certificate, kind: 'ec' | 'rsa' = 'ec'): Certificate {
  const { privateKey, publicKey } =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const content = {
    issuer: issuer?.name ?? name,
    subject: name,
    publicKey,
    extensions: extensionsOf(name, issuer === undefined),
  }
  return {
    name,
    cert: signed(content, issuer?.privateKey ?? privateKey),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    privateKey,
  }
}

/**
 * Of a server with so many names, and of so many authorities above it, each of which says so often for whom it does not
 * vouch: every name is held against all of that. All have one key.
 */
export function makeChain(of: { names: number; authorities?: number; constraints?: number }): {
  cert: string
  key: string
} {
  const { names, authorities = 1, constraints = 1 } = of
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const server = extension(
    IDS.subjectAltName,
    der(TAGS.sequence, ...Array<Buffer>(names).fill(der(PLACED.dnsName, Buffer.from('.')))),
  )
  const isAuthority = extension(IDS.basicConstraints, der(TAGS.sequence, YES))
  const other = der(TAGS.sequence, der(PLACED.dnsName, Buffer.from('b')))
  const notFor = extension(
    IDS.nameConstraints,
    der(TAGS.sequence, der(PLACED.excluded, ...Array<Buffer>(constraints).fill(other))),
  )
  const certificates = Array.from({ length: authorities + 1 }, (_, at) =>
    signed(
      {
        issuer: `${Math.min(at + 1, authorities)}`,
        subject: `${at}`,
        publicKey,
        extensions: at === 0 ? der(TAGS.sequence, server) : der(TAGS.sequence, isAuthority, notFor),
      },
      privateKey,
    ),
  )
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  return { cert: certificates.join(''), key }
}

interface Content {
  issuer: string
  subject: string
  publicKey: KeyObject
  extensions: Buffer
}

/** As PEM. */
function signed({ issuer, subject, publicKey, extensions }: Content, key: KeyObject): string {
  const algorithm = der(TAGS.sequence, IDS.ecdsaWithSha256)
  const content = der(
    TAGS.sequence,
    der(PLACED.version, der(TAGS.integer, Buffer.from([2]))),
    der(TAGS.integer, Buffer.from([1]), randomBytes(8)),
    algorithm,
    nameOf(issuer),
    der(TAGS.sequence, time(Date.now() - DAY_MS), time(Date.now() + DAY_MS)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(PLACED.extensions, extensions),
  )
  const signature = sign('sha256', content, key)
  const whole = der(TAGS.sequence, content, algorithm, der(TAGS.bits, Buffer.from([0]), signature))
  // None of them empty, at which some would stop reading.
  const lines = (whole.toString('base64').match(/.{1,64}/g) ?? []).join('\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

function extension(id: Buffer, value: Buffer): Buffer {
  return der(TAGS.sequence, id, der(TAGS.octets, value))
}

function extensionsOf(name: string, isAuthority: boolean): Buffer {
  const constraints = der(TAGS.sequence, ...(isAuthority ? [YES] : []))
  const names = der(TAGS.sequence, der(PLACED.dnsName, Buffer.from(name)))
  return der(
    TAGS.sequence,
    der(TAGS.sequence, IDS.basicConstraints, YES, der(TAGS.octets, constraints)),
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
