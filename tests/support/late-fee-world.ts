/** The story's world: billing database, billing server and notes server, and a deployment in which the story is applied. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { inject } from 'vitest'
import { fireEvent, startBillingServer } from '../../examples/late-fee/billing-server.ts'
import { loadManifests, notesCommand } from '../../examples/late-fee/manifests.ts'
import { seedBilling, type BillingFacts } from '../../examples/late-fee/seed.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { apply } from './apply.ts'
import { eventually, startWorld, type World, type WorldOptions } from './world.ts'

const TOKEN = 'a-token-for-the-billing-server'

export interface LateFeeWorld {
  world: World
  facts: BillingFacts
  billing: pg.Pool
  notesFolder: string
  /** Sends the event of a dispute, by default of the one whose fee may be waived. */
  fire(dispute?: { disputeId: string; invoiceId: string; ticketId: string }): Promise<void>
  close(): Promise<void>
}

export async function startLateFeeWorld(seed: number, options: WorldOptions = {}): Promise<LateFeeWorld> {
  const databaseUrl = await ensureDatabase(
    inject('databaseUrl'),
    `billing_${process.pid}_${seed}_${Date.now() % 1e6}`,
  )
  const facts = await seedBilling({ databaseUrl, seed })
  const server = await startBillingServer({ databaseUrl, token: TOKEN })
  const billing = new pg.Pool({ connectionString: databaseUrl })
  const notesFolder = join(process.cwd(), '.countersign', `notes-${process.pid}-${seed}`)
  mkdirSync(notesFolder, { recursive: true })
  const world = await startWorld({
    ...options,
    secrets: { BILLING_MCP_TOKEN: TOKEN, BILLING_DATABASE_URL: facts.appDatabaseUrl },
    commands: { notes: notesCommand(notesFolder) },
  })
  const manifests = await loadManifests({
    tenant: facts.disputed.tenant,
    billingUrl: server.url,
    notesFolder,
  })
  await apply(world.admin, ...manifests)
  const { key: callbackToken } = await world.admin.createKey({
    principal: { id: 'connection/billing', kind: 'service', roles: [] },
    scopes: ['trigger'],
  })
  return {
    world,
    facts,
    billing,
    notesFolder,
    fire: ({ disputeId, invoiceId, ticketId } = facts.disputed) =>
      fireEvent({ apiUrl: world.apiUrl, callbackToken, disputeId, invoiceId, ticketId }),
    async close() {
      await world.close()
      await Promise.all([server.close(), billing.end()])
    },
  }
}

export { eventually }
