/**
 * The only reader of process.env: option > environment > default, else an error that says what to set.
 * An empty variable counts as not set. Secrets are not part of it: activities resolve those one by one.
 */
import { resolve } from 'node:path'
import { z } from 'zod'
import { takeAddress } from './lib/address-file.ts'
import { parseAllowedHosts } from './lib/allowed-hosts.ts'
import { ownAddressProblem } from './lib/database-address.ts'
import { problemsTogether } from './lib/settings-together.ts'

const text = z.string().trim().min(1)
const port = z.coerce.number().int().min(0).max(65_535)

/** Nothing of the address is told: a part of it is a password. */
const databaseAddress = text.superRefine((address, context) => {
  const problem = ownAddressProblem(address)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

const ConfigSchema = z.object({
  databaseUrl: databaseAddress,
  databaseUrlFile: text.transform((path) => resolve(path)).optional(),
  temporalAddress: text
    .regex(
      /^([^\s:/@]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/,
      'must be HOST:PORT, such as 127.0.0.1:7233, without http://',
    )
    .default('127.0.0.1:7233'),
  temporalNamespace: text.default('default'),
  temporalApiKey: text.optional(),
  temporalTls: z.enum(['true', 'false']).optional(),
  temporalClientCertFile: text.transform((path) => resolve(path)).optional(),
  temporalClientKeyFile: text.transform((path) => resolve(path)).optional(),
  temporalServerCaFile: text.transform((path) => resolve(path)).optional(),
  temporalServerName: text.optional(),
  temporalUiUrl: text.optional(),
  taskQueue: text.default('countersign'),
  host: text.default('127.0.0.1'),
  port: port.default(8700),
  publicUrl: text.optional(),
  rateLimit: z.coerce.number().min(0).max(100_000).default(50),
  unknownRateLimit: z.coerce.number().min(0).max(100_000).default(5),
  trustedProxies: text.refine(isAddressList, 'must be addresses or networks with commas between').optional(),
  keysFolder: text.default('.countersign/keys').transform((path) => resolve(path)),
  secretsFile: text.optional(),
  apiRole: text.optional(),
  workerRole: text.optional(),
  allowedHosts: text
    .refine(isHostList, 'must be hosts, addresses or networks with commas between, such as db.internal:5432')
    .optional(),
  encryptionKeysFile: text.optional(),
  codecToken: z
    .string()
    .regex(/^[A-Za-z0-9_-]{32,128}$/, 'must be 32 to 128 of A-Z a-z 0-9 _ -')
    .optional(),
  commandsFile: text.default('countersign.commands.json'),
  reconciler: z.enum(['on', 'off']).default('on'),
  identity: z.enum(['verified', 'asserted']).default('verified'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  apiUrl: text.default('http://127.0.0.1:8700'),
  apiKey: text.optional(),
})

function isAddressList(list: string): boolean {
  const AddressSchema = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])
  return list.split(',').every((part) => AddressSchema.safeParse(part.trim()).success)
}

function isHostList(list: string): boolean {
  try {
    parseAllowedHosts(list)
    return true
  } catch {
    return false
  }
}

export type Config = Readonly<z.infer<typeof ConfigSchema>>

/** `migration`: api/migrate.ts, which prepares the database as its owner. */
type Reader = 'API' | 'worker' | 'CLI' | 'dev' | 'migration'

interface Setting {
  variable: string
  readBy: readonly Reader[]
  meaning: string
}

const BOTH = ['API', 'worker'] as const
const BOTH_AND_DEV = [...BOTH, 'dev'] as const

/** What docs/reference/config.md says of each. */
const SETTINGS: Record<keyof Config, Setting> = {
  databaseUrl: setting(
    'DATABASE_URL',
    [...BOTH_AND_DEV, 'migration'],
    'Our own PostgreSQL, with a login for each process, see below. `dev` starts one where it is not set.',
  ),
  databaseUrlFile: setting(
    'DATABASE_URL_FILE',
    [...BOTH_AND_DEV, 'migration'],
    'File with that address alone, instead of `DATABASE_URL`, so that its password is not in the environment.',
  ),
  apiRole: setting(
    'COUNTERSIGN_API_ROLE',
    ['migration'],
    'Role of PostgreSQL that the API logs in as, see below.',
  ),
  workerRole: setting('COUNTERSIGN_WORKER_ROLE', ['migration'], 'The same for the workers.'),
  temporalAddress: setting(
    'TEMPORAL_ADDRESS',
    BOTH_AND_DEV,
    'Host and port. `dev` starts one where it is not set.',
  ),
  temporalNamespace: setting('TEMPORAL_NAMESPACE', BOTH_AND_DEV, 'Has to exist; `dev` makes it.'),
  temporalApiKey: setting(
    'TEMPORAL_API_KEY',
    BOTH_AND_DEV,
    'Secret. An API key of Temporal Cloud; the connection is over TLS then.',
  ),
  temporalTls: setting(
    'TEMPORAL_TLS',
    BOTH_AND_DEV,
    'Whether the connection is over TLS. Without it: if there is an API key or one of the four below.',
  ),
  temporalClientCertFile: setting(
    'TEMPORAL_TLS_CLIENT_CERT_PATH',
    BOTH_AND_DEV,
    'File with our certificate (PEM), for a server that asks for one; needs the key too.',
  ),
  temporalClientKeyFile: setting(
    'TEMPORAL_TLS_CLIENT_KEY_PATH',
    BOTH_AND_DEV,
    'File with the private key (PEM) of that certificate.',
  ),
  temporalServerCaFile: setting(
    'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
    BOTH_AND_DEV,
    'File with the certificate (PEM) of who vouches for the server, if the system does not know it.',
  ),
  temporalServerName: setting(
    'TEMPORAL_TLS_SERVER_NAME',
    BOTH_AND_DEV,
    'Name that the server’s certificate has, if it is not that of the address.',
  ),
  temporalUiUrl: setting(
    'TEMPORAL_UI_URL',
    BOTH_AND_DEV,
    'Base address of the Temporal UI, for links to people; without it there are none.',
  ),
  taskQueue: setting('COUNTERSIGN_TASK_QUEUE', BOTH_AND_DEV, 'API and worker need the same.'),
  host: setting('HOST', ['API'], 'Address to listen on.'),
  port: setting('PORT', ['API'], 'Port to listen on.'),
  publicUrl: setting('COUNTERSIGN_PUBLIC_URL', ['API', 'dev'], 'Where people and programs reach the API.'),
  rateLimit: setting(
    'COUNTERSIGN_RATE_LIMIT',
    ['API'],
    'Requests of one API key per second; 0 for no limit. Events wait up to 8 s for their turn, for not every sender comes again.',
  ),
  unknownRateLimit: setting(
    'COUNTERSIGN_UNKNOWN_RATE_LIMIT',
    ['API'],
    'Requests without a valid key of one address per second; 0 for no limit.',
  ),
  trustedProxies: setting(
    'COUNTERSIGN_TRUSTED_PROXIES',
    ['API'],
    'Addresses and networks, with commas between: proxies whose `X-Forwarded-For` is believed.',
  ),
  keysFolder: setting(
    'COUNTERSIGN_KEYS_DIR',
    ['API', 'worker', 'CLI'],
    'Folder with `decision.key.pem` (API), `receipt.key.pem` (worker) and `public.json` (both); `countersign keys init` makes them.',
  ),
  secretsFile: setting(
    'COUNTERSIGN_SECRETS_FILE',
    ['worker', 'dev'],
    'JSON file with the secrets of connections, see below.',
  ),
  allowedHosts: setting(
    'COUNTERSIGN_ALLOWED_HOSTS',
    ['worker', 'dev'],
    'Private hosts and networks that connections may reach, and hosts that unbound shared secrets may be sent to, see below. Without it: none.',
  ),
  encryptionKeysFile: setting(
    'COUNTERSIGN_ENCRYPTION_KEYS_FILE',
    BOTH_AND_DEV,
    'JSON file `{"active": "2026-10", "keys": {"2026-10": "32 bytes in base64"}}`. With it, values in Temporal are encrypted.',
  ),
  codecToken: setting(
    'COUNTERSIGN_CODEC_TOKEN',
    ['API'],
    'Opens `/codec/open/TOKEN` of the API, which shows the values of all organizations: for the Temporal UI of a developer’s machine, which can send no header. Only where the API listens on loopback.',
  ),
  commandsFile: setting(
    'COUNTERSIGN_COMMANDS_FILE',
    ['worker', 'dev'],
    'JSON file with the programs that stdio connections may start on this worker, see below. Several with commas between: the first that has a name counts.',
  ),
  reconciler: setting(
    'COUNTERSIGN_RECONCILER',
    ['worker'],
    '`off`: this worker refuses the passes of the reconciler, so that nothing is concluded while a restored database is looked at.',
  ),
  identity: setting(
    'COUNTERSIGN_IDENTITY',
    BOTH,
    '`asserted` takes people at their word in raw signals: for a developer’s machine only. `dev` sets it.',
  ),
  logLevel: setting('LOG_LEVEL', BOTH_AND_DEV, 'Logs are JSON lines on standard output.'),
  apiUrl: setting('COUNTERSIGN_URL', ['CLI'], 'Which API the CLI talks to.'),
  apiKey: setting('COUNTERSIGN_API_KEY', ['CLI'], 'As whom.'),
}

function setting(variable: string, readBy: readonly Reader[], meaning: string): Setting {
  return { variable, readBy, meaning }
}

/** All variables that are read, for the documentation. */
export function describeSettings(): (Setting & {
  fallback: string | undefined
  values: readonly string[]
})[] {
  return Object.entries(SETTINGS).map(([name, described]) => {
    const field: z.core.$ZodType = ConfigSchema.shape[name as keyof Config]
    const schema = z.toJSONSchema(field, { io: 'input' })
    const fallback = schema.default === undefined ? undefined : String(schema.default)
    return { ...described, fallback, values: (schema.enum ?? []).map(String) }
  })
}

type Environment = Record<string, string | undefined>

/** Throws one Error that names every variable that is missing or wrong. */
export function loadConfig(options: Partial<Config> = {}, environment: Environment = process.env): Config {
  const values: Record<string, unknown> = Object.fromEntries(
    Object.entries(SETTINGS).map(([name, { variable }]) => [
      name,
      options[name as keyof Config] ?? (environment[variable] || undefined),
    ]),
  )
  const addressProblem = options.databaseUrl === undefined ? takeAddress(values) : undefined
  const parsed = ConfigSchema.safeParse(values)
  const together = problemsTogether(values)
  if (parsed.success && together.length === 0) return Object.freeze(parsed.data)
  const single = (parsed.error?.issues ?? []).map(
    ({ path, message }) => [path[0] as keyof Config, message] as const,
  )
  const problems = [...single, ...together].map(([name, message]) => {
    if (name === 'databaseUrl' && addressProblem) return `  DATABASE_URL_FILE: ${addressProblem}`
    return `  ${SETTINGS[name].variable}: ${values[name] === undefined ? 'is not set' : message}`
  })
  throw new Error(`the configuration is not complete:\n${problems.join('\n')}`)
}

/** For a process at its start: what is wrong is told as a line of its log, without a trace of ours, and ends it. */
export function configAtStart(reader: Reader | 'health check'): Config {
  try {
    return loadConfig()
  } catch (error) {
    const msg = `the ${reader} cannot start: ${error instanceof Error ? error.message : String(error)}`
    process.stdout.write(`${JSON.stringify({ level: 60, time: Date.now(), pid: process.pid, msg })}\n`)
    process.exit(1)
  }
}

const SECRET_PREFIX = 'COUNTERSIGN_SECRET_'

/**
 * The secrets in the environment, by name without the prefix. Only variables with the prefix can be named by a
 * connection: whoever may write a manifest must not be able to send DATABASE_URL somewhere.
 */
export function environmentSecrets(environment: Environment = process.env): Record<string, string> {
  const entries = Object.entries(environment).flatMap(([name, value]) =>
    name.startsWith(SECRET_PREFIX) && value ? [[name.slice(SECRET_PREFIX.length), value] as const] : [],
  )
  return Object.fromEntries(entries)
}
