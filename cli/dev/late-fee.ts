/**
 * The story of examples/late-fee on the dev stack: its database, its MCP servers, and its manifests applied. What it
 * needs to know again at the next start is kept in the data folder, readable by its owner only.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { z } from 'zod'
import { loadAllManifests } from '../../examples/manifests.ts'
import { loadManifests, notesCommand } from '../../examples/late-fee/manifests.ts'
import { seedBilling, type BillingFacts } from '../../examples/late-fee/seed.ts'
import { moduleFile } from '../../lib/modules.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import type { ProcessOptions } from '../../scripts/stack/processes.ts'
import { createClient } from '../../sdk/client/index.ts'
import type { DevStack, DevStackOptions } from '../dev-stack.ts'
import type { Log } from '../../scripts/stack/waiting.ts'
import { nodeArguments } from './children.ts'
import { ensureExampleKeys, type WantedKey } from './example-keys.ts'
import { applyExample } from './example-manifests.ts'
import type { Services } from './services.ts'

const BILLING_PORT = 8811
const READY_TIMEOUT_MS = 30_000
const SERVER_FILE = moduleFile('examples/late-fee/billing-server')

export interface LateFeeOptions {
  dataDir: string
  /** Picks tenant, invoice and amount. */
  seed: number
  /** By default the tenant. */
  organization?: string | undefined
  /** Puts the billing database back to its first state even if it is there. */
  reseed: boolean
  /** Applies the other examples too, which are about the same systems. */
  withOthers?: boolean | undefined
  log: Log
}

/** Everything that a person or a program needs to play the story. */
export interface LateFee {
  organization: string
  facts: BillingFacts
  billingDatabaseUrl: string
  callbackToken: string
  /** Of lena@example.org, who has the role that the policy asks for. */
  leadKey: string
  notesFolder: string
}

export interface LateFeeStage {
  organization: string
  stackOptions: Pick<DevStackOptions, 'children' | 'moreCommands' | 'organizations'>
  /** Once the stack runs: applies the manifests and makes the token of the callback. */
  open(stack: DevStack): Promise<LateFee>
}

interface Prepared {
  facts: BillingFacts
  billingDatabaseUrl: string
  serverFile: string
  logFile: string
}

export function stageLateFee(options: LateFeeOptions): LateFeeStage {
  const folder = join(resolve(options.dataDir), 'late-fee')
  const tenant = options.seed % 2 === 0 ? 'globex' : 'acme'
  const organization = options.organization ?? tenant
  const notesFolder = join(folder, 'notes', organization)
  let prepared: Prepared | undefined
  return {
    organization,
    stackOptions: {
      organizations: [organization],
      moreCommands: join(folder, 'commands.json'),
      async children(services) {
        mkdirSync(notesFolder, { recursive: true, mode: 0o700 })
        const made = await prepare({ ...options, folder, organization, notesFolder }, services)
        prepared = made.prepared
        return [made.server]
      },
    },
    async open(stack) {
      if (!prepared) throw new Error('the stack was started without the children of the story')
      const { facts, billingDatabaseUrl } = prepared
      const billingUrl = billingUrlOf(prepared)
      const { apiUrl, apiKey } = stack
      const client = createClient({ baseUrl: apiUrl, apiKey })
      const load = options.withOthers ? loadAllManifests : loadManifests
      const manifests = await load({ tenant: facts.disputed.tenant, billingUrl, notesFolder })
      const { log } = options
      const noted = (name: string): string => join(folder, name)
      await applyExample(client, {
        organization,
        manifests,
        billingUrl,
        notesFolder,
        file: noted('applied.json'),
        log,
      })
      const { callbackToken, leadKey } = await ensureExampleKeys(client, {
        apiUrl,
        organization,
        file: noted('keys.json'),
        wanted: WANTED_KEYS,
      })
      return { organization, facts, billingDatabaseUrl, callbackToken, leadKey, notesFolder }
    },
  }
}

const WANTED_KEYS = {
  callbackToken: {
    principal: { id: 'connection/billing', kind: 'service', roles: [] },
    scopes: ['trigger'],
  },
  leadKey: {
    principal: { id: 'lena@example.org', kind: 'person', roles: ['billing-lead'] },
    scopes: ['read', 'approve'],
  },
} satisfies Record<string, WantedKey>

