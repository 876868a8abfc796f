/** A stack with people and automations in it, and what can be asked of it while things die around it. */
import { createClient, type Client as ApiClient } from '../../../sdk/client/index.ts'
import { readFile } from 'node:fs/promises'
import type { JsonObject } from '../../../lib/json.ts'
import {
  automation,
  CHANGE,
  connections,
  LOOK,
  NOTE,
  NOTE_AGAIN,
  ONE_LEAD,
  policyFor,
  SHOP_SQL,
  TOOLS,
} from '../../support/automations.ts'
import type { Variant } from './cells.ts'
import { startStack, type Stack } from './stack.ts'

const RECEIPTS_SQL = new URL('../../../sdk/target/countersign_receipts.sql', import.meta.url)

export const AUTOMATION_OF: Record<Variant, string> = { sql: 'change', safe: 'note-again', never: 'note' }
/** Reads, and waits for nobody. */
export const ARRIVAL = 'look'

type PersonName = 'admin' | 'carl' | 'lena'

export interface Lane {
  stack: Stack
  /** A client at the address that the API has now. Without attempts of its own that hide what happens. */
  as(person: PersonName): ApiClient
  close(): Promise<void>
}

export async function startLane(): Promise<Lane> {
  const stack = await startStack()
  try {
    return await furnish(stack)
  } catch (error) {
    await stack.close()
    throw error
  }
}

async function furnish(stack: Stack): Promise<Lane> {
  await stack.withShop(async (client) => {
    await client.query(await readFile(RECEIPTS_SQL, 'utf8'))
    await client.query(SHOP_SQL)
  })
  const clientOf = (apiKey: string) => createClient({ baseUrl: stack.apiUrl(), apiKey, timeoutMs: 15_000 })
  const admin = clientOf(stack.adminKey)
  const keyOf = async (id: string, roles: string[]): Promise<string> =>
    (
      await admin.createKey({
        principal: { id, kind: 'person', roles },
        scopes: ['read', 'start', 'approve'],
      })
    ).key
  const keys: Record<PersonName, string> = {
    admin: stack.adminKey,
    carl: await keyOf('carl@acme.example', []),
    lena: await keyOf('lena@acme.example', ['lead']),
  }
  await admin.applyManifests({ manifests: withKeptKeys(connections({ toolsUrl: stack.toolsUrl })) })
  const steps: Record<Variant, JsonObject> = { sql: CHANGE, safe: NOTE_AGAIN, never: NOTE }
  for (const [variant, step] of Object.entries(steps)) {
    const name = AUTOMATION_OF[variant as Variant]
    await admin.applyManifests({ manifests: [policyFor(name, ONE_LEAD), automation(name, [step])] })
  }
  await admin.applyManifests({ manifests: [automation(ARRIVAL, [LOOK])] })
  return { stack, as: (person) => clientOf(keys[person]), close: () => stack.close() }
}

/** The tool server of the matrix takes our key as an argument. */
function withKeptKeys(manifests: JsonObject[]): JsonObject[] {
  return manifests.map((manifest) => {
    if (manifest['name'] !== TOOLS) return manifest
    const tools = { note_again: { resend: 'safe', key_argument: 'key' } }
    return { ...manifest, spec: { ...(manifest['spec'] as JsonObject), tools } }
  })
}
