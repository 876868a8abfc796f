/** A stack with people and automations in it, and what can be asked of it while things die around it. */
import { readFile } from 'node:fs/promises'
import { Client, Connection } from '@temporalio/client'
import { createDataConverter } from '../../../codec/data-converter.ts'
import { createDatabase } from '../../../db/database.ts'
import { createClient, type Client as ApiClient } from '../../../sdk/client/index.ts'
import type { JsonObject } from '../../../lib/json.ts'
import {
  automation,
  CALL_TIMEOUT,
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
import { apply } from '../../support/apply.ts'
import { reconcileLater } from '../../support/reconcile.ts'
import type { Variant } from './cells.ts'
import { startStack, type Stack } from './stack.ts'

const RECEIPTS_SQL = new URL('../../../sdk/target/countersign_receipts.sql', import.meta.url)

export const AUTOMATION_OF: Record<Variant, string> = {
  sql: 'change',
  safe: 'note-again',
  never: 'note',
  stdio: 'note-by-pipe',
  check: 'note-and-look',
}
/** Reads, and waits for nobody. */
export const ARRIVAL = 'look'

type PersonName = 'admin' | 'carl' | 'lena'

export interface Lane {
  stack: Stack
  /** A client at the address that the API has now. Without attempts of its own that hide what happens. */
  as(person: PersonName): ApiClient
  /** As the worker does it by itself some minutes later. */
  reconcile(): Promise<void>
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
  await apply(admin, ...withKeptKeys(connections(stack)), PIPE_CONNECTION)
  const steps: Record<Variant, JsonObject> = {
    sql: CHANGE,
    safe: NOTE_AGAIN,
    never: NOTE,
    stdio: noteByPipe('note'),
    check: noteByPipe('note_checked'),
  }
  for (const [variant, step] of Object.entries(steps)) {
    const name = AUTOMATION_OF[variant as Variant]
    await apply(admin, policyFor(name, ONE_LEAD), automation(name, [step]))
  }
  await apply(admin, automation(ARRIVAL, [LOOK]))
  return {
    stack,
    as: (person) => clientOf(keys[person]),
    reconcile: () => reconcileOn(stack),
    close: () => stack.close(),
  }
}

async function reconcileOn(stack: Stack): Promise<void> {
  const database = createDatabase(stack.ledgerUrl())
  const connection = await Connection.connect({ address: stack.temporalAddress() })
  try {
    const client = new Client({ connection, dataConverter: createDataConverter({ database }) })
    await reconcileLater({ database, client, keysFolder: stack.keysFolder })
  } finally {
    await Promise.all([connection.close(), database.end()])
  }
}

const PIPE = 'pipe'
const NOTED = { about: '${{ arguments.about }}' }

const PIPE_CONNECTION: JsonObject = {
  kind: 'Connection',
  name: PIPE,
  spec: {
    type: 'mcp',
    transport: 'stdio',
    command: 'pipe',
    trusted: true,
    tools: { note_checked: { check: { tool: 'count', arguments: NOTED, applied_if: 'result.times > 0' } } },
    timeout: CALL_TIMEOUT,
  },
}

function noteByPipe(tool: string): JsonObject {
  return {
    name: 'note',
    tool_call: { connection: PIPE, tool, arguments: { about: '${{ input.account }}' } },
  }
}

/** The tool server of the matrix takes our key as an argument. */
function withKeptKeys(manifests: JsonObject[]): JsonObject[] {
  return manifests.map((manifest) => {
    if (manifest['name'] !== TOOLS) return manifest
    const tools = { note_again: { resend: 'safe', key_argument: 'key' } }
    return { ...manifest, spec: { ...(manifest['spec'] as JsonObject), tools } }
  })
}
