/** Everything that a deployment has written down, as text: to look for what must not be in it. */
import type pg from 'pg'
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import type { World } from './world.ts'

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
      `select count(*)::integer as count from "${name}"`,
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

/** The histories of the runs and of all their children, with what base64 hides made readable. */
export async function historiesOf(world: World, runIds: string[]): Promise<[string, string][]> {
  const texts: [string, string][] = []
  const queue: string[] = []
  for (const runId of runIds) queue.push((await world.admin.getRun({ run_id: runId })).temporal_workflow_id)
  for (let workflowId = queue.pop(); workflowId !== undefined; workflowId = queue.pop()) {
    const history = await world.temporal.workflow.getHandle(workflowId).fetchHistory()
    for (const event of history.events ?? []) {
      const child = event.startChildWorkflowExecutionInitiatedEventAttributes?.workflowId
      if (child) queue.push(child)
    }
    texts.push([`history of ${workflowId}`, readable(historyToJSON(history))])
  }
  return texts
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
