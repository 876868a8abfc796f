/** What is paused: automations, and triggers of them. */
import type { PauseRow } from '../../lib/pauses.ts'
import type { Queryable } from '../database.ts'

interface Paused {
  organization: string
  automation: string
  trigger: string
}

/** What is paused already stays as it was paused first. The automation must exist. */
export async function insertPause(
  db: Queryable,
  params: Paused & { by: string; reason: string },
): Promise<void> {
  await db.query(
    `insert into pauses (organization, automation, trigger, paused_by, reason) values ($1, $2, $3, $4, $5)
     on conflict do nothing`,
    [params.organization, params.automation, params.trigger, params.by, params.reason],
  )
}

export async function deletePause(db: Queryable, params: Paused): Promise<void> {
  await db.query('delete from pauses where organization = $1 and automation = $2 and trigger = $3', [
    params.organization,
    params.automation,
    params.trigger,
  ])
}

/** Of the automations that are named. */
export async function listPauses(
  db: Queryable,
  params: { organization: string; automations: readonly string[] },
): Promise<PauseRow[]> {
  const { rows } = await db.query<PauseRow>(
    `select automation, trigger, paused_at, paused_by, reason from pauses
     where organization = $1 and automation = any($2::text[])`,
    [params.organization, params.automations],
  )
  return rows
}