async function prepare(
  params: LateFeeOptions & { folder: string; organization: string; notesFolder: string },
  services: Services,
): Promise<{ prepared: Prepared; server: ProcessOptions }> {
  const { folder, organization, notesFolder } = params
  // A demo begins with fresh rows, and must not take them from a `dev` that uses the same server.
  const name = params.reseed ? 'late_fee_demo' : 'late_fee_billing'
  const billingDatabaseUrl = await ensureDatabase(services.databaseUrl, name)
  const facts = await seededFacts(params, billingDatabaseUrl)
  const token = randomBytes(24).toString('hex')
  const serverFile = join(folder, 'billing-server.json')
  const port = notedPort(serverFile)
  writePrivately(join(folder, 'commands.json'), { commands: { notes: notesCommand(notesFolder) } })
  writePrivately(serverFile, { databaseUrl: billingDatabaseUrl, token, port })
  addSecrets(join(resolve(params.dataDir), 'secrets.json'), organization, {
    BILLING_MCP_TOKEN: token,
    BILLING_DATABASE_URL: facts.appDatabaseUrl,
  })
  const server: ProcessOptions = {
    name: 'billing (MCP server of the story)',
    command: process.execPath,
    args: [...nodeArguments(), SERVER_FILE, serverFile],
    env: { PATH: dirOfNode(), TZ: 'UTC' },
    cwd: folder,
    logFile: join(resolve(params.dataDir), 'logs', 'billing.log'),
    readyLine: /"url"/,
    timeoutMs: READY_TIMEOUT_MS,
  }
  return { prepared: { facts, billingDatabaseUrl, serverFile, logFile: server.logFile }, server }
}

const ServerFileSchema = z.looseObject({ port: z.int() })

/** The same at each start, if it is free then: connections lead to it. */
function notedPort(serverFile: string): number {
  if (!existsSync(serverFile)) return BILLING_PORT
  return ServerFileSchema.parse(JSON.parse(readFileSync(serverFile, 'utf8'))).port
}

/** Where the server listens: it takes another port where somebody else was faster. Noted, for when it is started again. */
function billingUrlOf({ logFile, serverFile }: Pick<Prepared, 'logFile' | 'serverFile'>): string {
  const told = readFileSync(logFile, 'utf8')
    .match(/^{"url":.*}$/gm)
    ?.at(-1)
  const { url } = z.object({ url: z.url() }).parse(JSON.parse(told ?? '{}'))
  const noted = ServerFileSchema.parse(JSON.parse(readFileSync(serverFile, 'utf8')))
  writePrivately(serverFile, { ...noted, port: Number(new URL(url).port) })
  return url
}

/** A second start finds the rows as people left them. */
async function seededFacts(
  params: LateFeeOptions & { folder: string },
  databaseUrl: string,
): Promise<BillingFacts> {
  const file = join(params.folder, 'facts.json')
  const known = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as { seed: number; facts: BillingFacts })
    : null
  if (known?.seed === params.seed && !params.reseed) {
    // PostgreSQL has another port at each start.
    const facts = { ...known.facts, appDatabaseUrl: movedTo(databaseUrl, known.facts.appDatabaseUrl) }
    if (await mayRead(facts.appDatabaseUrl)) return facts
  }
  const facts = await seedBilling({ databaseUrl, seed: params.seed })
  writePrivately(file, { seed: params.seed, facts })
  return facts
}

function movedTo(databaseUrl: string, appDatabaseUrl: string): string {
  const url = new URL(databaseUrl)
  const { username, password } = new URL(appDatabaseUrl)
  url.username = username
  url.password = password
  return url.toString()
}

/** False of another server, or one whose data was thrown away: there everything is made anew. */
async function mayRead(appDatabaseUrl: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: appDatabaseUrl, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
    await client.query('select from invoices limit 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

const SecretsSchema = z.object({
  shared: z.record(z.string(), z.string()).default({}),
  organizations: z.record(z.string(), z.record(z.string(), z.string())).default({}),
})

function addSecrets(file: string, organization: string, secrets: Record<string, string>): void {
  const known = SecretsSchema.parse(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {})
  const own = { ...known.organizations[organization], ...secrets }
  writePrivately(file, { ...known, organizations: { ...known.organizations, [organization]: own } })
}

function writePrivately(file: string, content: unknown): void {
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
}

function dirOfNode(): string {
  return resolve(process.execPath, '..')
}
