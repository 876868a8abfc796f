/**
 * The token under which the Temporal UI of the dev stack reads large and encrypted values. The same at each start, for a
 * Temporal server that was left running knows it.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export function codecTokenOf(dataDir: string): string {
  const file = join(dataDir, 'codec-token')
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 })
  return readFileSync(file, 'utf8').trim()
}
