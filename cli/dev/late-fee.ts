/**
 * The story of examples/late-fee on the dev stack: its database, its MCP servers, and its manifests applied. What it
 * needs to know again at the next start is kept in the data folder, readable by its owner only.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { loadAllManifests } from '../../examples/manifests.ts'
import { loadManifests, notesCommand } from '../../examples/late-fee/manifests.ts'
import { seedBilling, type BillingFacts } from '../../examples/late-fee/seed.ts'
import { moduleFile } from '../../lib/modules.ts'
import { choosePort } from '../../scripts/stack/ports.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import type { ProcessOptions } from '../../scripts/stack/processes.ts'
import { createClient } from '../../sdk/client/index.ts'
import type { DevStack, DevStackOptions } from '../dev-stack.ts'
import { nodeArguments } from './children.ts'
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
  stackOptions: Pick<DevStackOptions, 'children' | 'workerEnvironment' | 'organizations'>
  /** Once the stack runs: applies the manifests and makes the token of the callback. */
  open(stack: DevStack): Promise<LateFee>
}

interface Prepared {
  facts: BillingFacts
  billingDatabaseUrl: string
  billingUrl: string
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
      workerEnvironment: { COUNTERSIGN_COMMANDS_FILE: join(folder, 'commands.json') },
      async children(services) {
        mkdirSync(notesFolder, { recursive: true, mode: 0o700 })
        const made = await prepare({ ...options, folder, organization, notesFolder }, services)
        prepared = made.prepared
        return [made.server]
      },
    },
    async open(stack) {
      if (!prepared) throw new Error('the stack was started without the children of the story')
      const { facts, billingDatabaseUrl, billingUrl } = prepared
      const client = createClient({ baseUrl: stack.apiUrl, apiKey: stack.apiKey })
      const load = options.withOthers ? loadAllManifests : loadManifests
      const manifests = await load({ tenant: facts.disputed.tenant, billingUrl, notesFolder })
      await client.applyManifests({ manifests })
      const { key: callbackToken } = await client.createKey({
        principal: { id: 'connection/billing', kind: 'service', roles: [] },
        scopes: ['trigger'],
      })
      const { key: leadKey } = await client.createKey({
        principal: { id: 'lena@example.org', kind: 'person', roles: ['billing-lead'] },
        scopes: ['read', 'approve'],
      })
      return { organization, facts, billingDatabaseUrl, callbackToken, leadKey, notesFolder }
    },
  }
}

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
  const port = await choosePort(BILLING_PORT)
  writePrivately(join(folder, 'commands.json'), { commands: { notes: notesCommand(notesFolder) } })
  writePrivately(join(folder, 'billing-server.json'), { databaseUrl: billingDatabaseUrl, token, port })
  addSecrets(join(resolve(params.dataDir), 'secrets.json'), organization, {
    BILLING_MCP_TOKEN: token,
    BILLING_DATABASE_URL: facts.appDatabaseUrl,
  })
  const server: ProcessOptions = {
    name: 'billing (MCP server of the story)',
    command: process.execPath,
    args: [...nodeArguments(), SERVER_FILE, join(folder, 'billing-server.json')],
    env: { PATH: dirOfNode(), TZ: 'UTC' },
    cwd: folder,
    logFile: join(resolve(params.dataDir), 'logs', 'billing.log'),
    readyLine: /"url"/,
    timeoutMs: READY_TIMEOUT_MS,
  }
  return { prepared: { facts, billingDatabaseUrl, billingUrl: `http://127.0.0.1:${port}/mcp` }, server }
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
  if (known?.seed === params.seed && !params.reseed) return known.facts
  const facts = await seedBilling({ databaseUrl, seed: params.seed })
  writePrivately(file, { seed: params.seed, facts })
  return facts
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
