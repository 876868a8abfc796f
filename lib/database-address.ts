/**
 * The address of a database, as a manifest or its secret says it. Read here and nowhere else: the driver's own reading
 * opens files that the address names, in the thread that everything runs in, and takes paths of sockets for hosts.
 */

/** `require` encrypts and believes every certificate; `verify-ca` looks who has signed it, `verify-full` for whom, too. */
export const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const

export type SslMode = (typeof SSL_MODES)[number]

export interface DatabaseAddress {
  hostname: string
  port: number
  database: string
  user: string
  /** Empty if there is none. */
  password: string
  sslMode: SslMode
}

const SPECIAL_IN_PASSWORD =
  'the database may hold no @, / or : (of a password they are written %40, %2F and %3A)'
/** PostgreSQL's own are cut at 63 bytes; what stands before it may have longer ones. */
const MAX_NAME_LENGTH = 128
const DEFAULT_PORT = 5432
const SHAPE = /^postgres(?:ql)?:\/\//

export type ReadAddress = { address: DatabaseAddress } | { problems: string[] }

/** What is wrong is said without quoting values: a part of it may be a secret. Only names of parameters are. */
export function readDatabaseAddress(text: string): ReadAddress {
  if (!SHAPE.test(text)) return { problems: ['it must begin with postgres://'] }
  if (!URL.canParse(text))
    return {
      problems: [
        'it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE, with what is special in it encoded',
      ],
    }
  const url = new URL(text)
  const parts = decodedParts(url)
  if (parts === undefined) return { problems: ['a % in it must begin an encoded character, such as %25'] }
  // Else a part of the password would be taken for the host, and named in every error.
  if (/[@/:]/.test(url.pathname.slice(1))) return { problems: [SPECIAL_IN_PASSWORD] }
  const sslMode = url.searchParams.get('sslmode') ?? 'disable'
  const problems = [
    ...Object.entries(parts).flatMap(([name, part]) => (part === '' ? [`it must name the ${name}`] : [])),
    ...(['user', 'database'] as const).flatMap((name) =>
      parts[name].length > MAX_NAME_LENGTH ? [`the ${name} has over ${MAX_NAME_LENGTH} characters`] : [],
    ),
    ...(/^[A-Za-z0-9_.:-]*$/.test(parts.host) ? [] : ['the host must be a name or an address, and no path']),
    ...(url.port === '0' ? ['the port must be from 1 to 65535'] : []),
    ...(isSslMode(sslMode) ? [] : [`sslmode must be one of ${SSL_MODES.join(', ')}`]),
    ...parameterProblems(url),
  ]
  if (problems.length > 0 || !isSslMode(sslMode)) return { problems }
  return {
    address: {
      hostname: parts.host,
      port: Number(url.port || DEFAULT_PORT),
      database: parts.database,
      user: parts.user,
      password: decodeURIComponent(url.password),
      sslMode,
    },
  }
}

/** Of the address of our own database, which the driver reads: what it would misread is refused; undefined if nothing is wrong. */
export function ownAddressProblem(address: string): string | undefined {
  const form = 'must be postgres://USER:PASSWORD@HOST:PORT/DATABASE'
  if (!SHAPE.test(address)) return form
  const encoded = `${form}, with what is special in the password encoded (# as %23, / as %2F, ? as %3F, @ as %40)`
  if (!URL.canParse(address)) return encoded
  const { hash, search } = new URL(address)
  return hash === '' && !search.includes('@') ? undefined : encoded
}

function decodedParts(url: URL): Record<'host' | 'user' | 'database', string> | undefined {
  try {
    decodeURIComponent(url.password)
    return {
      host: decodeURIComponent(url.hostname).replace(/^\[|\]$/g, ''),
      user: decodeURIComponent(url.username),
      database: decodeURIComponent(url.pathname.slice(1)),
    }
  } catch {
    return undefined
  }
}

/** Each could lead elsewhere, read a file, or change what the statements mean. */
function parameterProblems({ searchParams, hash }: URL): string[] {
  const names = [...searchParams.keys()]
  const foreign = [...new Set(names.filter((name) => name !== 'sslmode'))].map((name) =>
    CERTIFICATES.has(name)
      ? `${shown(name)} is not taken: give the certificate itself, under \`tls\` of the connection`
      : `${shown(name)} is not taken: remove it`,
  )
  const twice = names.filter((name) => name === 'sslmode').length > 1
  return [
    ...foreign,
    ...(twice ? ['sslmode may stand there once'] : []),
    ...(hash === '' ? [] : ['what follows # is not taken: encode it as %23']),
  ]
}

const CERTIFICATES = new Set(['sslrootcert', 'sslcert', 'sslkey'])

/** A name that looks like one. In a malformed address anything may stand there, such as the end of a password. */
function shown(name: string): string {
  return /^[a-z_]{1,40}$/.test(name) ? `the parameter ${name}` : 'a parameter that is not sslmode'
}

function isSslMode(text: string): text is SslMode {
  return (SSL_MODES as readonly string[]).includes(text)
}
