/** The checks of `countersign doctor` that are made on this side. What the API says without a key is all they need. */
import { z } from 'zod'
import type { Check } from '../schemas/operations/health.ts'
import type { Target } from './context.ts'

const PATIENCE_MS = 15_000
/** Times shown, and `--since 5m`, are off by this much; nothing that is decided depends on this clock. */
const TOLERATED_MS = 5_000

const ReadySchema = z.object({ database: z.boolean(), temporal: z.boolean() })

export interface Ready extends z.infer<typeof ReadySchema> {
  /** How far the clock of the API is ahead of ours, to a second; undefined if it does not say. */
  aheadMs: number | undefined
}

/** Undefined if no Countersign API answers there. */
export async function askReady(origin: string): Promise<Ready | undefined> {
  try {
    const response = await fetch(new URL('/readyz', origin), { signal: AbortSignal.timeout(PATIENCE_MS) })
    const ready = ReadySchema.parse(await response.json())
    const serverMs = Date.parse(response.headers.get('date') ?? '')
    return { ...ready, aheadMs: Number.isNaN(serverMs) ? undefined : serverMs - Date.now() }
  } catch {
    return undefined
  }
}

export function serverHere(target: Target, answers: boolean): Check {
  const { origin, addressFrom } = target
  if (!answers) return mendAddress(target)
  return { name: 'server', status: 'ok', summary: `${origin} answers (from ${addressFrom}).`, action: null }
}

export function mendAddress({ origin, addressFrom }: Target): Check {
  const summary = `The API cannot be reached: no answer from ${origin} (from ${addressFrom}).`
  return { name: 'server', status: 'fail', summary, action: addressAction(addressFrom) }
}

function addressAction(from: string): string {
  if (from.startsWith('countersign dev'))
    return 'Start `countersign dev` in this folder, or name a --context.'
  if (from.startsWith('context '))
    return 'Start that API, or log in anew with its address, or use another context.'
  if (from === 'default') return 'Start `countersign dev`, or `countersign login --url URL`.'
  return `Start the API, or correct ${from}.`
}

export function clockHere(aheadMs: number | undefined): Check {
  const name = 'clock_here'
  if (aheadMs === undefined) {
    return { name, status: 'ok', summary: 'The API does not say what time it has.', action: null }
  }
  const seconds = Math.round(Math.abs(aheadMs) / 1_000)
  if (Math.abs(aheadMs) <= TOLERATED_MS) {
    return { name, status: 'ok', summary: 'This machine and the API agree on the time.', action: null }
  }
  const summary = `The clock of this machine is ${seconds} s ${aheadMs > 0 ? 'behind' : 'ahead of'} that of the API.`
  return { name, status: 'warn', summary, action: 'Let NTP set the clocks of both machines.' }
}

export function keyHere(
  { origin, keyFrom }: Target,
  state: 'missing' | 'refused' | 'limited' | 'admin',
): Check {
  const name = 'key'
  switch (state) {
    case 'missing':
      return {
        name,
        status: 'fail',
        summary: `There is no API key for ${origin}.`,
        action: 'Log in: `countersign login`, or set COUNTERSIGN_API_KEY.',
      }
    case 'refused':
      return {
        name,
        status: 'fail',
        summary: `The key from ${keyFrom} is unknown, revoked or expired there.`,
        action: 'Ask an administrator for a new one (`countersign keys create`), then `countersign login`.',
      }
    case 'limited':
      return {
        name,
        status: 'warn',
        summary: `The key from ${keyFrom} is valid, and without the scope \`admin\`: the rest was not checked.`,
        action: 'Run the doctor with the key of an administrator.',
      }
    case 'admin':
      return { name, status: 'ok', summary: `The key from ${keyFrom} is valid.`, action: null }
    default:
      return state satisfies never
  }
}

export function withoutDatabase({ temporal }: Pick<Ready, 'temporal'>): Check[] {
  const away = (name: string, summary: string, action: string): Check => {
    return { name, status: 'fail', summary, action }
  }
  const database = away(
    'postgresql',
    'The API cannot reach it, and accepts nothing.',
    'Start PostgreSQL, or correct DATABASE_URL.',
  )
  if (temporal) return [database]
  return [
    database,
    away('temporal', 'The API cannot reach it.', 'Start Temporal, or correct TEMPORAL_ADDRESS.'),
  ]
}
