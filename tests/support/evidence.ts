/** Everything that a deployment has written down, as text: to look for what must not be in it. */
import type pg from 'pg'
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import { eventually, type World } from './world.ts'

/** Every row of every table of ours, one entry for each table. */
export async function tableTexts(database: Pick<pg.Pool, 'query'>): Promise<[string, string][]> {
  const names = await tableNames(database)
  return Promise.all(
    names.map(async (name): Promise<[string, string]> => {
      const { rows } = await database.query<{ row: unknown }>(`select to_jsonb(t) as row from "${name}" t`)
      return [`table ${name}`, rows.map(({ row }) => JSON.stringify(row)).join('\n')]
    }),
  )
}

/** How many rows each table has: to see that a refusal left nothing behind. */
export async function rowCounts(database: Pick<pg.Pool, 'query'>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const name of await tableNames(database)) {
    const { rows } = await database.query<{ count: number }>(
      // What was only said is kept too, and is no decision yet.
      `select count(*)::integer as count from "${name}" ${name === 'decisions' ? 'where recorded_at is not null' : ''}`,
    )
    counts[name] = rows[0]?.count ?? 0
  }
  return counts
}

async function tableNames(database: Pick<pg.Pool, 'query'>): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(
    `select table_name as name from information_schema.tables
     where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`,
  )
  return rows.map(({ name }) => name)
}

/**
 * The histories of all that ran on the task queue of the world, whoever started it, with what base64 hides made readable.
 * Lists of executions lag behind: those that are named by how their ids begin are waited for.
 */
export async function historiesOf(world: World, awaited: readonly string[]): Promise<[string, string][]> {
  const executions = await eventually(async () => {
    const found = await executionsOf(world)
    return awaited.every((start) => found.some(({ workflowId }) => workflowId.startsWith(start))) && found
  })
  const texts: [string, string][] = []
  for (const { workflowId, runId } of executions) {
    const history = await world.temporal.workflow.getHandle(workflowId, runId).fetchHistory()
    texts.push([`history of ${workflowId}`, readable(historyToJSON(history))])
  }
  return texts
}

async function executionsOf({
  temporal,
  taskQueue,
}: World): Promise<{ workflowId: string; runId: string }[]> {
  const found: { workflowId: string; runId: string }[] = []
  for await (const { workflowId, runId } of temporal.workflow.list({ query: `TaskQueue = '${taskQueue}'` }))
    found.push({ workflowId, runId })
  return found
}

/** The text, and what base64 of anything around it holds of it, at each of the three offsets it may start at. */
export function formsOf(secret: string): string[] {
  const cores = [0, 1, 2].map((offset) => {
    const base64 = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]).toString('base64')
    // A digit holds six bits: those that also hold bits of what stands before or after are cut off.
    return base64.slice(
      Math.ceil((offset * 8) / 6),
      Math.floor(((offset + Buffer.byteLength(secret)) * 8) / 6),
    )
  })
  return [secret, ...cores]
}

/** Decodes payloads two levels deep: a ticket is base64 inside a payload that is base64. */
function readable(json: string): string {
  const decode = (text: string) =>
    text.replace(/[A-Za-z0-9+/]{16,}={0,2}/g, (base64) => {
      const decoded = Buffer.from(base64, 'base64').toString('utf8')
      return /^[\x09\x0a\x0d\x20-\x7e]+$/.test(decoded) ? `${base64} ${decoded}` : base64
    })
  return decode(decode(json))
}
