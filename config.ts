/**
 * The only reader of process.env: option > environment > default, else an error that says what to set.
 * An empty variable counts as not set. Secrets are not part of it: activities resolve those one by one.
 */
import { resolve } from 'node:path'
import { z } from 'zod'

const text = z.string().trim().min(1)
const port = z.coerce.number().int().min(0).max(65_535)

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost'])

const ConfigSchema = z
  .object({
    /** Our own PostgreSQL. */
    databaseUrl: text,
    temporalAddress: text.default('127.0.0.1:7233'),
    temporalNamespace: text.default('default'),
    /** Base address of the Temporal UI, for links to people; without it there are none. */
    temporalUiUrl: text.optional(),
    taskQueue: text.default('countersign'),
    host: text.default('127.0.0.1'),
    port: port.default(8700),
    /** Where people and programs reach the API. */
    publicUrl: text.optional(),
    /** Requests of one API key per second; 0 for no limit. */
    rateLimit: z.coerce.number().min(0).max(100_000).default(50),
    /** Requests without a valid key of one address per second; 0 for no limit. */
    unknownRateLimit: z.coerce.number().min(0).max(100_000).default(5),
    /** Addresses and networks, with commas between: proxies whose X-Forwarded-For is believed. */
    trustedProxies: text
      .refine(isAddressList, 'must be addresses or networks with commas between')
      .optional(),
    /** Folder with decision.key.pem (API), receipt.key.pem (worker) and public.json (both). */
    keysFolder: text.default('.countersign/keys').transform((path) => resolve(path)),
    /** JSON file: {"shared": {NAME: value}, "organizations": {"acme": {NAME: value}}}. */
    secretsFile: text.optional(),
    /** JSON file: {"active": "2026-10", "keys": {"2026-10": "32 bytes in base64"}}. With it, values in Temporal are encrypted. */
    encryptionKeysFile: text.optional(),
    /**
     * Opens `/codec/open/TOKEN` of the API, which shows the values of all organizations: for the Temporal UI of a
     * developer's machine, which can send no header.
     */
    codecToken: z
      .string()
      .regex(/^[A-Za-z0-9_-]{32,128}$/, 'must be 32 to 128 of A-Z a-z 0-9 _ -')
      .optional(),
    /** JSON file: the programs that stdio connections may start on this worker. */
    commandsFile: text.default('countersign.commands.json'),
    /** `asserted` takes people at their word in raw signals: for a developer's machine only. */
    identity: z.enum(['verified', 'asserted']).default('verified'),
    logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    /** For the CLI: which API, and who we are there. */
    apiUrl: text.default('http://127.0.0.1:8700'),
    apiKey: text.optional(),
  })
  .refine(({ codecToken, host }) => codecToken === undefined || LOOPBACK.has(host), {
    path: ['codecToken'],
    message: 'shows all values to whoever has it: only for an API that listens on loopback',
  })

function isAddressList(list: string): boolean {
  const AddressSchema = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])
  return list.split(',').every((part) => AddressSchema.safeParse(part.trim()).success)
}

export type Config = Readonly<z.infer<typeof ConfigSchema>>

const VARIABLES: Record<keyof Config, string> = {
  databaseUrl: 'DATABASE_URL',
  temporalAddress: 'TEMPORAL_ADDRESS',
  temporalNamespace: 'TEMPORAL_NAMESPACE',
  temporalUiUrl: 'TEMPORAL_UI_URL',
  taskQueue: 'COUNTERSIGN_TASK_QUEUE',
  host: 'HOST',
  port: 'PORT',
  publicUrl: 'COUNTERSIGN_PUBLIC_URL',
  rateLimit: 'COUNTERSIGN_RATE_LIMIT',
  unknownRateLimit: 'COUNTERSIGN_UNKNOWN_RATE_LIMIT',
  trustedProxies: 'COUNTERSIGN_TRUSTED_PROXIES',
  keysFolder: 'COUNTERSIGN_KEYS_DIR',
  secretsFile: 'COUNTERSIGN_SECRETS_FILE',
  encryptionKeysFile: 'COUNTERSIGN_ENCRYPTION_KEYS_FILE',
  codecToken: 'COUNTERSIGN_CODEC_TOKEN',
  commandsFile: 'COUNTERSIGN_COMMANDS_FILE',
  identity: 'COUNTERSIGN_IDENTITY',
  logLevel: 'LOG_LEVEL',
  apiUrl: 'COUNTERSIGN_URL',
  apiKey: 'COUNTERSIGN_API_KEY',
}

type Environment = Record<string, string | undefined>

/** Throws one Error that names every variable that is missing or wrong. */
export function loadConfig(options: Partial<Config> = {}, environment: Environment = process.env): Config {
  const values = Object.fromEntries(
    Object.entries(VARIABLES).map(([name, variable]) => [
      name,
      options[name as keyof Config] ?? (environment[variable] || undefined),
    ]),
  )
  const parsed = ConfigSchema.safeParse(values)
  if (parsed.success) return Object.freeze(parsed.data)
  const problems = parsed.error.issues.map((issue) => {
    const name = issue.path[0] as keyof Config
    return `  ${VARIABLES[name]}: ${values[name] === undefined ? 'is not set' : issue.message}`
  })
  throw new Error(`the configuration is not complete:\n${problems.join('\n')}`)
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
