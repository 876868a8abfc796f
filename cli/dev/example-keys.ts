/** The keys of an example: made once, noted in the data folder, and made anew only where the noted one does not work. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import type { OperationInput } from '../../schemas/operations/operation.ts'
import type { Operations } from '../../schemas/operations.ts'
import { createClient, type Client } from '../../sdk/client/index.ts'
import { isValidKey } from './admin-keys.ts'

/** By organization and name. */
const FileSchema = z.record(z.string(), z.record(z.string(), z.string()))

export type WantedKey = OperationInput<Operations['createKey']>

export async function ensureExampleKeys<Name extends string>(
  client: Client,
  params: { apiUrl: string; organization: string; file: string; wanted: Record<Name, WantedKey> },
): Promise<Record<Name, string>> {
  const { apiUrl, organization, file, wanted } = params
  const all = FileSchema.parse(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {})
  const keys: Record<string, string> = { ...(Object.hasOwn(all, organization) ? all[organization] : {}) }
  for (const name of Object.keys(wanted) as Name[]) {
    const noted = keys[name]
    if (noted !== undefined && (await isValidKey(createClient({ baseUrl: apiUrl, apiKey: noted })))) continue
    keys[name] = (await client.createKey(wanted[name])).key
  }
  writeFileSync(file, `${JSON.stringify({ ...all, [organization]: keys }, null, 2)}\n`, { mode: 0o600 })
  return keys as Record<Name, string>
}
